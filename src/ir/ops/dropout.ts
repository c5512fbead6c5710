import { complain } from '../../base/errors.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import { type DType, numbersFor } from '../tensor.ts';
import { constantScalar, known, newestOpset, required } from './common/inputs.ts';

interface Attrs {
  /** The type of the mask output: like the data before opset 10. */
  readonly mask: DType | 'data';
}

/** @throws InputError when the node would drop anything. */
function requireInference(inputs: readonly (InputType | undefined)[]): void {
  const training = (constantScalar(inputs[2], 'training_mode') ?? 0) !== 0;
  if (training && (constantScalar(inputs[1], 'ratio') ?? 0.5) !== 0)
    throw complain('dropout in training mode', 'inference', 'call model.eval() before the export');
}

/** ONNX Dropout-7, 10, 12, 13, 22 at inference: the identity, and a mask of ones. */
export const dropout: ImportedOp<Attrs> = {
  kind: 'dropout',
  restrictions: 'inference',
  onnx: {
    Dropout: { since: 7, upTo: newestOpset, parse: ({ opset }) => ({ mask: opset < 10 ? 'data' : 'bool' }) },
  },
  infer(attrs, inputs) {
    const { dtype, shape } = required(inputs, 0, 'data');
    return [
      { dtype, shape },
      { dtype: attrs.mask === 'data' ? dtype : attrs.mask, shape },
    ];
  },
  reference({ mask }, inputs) {
    requireInference(inputs.map(known));
    const data = required(inputs, 0, 'data');
    const dtype = mask === 'data' ? data.dtype : mask;
    return [data, { dtype, shape: data.shape, data: numbersFor(dtype, data.data.length).fill(1) }];
  },
  canonicalize({ inputTypes }) {
    requireInference(inputTypes);
    return [];
  },
};
