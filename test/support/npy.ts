/** NumPy's .npy, version 1: little-endian float32 in C order. */
import type { Tensor } from '../../src/ir/tensor.ts';
import { readBytes } from './shared.ts';

export function readNpy(path: string): Tensor & { readonly data: Float32Array } {
  const bytes = readBytes(path);
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const start = 10 + view.getUint16(8, true);
  const header = new TextDecoder().decode(bytes.subarray(10, start));
  if (!header.includes("'<f4'") || !header.includes("'fortran_order': False"))
    throw new Error(`${path}: ${header}`);
  const shape = [...(/\(([^)]*)\)/.exec(header)?.[1] ?? '').matchAll(/\d+/g)].map(Number);
  return { dtype: 'float32', shape, data: new Float32Array(bytes.slice(start).buffer) };
}

/** Row `i` of the first axis, as a batch of 1. */
export function rowOf(tensor: Tensor, i: number): Tensor {
  const count = tensor.data.length / (tensor.shape[0] ?? 1);
  const data = tensor.data.slice(i * count, (i + 1) * count);
  return { dtype: tensor.dtype, shape: [1, ...tensor.shape.slice(1)], data };
}

export const largestDifference = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let most = 0;
  for (let i = 0; i < a.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    // A NaN is a difference.
    if (!(difference <= most)) most = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return most;
};
