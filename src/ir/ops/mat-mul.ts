import { at, complain } from '../../base/errors.ts';
import { broadcastIndex, broadcastShape } from '../geometry/broadcast.ts';
import type { ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import { countOf, type Shape, showShape, type Tensor } from '../tensor.ts';
import { newestOpset, required } from './common/inputs.ts';
import { rounded } from './common/round.ts';
import { rowsProduct } from './common/row-products.ts';
import { weightsOf } from './gemm.ts';

interface Product {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** The stacks of matrices: of each factor, and of the result. */
  readonly stackA: Shape;
  readonly stackB: Shape;
  readonly stack: Shape;
  readonly shape: Shape;
}

/** numpy.matmul: a vector on the left is a row, on the right a column, and that axis is dropped again. */
function productOf(a: Shape, b: Shape): Product {
  if (a.length === 0 || b.length === 0) throw complain('a scalar factor', 'vectors and matrices');
  const [m, k] = a.length === 1 ? [1, at(a, 0)] : [at(a, a.length - 2), at(a, a.length - 1)];
  const [k2, n] = b.length === 1 ? [at(b, 0), 1] : [at(b, b.length - 2), at(b, b.length - 1)];
  if (k !== k2) throw complain(`${showShape(a)} times ${showShape(b)}`, 'shapes that multiply');
  const [stackA, stackB] = [a.slice(0, -2), b.slice(0, -2)];
  const stack = broadcastShape(stackA, stackB);
  const shape = [...stack, ...(a.length === 1 ? [] : [m]), ...(b.length === 1 ? [] : [n])];
  return { m, k, n, stackA, stackB, stack, shape };
}

function multiplied(a: Tensor, b: Tensor): Tensor {
  const { m, k, n, stackA, stackB, stack, shape } = productOf(a.shape, b.shape);
  const [fromA, fromB] = [broadcastIndex(stackA, stack), broadcastIndex(stackB, stack)];
  const values = new Float64Array(countOf(shape));
  let next = 0;
  for (let s = 0; s < fromA.length; s++)
    for (let i = 0; i < m; i++)
      for (let j = 0; j < n; j++) {
        const [x, y] = [(at(fromA, s) * m + i) * k, at(fromB, s) * k * n + j];
        let sum = 0;
        // Unchecked: of a matrix whose beginning is there all rows and columns are.
        for (let f = 0; f < k; f++) sum += (a.data[x + f] as number) * (b.data[y + f * n] as number);
        values[next++] = sum;
      }
  return rounded(a.dtype, shape, values);
}

const shapesOf = (inputs: readonly (InputType | undefined)[]): Product =>
  productOf(required(inputs, 0, 'A').shape, required(inputs, 1, 'B').shape);

/** Rows times a constant matrix; the matrix may stand in a stack of one, or be a vector. */
function canonical({ inputs, outputs, inputTypes }: NodeView<unknown>): readonly Replacement[] {
  const [a, b] = [required(inputTypes, 0, 'A'), required(inputTypes, 1, 'B')];
  const { k, n, shape } = productOf(a.shape, b.shape);
  if (countOf(b.shape) !== k * n)
    throw complain(`${showShape(a.shape)} times ${showShape(b.shape)}`, 'rows times one matrix of weights');
  const matrix = { ...b, shape: [k, n] };
  const constant = b.constant && { ...b.constant, shape: matrix.shape };
  return rowsProduct({
    from: at(inputs, 0),
    shape: a.shape,
    to: at(outputs, 0),
    target: shape,
    rows: countOf(a.shape) / k,
    depth: k,
    weights: weightsOf(constant === undefined ? matrix : { ...matrix, constant }, false, 1),
  });
}

/** ONNX MatMul-1, 9, 13: numpy.matmul. */
export const matMul: ImportedOp = {
  kind: 'matMul',
  onnx: { MatMul: { since: 1, upTo: newestOpset, parse: () => ({}) } },
  infer: (_attrs, inputs) => [{ dtype: required(inputs, 0, 'A').dtype, shape: shapesOf(inputs).shape }],
  reference: (_attrs, inputs) => [multiplied(required(inputs, 0, 'A'), required(inputs, 1, 'B'))],
  canonicalize: canonical,
};
