/** Arrays of numbers as bytes, of either byte order, independent of the machine's own. */
import { at, InputError } from '../base/errors.ts';
import { type DType, type Numbers, numbersFor } from '../ir/tensor.ts';

export const storedBytes: Readonly<Record<DType, number>> = {
  float32: 4,
  float64: 8,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint64: 8,
  uint32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
};

type Get = (view: DataView, at: number, little: boolean) => number;
const getters: Readonly<Record<DType, Get>> = {
  float32: (view, at, little) => view.getFloat32(at, little),
  float64: (view, at, little) => view.getFloat64(at, little),
  int64: (view, at, little) => Number(view.getBigInt64(at, little)),
  int32: (view, at, little) => view.getInt32(at, little),
  int16: (view, at, little) => view.getInt16(at, little),
  int8: (view, at) => view.getInt8(at),
  uint64: (view, at, little) => Number(view.getBigUint64(at, little)),
  uint32: (view, at, little) => view.getUint32(at, little),
  uint16: (view, at, little) => view.getUint16(at, little),
  uint8: (view, at) => view.getUint8(at),
  bool: (view, at) => (view.getUint8(at) === 0 ? 0 : 1),
};

type Set = (view: DataView, at: number, value: number) => void;
const setters: Readonly<Record<DType, Set>> = {
  float32: (view, at, value) => view.setFloat32(at, value, true),
  float64: (view, at, value) => view.setFloat64(at, value, true),
  int64: (view, at, value) => view.setBigInt64(at, BigInt(value), true),
  int32: (view, at, value) => view.setInt32(at, value, true),
  int16: (view, at, value) => view.setInt16(at, value, true),
  int8: (view, at, value) => view.setInt8(at, value),
  uint64: (view, at, value) => view.setBigUint64(at, BigInt(value), true),
  uint32: (view, at, value) => view.setUint32(at, value, true),
  uint16: (view, at, value) => view.setUint16(at, value, true),
  uint8: (view, at, value) => view.setUint8(at, value),
  bool: (view, at, value) => view.setUint8(at, value),
};

/**
 * As many elements as `bytes` has room for.
 * @throws InputError for an integer of 64 bits that a float64 cannot hold exactly.
 */
export function readElements(where: string, dtype: DType, bytes: Uint8Array, little: boolean): Numbers {
  const size = storedBytes[dtype];
  const out = numbersFor(dtype, Math.floor(bytes.length / size));
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const get = getters[dtype];
  for (let i = 0; i < out.length; i++) out[i] = get(view, i * size, little);
  if (dtype === 'int64' || dtype === 'uint64') requireExact(where, out);
  return out;
}

function requireExact(where: string, numbers: Numbers): void {
  const at = numbers.findIndex((n: number) => !Number.isSafeInteger(n));
  if (at < 0) return;
  throw new InputError({
    where,
    found: `element ${at} is ${numbers[at]}, beyond 2^53`,
    supported: 'integers up to 2^53',
    todo: 'save the array as int32 or float64',
  });
}

/** Little endian. */
export function writeElements(dtype: DType, data: Numbers): Uint8Array {
  const size = storedBytes[dtype];
  const bytes = new Uint8Array(data.length * size);
  const view = new DataView(bytes.buffer);
  const set = setters[dtype];
  for (let i = 0; i < data.length; i++) set(view, i * size, at(data, i));
  return bytes;
}
