import { at } from '../../base/errors.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import type { Shape, Tensor } from '../tensor.ts';
import { newestOpset, required } from './common/inputs.ts';
import { productOf } from './common/matrix-products.ts';
import { rounded } from './common/round.ts';
import { multiplied, stackedProduct } from './common/stacked-product.ts';
import { deepest } from './matrices.ts';

const shapeOf = (inputs: readonly (InputType | undefined)[]): Shape =>
  stackedProduct(required(inputs, 0, 'A').shape, required(inputs, 1, 'B').shape).shape;

function product(a: Tensor, b: Tensor): Tensor {
  const { shape, data } = multiplied(a, b);
  return rounded(a.dtype, shape, Float64Array.from(data));
}

/** ONNX MatMul-1, 9, 13: numpy.matmul. */
export const matMul: ImportedOp = {
  kind: 'matMul',
  restrictions: `int8: sums of at most ${deepest} products of two activations`,
  onnx: { MatMul: { since: 1, upTo: newestOpset, parse: () => ({}) } },
  infer: (_attrs, inputs) => [{ dtype: required(inputs, 0, 'A').dtype, shape: shapeOf(inputs) }],
  reference: (_attrs, inputs) => [product(required(inputs, 0, 'A'), required(inputs, 1, 'B'))],
  canonicalize: ({ inputs, outputs, inputTypes }) =>
    productOf({
      factors: [
        { name: at(inputs, 0), type: required(inputTypes, 0, 'A') },
        { name: at(inputs, 1), type: required(inputTypes, 1, 'B') },
      ],
      to: at(outputs, 0),
    }),
};
