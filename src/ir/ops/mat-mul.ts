import type { InputType, NodeView, OpDef, Replacement } from '../op.ts';
import { countOf, type Shape, showShape, type Tensor } from '../tensor.ts';
import { broadcastIndex, broadcastShape } from './common/broadcast.ts';
import { reshapeTo } from './common/imported.ts';
import { complain, newestOpset, required } from './common/inputs.ts';
import { rounded } from './common/round.ts';
import { weightsOf } from './gemm.ts';
import { linear } from './linear.ts';

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
  const [m, k] = a.length === 1 ? [1, a[0] ?? 0] : [a.at(-2) ?? 0, a.at(-1) ?? 0];
  const [k2, n] = b.length === 1 ? [b[0] ?? 0, 1] : [b.at(-2) ?? 0, b.at(-1) ?? 0];
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
        const [x, y] = [((fromA[s] as number) * m + i) * k, (fromB[s] as number) * k * n + j];
        let sum = 0;
        for (let f = 0; f < k; f++) sum += (a.data[x + f] as number) * (b.data[y + f * n] as number);
        values[next++] = sum;
      }
  return rounded(a.dtype, shape, values);
}

const shapesOf = (inputs: readonly (InputType | undefined)[]): Product =>
  productOf(required(inputs, 0, 'A').shape, required(inputs, 1, 'B').shape);

/** A row vector times a constant matrix; other ranks are reshaped to that and back. */
function canonical({ inputs, outputs, inputTypes }: NodeView<unknown>): readonly Replacement[] {
  const [a, b] = [required(inputTypes, 0, 'A'), required(inputTypes, 1, 'B')];
  const { k, shape } = productOf(a.shape, b.shape);
  if (countOf(a.shape) !== k || b.shape.length !== 2)
    throw complain(`${showShape(a.shape)} times ${showShape(b.shape)}`, 'one row times a matrix of weights');
  const [from = '', to = ''] = [inputs[0], outputs[0]];
  const plain = a.shape.length === 2;
  const [row, sum, w] = plain ? [from, to, `${to}~w`] : [`${to}~row`, `${to}~sum`, `${to}~w`];
  const constants = new Map([[w, weightsOf(b, false, 1)]]);
  const product = { op: linear, attrs: {}, inputs: [row, w], outputs: [sum], constants };
  return plain ? [product] : [reshapeTo(from, row, [1, k]), product, reshapeTo(sum, to, shape)];
}

/** ONNX MatMul-1, 9, 13: numpy.matmul. */
export const matMul: OpDef = {
  kind: 'matMul',
  onnx: { MatMul: { since: 1, upTo: newestOpset, parse: () => ({}) } },
  infer: (_attrs, inputs) => [{ dtype: required(inputs, 0, 'A').dtype, shape: shapesOf(inputs).shape }],
  reference: (_attrs, inputs) => [multiplied(required(inputs, 0, 'A'), required(inputs, 1, 'B'))],
  canonicalize: canonical,
};
