/** Tensors for tests: deterministic, all magnitudes near 1, exact in float32. */
import fc from 'fast-check';
import { countOf, floats, type Shape, type Tensor } from '../../src/ir/tensor.ts';

/** Numbers in -1..1 with 10 bits, from a seed (a linear congruential generator; its upper bits). */
export function randomTensor(shape: Shape, seed: number): Tensor {
  let state = (seed * 2654435761 + 12345) >>> 0;
  const data = Float32Array.from({ length: countOf(shape) }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return ((state >>> 20) - 2048) / 2048;
  });
  return floats(shape, data);
}

export const seedArbitrary = fc.nat({ max: 2 ** 20 });

/** All index tuples of a shape, row-major. */
export const indicesOf = (shape: Shape): number[][] =>
  shape.reduce<number[][]>(
    (all, size) => all.flatMap((index) => Array.from({ length: size }, (_, i) => [...index, i])),
    [[]],
  );

export const at = (tensor: Tensor, index: readonly number[]): number =>
  tensor.data[index.reduce((offset, i, axis) => offset * tensor.shape[axis]! + i, 0)]!;
