import { at, complain, must } from '../../base/errors.ts';
import type { ChannelMap, Remade } from '../graph/affine.ts';
import type { CanonicalOp, InputType, NodeView, OnnxNode } from '../graph/op.ts';
import { boundAt } from '../integers/row-clamp.ts';
import { channelCount, countOf, floats, picked, type Tensor, type TensorType } from '../tensor.ts';
import { depthwise } from './common/depthwise.ts';
import { constantOf, newestOpset, required, requireFloats, requireShape } from './common/inputs.ts';
import { rounded } from './common/round.ts';

export interface BatchNormAttrs {
  readonly epsilon: number;
}

/** @throws InputError in training mode: its result depends on the rest of the batch. */
function parse({ attributes, outputs, opset }: OnnxNode): BatchNormAttrs {
  const trainingOutputs = outputs.slice(1).some((name) => name !== '');
  const training = opset >= 14 ? attributes.int('training_mode', 0) !== 0 : trainingOutputs;
  if (training || trainingOutputs || attributes.int('is_test', 1) === 0)
    throw complain(
      'batch normalization in training mode',
      'inference',
      'call model.eval() before the export',
    );
  if (attributes.int('spatial', 1) === 0) throw complain('spatial = 0', 'spatial = 1');
  return { epsilon: attributes.float('epsilon', 1e-5) };
}

const roles = ['X', 'scale', 'B', 'mean', 'var'];

function typeOf(inputs: readonly (InputType | undefined)[]): TensorType {
  requireFloats(inputs);
  const { dtype, shape } = required(inputs, 0, 'X');
  for (const [i, role] of roles.entries())
    if (i > 0) requireShape(required(inputs, i, role).shape, [channelCount(shape)], role);
  return { dtype, shape };
}

/** y = scale * (x - mean) / sqrt(var + epsilon) + bias, per channel. */
function normalized({ epsilon }: BatchNormAttrs, inputs: readonly (Tensor | undefined)[]): Tensor {
  const { dtype, shape } = typeOf(inputs);
  const [x = [], scale = [], bias = [], mean = [], variance = []] = roles.map(
    (role, i) => required(inputs, i, role).data,
  );
  const [channels, inner] = [channelCount(shape), countOf(shape.slice(2))];
  const values = Float64Array.from(x);
  // Read unchecked in the inner loop: the values are whole lines.
  for (let from = 0, c = 0; from < values.length; from += inner, c = (c + 1) % channels) {
    const factor = at(scale, c) / Math.sqrt(at(variance, c) + epsilon);
    const [m, b] = [at(mean, c), at(bias, c)];
    for (let i = from; i < from + inner; i++) values[i] = ((values[i] as number) - m) * factor + b;
  }
  return rounded(dtype, shape, values);
}

/** @throws InputError for a constant variance that has no root with epsilon added */
function requireRoots({ epsilon }: BatchNormAttrs, variance: Tensor | undefined): void {
  const c = variance?.data.findIndex((v: number) => !(v + epsilon > 0 && v + epsilon < Infinity)) ?? -1;
  if (c < 0) return;
  throw complain(
    `variance ${variance?.data[c]} plus epsilon ${epsilon} of channel ${c}`,
    'sums above 0, of which the square root is taken',
    'the running statistics are damaged: look at running_var in PyTorch',
  );
}

/** Gain scale / sqrt(var + epsilon), shift bias - gain mean. */
function mapOf({ attrs: { epsilon }, inputTypes }: NodeView<BatchNormAttrs>): ChannelMap {
  const numbers = (i: number) =>
    Array.from(must(inputTypes[i]?.constant, 'parameters of a batch norm are constant').data);
  const [scale, bias, mean, variance] = [numbers(1), numbers(2), numbers(3), numbers(4)];
  const deviation = variance.map((v) => Math.sqrt(v + epsilon));
  const gain = scale.map((s, c) => s / boundAt(deviation, c));
  const shift = bias.map((b, c) => b - boundAt(gain, c) * boundAt(mean, c));
  return { gain, shift, trained: { mean, deviation } };
}

/** With mean 0 and variance 1. */
function again({ gain, shift }: ChannelMap): Remade<BatchNormAttrs> {
  const vector = (values: readonly number[]) => floats([values.length], Float32Array.from(values));
  const all = (x: number) => vector(gain.map(() => x));
  const constants = { scale: vector(gain), bias: vector(shift), mean: all(0), variance: all(1) };
  return { attrs: { epsilon: 0 }, constants };
}

/**
 * Batch normalization at inference. x[N,C,...], then scale, bias, mean and variance, each [C].
 * ONNX BatchNormalization-6 (is_test), 7, 9, 14, 15 with training_mode 0 and one output.
 */
export const batchNorm: CanonicalOp<BatchNormAttrs> = {
  kind: 'batchNorm',
  restrictions: 'inference; constant numbers of each channel; spatial = 1',
  onnx: { BatchNormalization: { since: 6, upTo: newestOpset, parse } },
  infer: (_attrs, inputs) => [typeOf(inputs)],
  reference: (attrs, inputs) => [normalized(attrs, inputs)],
  affine: { kind: 'channelwise', map: mapOf, again, alone: depthwise },
  absorb: () => undefined,
  elementwise: false,
  channels: (attrs, inputs) => ({
    flow: 'kept',
    isSilent: () => false,
    reduced: (_inputs, kept) => ({
      attrs,
      constants: inputs.map((input) => input?.constant && picked(input.constant, 0, kept)),
    }),
  }),
  explicit(attrs, inputs) {
    for (const input of inputs.slice(1)) constantOf(input, 'scale, B, mean or var');
    requireRoots(attrs, inputs[4]?.constant);
    return attrs;
  },
  rows: undefined,
  gradient: 'none',
};
