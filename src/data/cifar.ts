/** The CIFAR-10 binary format: per record a label byte, then 32x32 planes of red, green and blue. */
import { at, InputError } from '../base/errors.ts';
import type { Samples } from './samples.ts';

const pixels = 3 * 32 * 32;
const record = 1 + pixels;

/** @throws InputError when the length is not a multiple of 3,073 bytes. */
export function readCifar(bytes: Uint8Array, where: string): Samples {
  if (bytes.length % record !== 0)
    throw new InputError({
      where,
      found: `${bytes.length} bytes, which is not a multiple of ${record}`,
      supported: 'CIFAR-10 binary files: records of 1 label byte and 3072 pixels',
      todo: 'download the file again, or convert the images to .npy',
    });
  const count = bytes.length / record;
  const data = new Uint8Array(count * pixels);
  const labels = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    labels[i] = at(bytes, i * record);
    data.set(bytes.subarray(i * record + 1, (i + 1) * record), i * pixels);
  }
  return { where, array: { dtype: 'uint8', shape: [count, 3, 32, 32], data }, layout: 'nchw', labels };
}
