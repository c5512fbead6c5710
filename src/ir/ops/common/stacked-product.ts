/** numpy.matmul: products of stacks of matrices, whose leading axes broadcast. */
import { at, complain, holds } from '../../../base/errors.ts';
import { broadcastIndex, broadcastShape } from '../../geometry/broadcast.ts';
import { countOf, type Shape, showShape, type Tensor } from '../../tensor.ts';

export interface StackedProduct {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** The stacks of matrices: of each factor, and of the result. */
  readonly stackA: Shape;
  readonly stackB: Shape;
  readonly stack: Shape;
  readonly shape: Shape;
}

/**
 * A vector on the left is a row, on the right a column, and that axis is dropped again.
 * @throws InputError when the shapes do not multiply
 */
export function stackedProduct(a: Shape, b: Shape): StackedProduct {
  if (a.length === 0 || b.length === 0) throw complain('a scalar factor', 'vectors and matrices');
  const [m, k] = a.length === 1 ? [1, at(a, 0)] : [at(a, a.length - 2), at(a, a.length - 1)];
  const [k2, n] = b.length === 1 ? [at(b, 0), 1] : [at(b, b.length - 2), at(b, b.length - 1)];
  if (k !== k2) throw complain(`${showShape(a)} times ${showShape(b)}`, 'shapes that multiply');
  const [stackA, stackB] = [a.slice(0, -2), b.slice(0, -2)];
  const stack = broadcastShape(stackA, stackB);
  const shape = [...stack, ...(a.length === 1 ? [] : [m]), ...(b.length === 1 ? [] : [n])];
  return { m, k, n, stackA, stackB, stack, shape };
}

/** In float64, rounded to nothing. */
export function multiplied(a: Tensor, b: Tensor): Tensor {
  const { m, k, n, stackA, stackB, stack, shape } = stackedProduct(a.shape, b.shape);
  const [fromA, fromB] = [broadcastIndex(stackA, stack), broadcastIndex(stackB, stack)];
  const values = new Float64Array(countOf(shape));
  // Unchecked below: of matrices that are there all rows and columns are.
  holds(a.data, countOf(stackA) * m * k);
  holds(b.data, countOf(stackB) * k * n);
  let next = 0;
  for (let s = 0; s < fromA.length; s++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        const [x, y] = [(at(fromA, s) * m + i) * k, at(fromB, s) * k * n + j];
        let sum = 0;
        for (let f = 0; f < k; f++) sum += (a.data[x + f] as number) * (b.data[y + f * n] as number);
        values[next++] = sum;
      }
  return { dtype: 'float64', shape, data: values };
}
