import type { OpDef } from '../op.ts';
import { countOf, type Tensor } from '../tensor.ts';
import { axisIn, newestOpset, required, requireFloats } from './common/inputs.ts';
import { rounded } from './common/round.ts';

export interface SoftmaxAttrs {
  /** The axis whose elements sum to 1. */
  readonly axis: number;
}

/** exp(x - max) / sum, for `count` elements `stride` apart from `from` on. */
function softmaxLine(out: Float64Array, x: Tensor, from: number, count: number, stride: number): void {
  let largest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i++) largest = Math.max(largest, x.data[from + i * stride] as number);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const power = Math.exp((x.data[from + i * stride] as number) - largest);
    out[from + i * stride] = power;
    sum += power;
  }
  for (let i = 0; i < count; i++) out[from + i * stride] = (out[from + i * stride] as number) / sum;
}

function softmaxAlong(x: Tensor, axis: number): Tensor {
  const count = x.shape[axis] ?? 1;
  const stride = countOf(x.shape.slice(axis + 1));
  const out = new Float64Array(x.data.length);
  const lines = countOf(x.shape.slice(0, axis));
  for (let line = 0; line < lines; line++)
    for (let i = 0; i < stride; i++) softmaxLine(out, x, line * count * stride + i, count, stride);
  return rounded(x.dtype, x.shape, out);
}

/** ONNX Softmax-13: along one axis. */
export const softmax: OpDef<SoftmaxAttrs> = {
  kind: 'softmax',
  onnx: {
    Softmax: {
      since: 13,
      upTo: newestOpset,
      parse: ({ attributes }) => ({ axis: attributes.int('axis', -1) }),
    },
  },
  infer({ axis }, inputs) {
    requireFloats(inputs);
    const { dtype, shape } = required(inputs, 0, 'input');
    axisIn(axis, shape.length);
    return [{ dtype, shape }];
  },
  reference({ axis }, inputs) {
    const x = required(inputs, 0, 'input');
    return [softmaxAlong(x, axisIn(axis, x.shape.length))];
  },
  explicit: ({ axis }, inputs) => ({ axis: axisIn(axis, required(inputs, 0, 'input').shape.length) }),
};
