import { complain } from '../../base/errors.ts';
import type { ImportedOp, OnnxNode } from '../graph/op.ts';
import { floats, type Tensor } from '../tensor.ts';
import { onlyOnConstants } from './common/imported.ts';
import { newestOpset } from './common/inputs.ts';

interface Attrs {
  readonly value: Tensor;
}

const int64s = (shape: readonly number[], values: readonly number[]): Tensor => ({
  dtype: 'int64',
  shape,
  data: Float64Array.from(values),
});

function valueIn({ attributes }: OnnxNode): Tensor {
  const tensor = attributes.get('value', 'tensor');
  if (tensor !== undefined) return tensor;
  const float = attributes.get('value_float', 'float');
  if (float !== undefined) return floats([], Float32Array.of(float));
  const many = attributes.get('value_floats', 'floats');
  if (many !== undefined) return floats([many.length], Float32Array.from(many));
  const int = attributes.get('value_int', 'int');
  if (int !== undefined) return int64s([], [int]);
  const ints = attributes.get('value_ints', 'ints');
  if (ints !== undefined) return int64s([ints.length], ints);
  throw complain(`attributes ${attributes.names().join(', ')}`, 'value, value_float(s), value_int(s)');
}

/** ONNX Constant-1, 9, 11, 12, 13, 19, 21: of dense numbers. */
export const constant: ImportedOp<Attrs> = {
  kind: 'constant',
  folds: true,
  onnx: { Constant: { since: 1, upTo: newestOpset, parse: (node) => ({ value: valueIn(node) }) } },
  infer: ({ value }) => [{ dtype: value.dtype, shape: value.shape }],
  reference: ({ value }) => [value],
  canonicalize: onlyOnConstants('Constant'),
};
