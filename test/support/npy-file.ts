/** Files of NumPy, as numpy.save writes them. */
const codes = {
  Float32Array: '<f4',
  Float64Array: '<f8',
  Uint8Array: '|u1',
  Int8Array: '|i1',
  Int16Array: '<i2',
  Int32Array: '<i4',
  BigInt64Array: '<i8',
} as const;

type Written = Float32Array | Float64Array | Uint8Array | Int8Array | Int16Array | Int32Array | BigInt64Array;

/** @param header what numpy would write there is made of the array, unless something else is given */
export function npyFile(array: Written, shape: readonly number[], header?: string): Uint8Array {
  const descr = codes[array.constructor.name as keyof typeof codes];
  const sizes = shape.length === 1 ? `${shape[0]},` : shape.join(', ');
  const text = header ?? `{'descr': '${descr}', 'fortran_order': False, 'shape': (${sizes}), }`;
  const padded = `${text.padEnd(64 * Math.ceil((text.length + 11) / 64) - 11)}\n`;
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  const length = [padded.length & 255, padded.length >> 8];
  return Uint8Array.from([0x93, ...Buffer.from('NUMPY'), 1, 0, ...length, ...Buffer.from(padded), ...bytes]);
}
