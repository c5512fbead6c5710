import type { ImportedOp } from '../graph/op.ts';
import { newestOpset, required } from './common/inputs.ts';

/** ONNX Identity-1, 13, 14, 16, 19, 21, of tensors. */
export const identity: ImportedOp = {
  kind: 'identity',
  onlyMoves: true,
  onnx: { Identity: { since: 1, upTo: newestOpset, parse: () => ({}) } },
  infer(_attrs, inputs) {
    const { dtype, shape } = required(inputs, 0, 'input');
    return [{ dtype, shape }];
  },
  reference: (_attrs, inputs) => [required(inputs, 0, 'input')],
  canonicalize: () => [],
};
