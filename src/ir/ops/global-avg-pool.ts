import { at } from '../../base/errors.ts';
import type { ImportedOp } from '../graph/op.ts';
import type { Shape } from '../tensor.ts';
import { newestOpset, required } from './common/inputs.ts';
import { averageOf, reduceMean } from './reduce-mean.ts';

/** All spatial axes. */
const meanAttrs = (shape: Shape) => ({
  axes: shape.slice(2).map((_, i) => i + 2),
  keepDims: true,
  noAxesIsNoop: true,
});

/** ONNX GlobalAveragePool-1, 22: the mean of each channel. */
export const globalAvgPool: ImportedOp = {
  kind: 'globalAvgPool',
  onnx: { GlobalAveragePool: { since: 1, upTo: newestOpset, parse: () => ({}) } },
  infer(_attrs, inputs) {
    const x = required(inputs, 0, 'X');
    return reduceMean.infer(meanAttrs(x.shape), [x]);
  },
  reference(_attrs, inputs) {
    const x = required(inputs, 0, 'X');
    return reduceMean.reference(meanAttrs(x.shape), [x]);
  },
  canonicalize: ({ inputs, outputs, inputTypes }) => [
    averageOf(required(inputTypes, 0, 'X').shape.slice(2), at(inputs, 0), at(outputs, 0)),
  ],
};
