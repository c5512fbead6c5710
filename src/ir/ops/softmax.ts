import { at, complain, must } from '../../base/errors.ts';
import type { CanonicalOp, KernelContext } from '../graph/op.ts';
import { elemOf } from '../kernel/stored.ts';
import { countOf, type Tensor } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { axisIn, newestOpset, required } from './common/inputs.ts';
import { oneAxis } from './common/one-axis.ts';
import { strided } from './common/reads.ts';
import { rounded } from './common/round.ts';
import { linesOf } from './kernels/axis-lines.ts';
import { docOf } from './kernels/doc.ts';
import {
  longestInt8Softmax,
  type Softmax,
  softmaxFloat32,
  softmaxInt8,
  softmaxOutput,
  softmaxWide,
  wideSoftmaxOutput,
} from './kernels/softmax.ts';

export interface SoftmaxAttrs {
  /** The axis whose elements sum to 1. */
  readonly axis: number;
}

/** exp(x - max) / sum, for `count` elements `stride` apart from `from` on. */
function softmaxLine(out: Float64Array, x: Tensor, from: number, count: number, stride: number): void {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i++) largest = Math.max(largest, at(x.data, from + i * stride));
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const power = Math.exp(at(x.data, from + i * stride) - largest);
    out[from + i * stride] = power;
    sum += power;
  }
  for (let i = 0; i < count; i++) out[from + i * stride] = at(out, from + i * stride) / sum;
}

function softmaxAlong(x: Tensor, axis: number): Tensor {
  const count = at(x.shape, axis);
  const stride = countOf(x.shape.slice(axis + 1));
  const out = new Float64Array(x.data.length);
  const lines = countOf(x.shape.slice(0, axis));
  for (let line = 0; line < lines; line++)
    for (let i = 0; i < stride; i++) softmaxLine(out, x, line * count * stride + i, count, stride);
  return rounded(x.dtype, x.shape, out);
}

function linesIn({ axis }: SoftmaxAttrs, context: KernelContext, elem: 'u8' | 'f32'): Softmax {
  const [input, output] = [must(context.inputs[0], 'an input'), must(context.outputs[0], 'an output')];
  const doc = docOf('Softmax', [input], output, elem);
  return { name: context.name, doc, lines: linesOf(input, axis), count: countOf(input.shape) };
}

/** The scale of the input; the output's is fixed. */
export interface QuantizedSoftmax {
  readonly inputScale: number;
  /** Set where the input or the output has 16 bits. */
  readonly isWide?: true;
}

/** ONNX Softmax-13: along one axis. */
export const softmax: CanonicalOp<SoftmaxAttrs, QuantizedSoftmax> = {
  kind: 'softmax',
  restrictions: `int8: over at most ${longestInt8Softmax} elements`,
  onnx: {
    Softmax: { since: 13, upTo: newestOpset, parse: oneAxis.parse },
  },
  infer: oneAxis.infer,
  reference({ axis }, inputs) {
    const x = required(inputs, 0, 'input');
    return [softmaxAlong(x, axisIn(axis, x.shape.length))];
  },
  reads: strided,
  explicit: oneAxis.explicit,
  affine: { kind: 'opaque' },
  absorb: () => undefined,
  elementwise: false,
  channels: opaqueChannels,
  outputQuant: ({ outputBits }) => (outputBits === 16 ? wideSoftmaxOutput : softmaxOutput),
  sixteen: 'both',
  rows: undefined,
  gradient: { of: ({ axis }, steps) => steps.softmax(steps.input(0), axis) },
  quantize(c) {
    const input = must(c.inputQuants[0], 'the input is quantized');
    const isWide = input.bits !== undefined || c.outputQuant.bits !== undefined;
    return { inputScale: input.scale, ...(isWide ? { isWide } : {}) };
  },
  int8(attrs, { inputScale, isWide }, context) {
    const softmax = linesIn(attrs, context, 'u8');
    if (softmax.lines.length > longestInt8Softmax)
      throw complain(`softmax over ${softmax.lines.length} numbers`, `at most ${longestInt8Softmax}`);
    if (isWide === undefined) return softmaxInt8(softmax, inputScale);
    const [from, to] = [context.inputs[0], context.outputs[0]].map((tensor) => elemOf(tensor ?? {}));
    return softmaxWide(softmax, inputScale, must(from, 'an input'), must(to, 'an output'));
  },
  float32: (attrs, context) => softmaxFloat32(linesIn(attrs, context, 'f32')),
};
