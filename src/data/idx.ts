/** The idx files of MNIST: two zero bytes, a type, the number of axes, sizes as big endian u32, elements. */
import { at, InputError } from '../base/errors.ts';
import { countOf, type DType, type Shape, type Tensor } from '../ir/tensor.ts';
import { readElements, storedBytes } from './elements.ts';

const dtypes: Readonly<Record<number, DType>> = {
  8: 'uint8',
  9: 'int8',
  11: 'int16',
  12: 'int32',
  13: 'float32',
  14: 'float64',
};

export const isIdx = (bytes: Uint8Array): boolean =>
  bytes.length >= 4 && bytes[0] === 0 && bytes[1] === 0 && dtypes[at(bytes, 2)] !== undefined;

const damaged = (where: string, found: string): InputError =>
  new InputError({
    where,
    found,
    supported: 'complete idx files of uint8, int8, int16, int32, float32 or float64',
    todo: 'download or make the file again',
  });

function shapeOf(bytes: Uint8Array, where: string): Shape {
  const axes = at(bytes, 3);
  if (bytes.length < 4 + 4 * axes) throw damaged(where, 'truncated inside of its header');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: axes }, (_, i) => view.getUint32(4 + 4 * i, false));
}

/** @throws InputError when it is no idx file, or not as long as its header says. */
export function readIdx(bytes: Uint8Array, where: string): Tensor {
  const dtype = isIdx(bytes) ? dtypes[at(bytes, 2)] : undefined;
  if (dtype === undefined) throw damaged(where, 'not an idx file (wrong first four bytes)');
  const shape = shapeOf(bytes, where);
  const start = 4 + 4 * shape.length;
  const need = countOf(shape) * storedBytes[dtype];
  if (bytes.length - start !== need)
    throw damaged(where, `${bytes.length - start} bytes of data where its header promises ${need}`);
  return { dtype, shape, data: readElements(where, dtype, bytes.subarray(start), false) };
}
