/** Activations of straight pieces and exponentials that are nearly x above 0. */
import { complain } from '../../base/errors.ts';
import type { CanonicalOp } from '../graph/op.ts';
import { clampFloat } from '../integers/mac.ts';
import { add, div, float, maximum, minimum, mul, sub } from '../kernel/builders.ts';
import { erf } from './common/erf.ts';
import * as float32 from './common/float32.ts';
import { newestOpset } from './common/inputs.ts';
import { plain } from './common/onnx-rules.ts';
import { type Lookup, pointwise } from './common/pointwise.ts';

export interface LeakyAttrs {
  /** The slope below 0. */
  readonly alpha: number;
}

/** x for x >= 0, else alpha x. ONNX LeakyRelu-1, 6, 16. */
export const leakyRelu: CanonicalOp<LeakyAttrs, Lookup> = {
  ...pointwise<LeakyAttrs>({
    kind: 'leakyRelu',
    title: 'Leaky ReLU',
    onnx: {
      LeakyRelu: {
        since: 1,
        upTo: newestOpset,
        parse: ({ attributes }) => ({ alpha: attributes.float('alpha', Math.fround(0.01)) }),
      },
    },
    value: ({ alpha }, x) => (x < 0 ? alpha * x : x),
    float32: ({ alpha }, x) => float32.where('lt', x, 0, mul(x, float(alpha)), x),
  }),
  slopes: ({ alpha }) => [alpha],
};

/** x for x > alpha, else 0. ONNX ThresholdedRelu-10, 22. */
export const thresholdedRelu = pointwise<LeakyAttrs>({
  kind: 'thresholdedRelu',
  title: 'Thresholded ReLU',
  onnx: {
    ThresholdedRelu: {
      since: 10,
      upTo: newestOpset,
      parse: ({ attributes }) => ({ alpha: attributes.float('alpha', 1) }),
    },
  },
  value: ({ alpha }, x) => (x > alpha ? x : 0),
  float32: ({ alpha }, x) => float32.where('gt', x, alpha, x, float(0)),
  gradient: 'none',
});

export interface ShrinkAttrs {
  /** Numbers up to this size become 0. */
  readonly lambda: number;
  /** By how much the others come nearer to 0. */
  readonly bias: number;
}

/** x - bias for x > lambda, x + bias for x < -lambda, else 0. ONNX Shrink-9. */
export const shrink = pointwise<ShrinkAttrs>({
  kind: 'shrink',
  title: 'Shrink',
  onnx: {
    Shrink: {
      since: 9,
      upTo: newestOpset,
      parse: ({ attributes }) => ({
        lambda: attributes.float('lambd', 0.5),
        bias: attributes.float('bias', 0),
      }),
    },
  },
  value: ({ lambda, bias }, x) => (x > lambda ? x - bias : x < -lambda ? x + bias : 0),
  float32({ lambda, bias }, x) {
    const below = float32.where('lt', x, -lambda, add(x, float(bias)), float(0));
    return float32.where('gt', x, lambda, sub(x, float(bias)), below);
  },
  gradient: 'none',
});

export interface EluAttrs {
  /** Of the whole. */
  readonly gain: number;
  /** Below 0: alpha (e^(slope x) - 1). */
  readonly alpha: number;
  /** Above 0. */
  readonly slope: number;
}

/** @throws InputError unless alpha is above 0: below, x / alpha has no bound where x is negative */
function celuAttrs(alpha: number): EluAttrs {
  if (alpha > 0) return { gain: 1, alpha, slope: 1 / alpha };
  throw complain(`alpha = ${alpha}`, 'an alpha above 0');
}

/** gain x for x > 0, else gain alpha (e^(slope x) - 1). ONNX Elu-1, 6, 22; Selu-1, 6, 22; Celu-12. */
export const elu = pointwise<EluAttrs>({
  kind: 'elu',
  restrictions: 'Celu: alpha above 0',
  title: 'Exponential linear unit',
  onnx: {
    Elu: {
      since: 1,
      upTo: newestOpset,
      parse: ({ attributes }) => ({ gain: 1, alpha: attributes.float('alpha', 1), slope: 1 }),
    },
    Selu: {
      since: 1,
      upTo: newestOpset,
      parse: ({ attributes, opset }) => ({
        gain: attributes.float('gamma', Math.fround(opset < 6 ? 1.0507 : 1.0507009873554805)),
        alpha: attributes.float('alpha', Math.fround(opset < 6 ? 1.6732 : 1.6732632423543772)),
        slope: 1,
      }),
    },
    Celu: {
      since: 12,
      upTo: newestOpset,
      parse: ({ attributes }) => celuAttrs(attributes.float('alpha', 1)),
    },
  },
  value: ({ gain, alpha, slope }, x) => gain * (x > 0 ? x : alpha * Math.expm1(slope * x)),
  float32({ gain, alpha, slope }, x, hold) {
    const below = hold('below', minimum(mul(x, float(slope)), float(0)));
    const scaled = (y: typeof x, by: number) => (by === 1 ? y : mul(y, float(by)));
    return float32.where('gt', x, 0, scaled(x, gain), scaled(float32.expm1(below), gain * alpha));
  },
});

/** x max(0, min(1, x / 6 + 1/2)). ONNX HardSwish-14, 22. */
export const hardSwish = pointwise<unknown>({
  kind: 'hardSwish',
  title: 'Hard swish',
  onnx: plain('HardSwish', 14),
  value: (_attrs, x) => x * Math.max(0, Math.min(1, x / 6 + 0.5)),
  float32: (_attrs, x, hold) =>
    mul(x, clampFloat(hold('line', add(mul(x, float(1 / 6)), float(0.5))), { lo: 0, hi: 1 })),
});

export interface SwishAttrs {
  readonly alpha: number;
}

/** x sigmoid(alpha x), SiLU for alpha = 1. ONNX Swish-24. */
export const swish = pointwise<SwishAttrs>({
  kind: 'swish',
  title: 'SiLU',
  onnx: {
    Swish: {
      since: 24,
      upTo: newestOpset,
      parse: ({ attributes }) => ({ alpha: attributes.float('alpha', 1) }),
    },
  },
  value: ({ alpha }, x) => x / (1 + Math.exp(-alpha * x)),
  float32: ({ alpha }, x, hold) => mul(x, float32.logistic(hold('scaled', mul(x, float(alpha))), hold)),
});

export interface GeluAttrs {
  readonly approximate: 'none' | 'tanh';
}

const geluAttrs = (approximate: string): GeluAttrs => {
  if (approximate === 'none' || approximate === 'tanh') return { approximate };
  throw complain(`approximate = '${approximate}'`, "'none' or 'tanh'");
};

/** By 2 sqrt(2 / pi): (1 + tanh u) / 2 = 1 / (1 + e^-2u). */
const [cubic, outer] = [0.044715, 2 * Math.sqrt(2 / Math.PI)];

/** x (1 + erf(x / sqrt 2)) / 2, or with tanh(sqrt(2 / pi) (x + 0.044715 x^3)) in the place of erf. ONNX Gelu-20. */
export const gelu = pointwise<GeluAttrs>({
  kind: 'gelu',
  title: 'GELU',
  onnx: {
    Gelu: {
      since: 20,
      upTo: newestOpset,
      parse: ({ attributes }) => geluAttrs(attributes.string('approximate', 'none')),
    },
  },
  value: ({ approximate }, x) =>
    approximate === 'none'
      ? 0.5 * x * (1 + erf(x / Math.SQRT2))
      : x / (1 + Math.exp(-outer * (x + cubic * x ** 3))),
  float32({ approximate }, x, hold) {
    if (approximate === 'none') {
      const root = hold('root', mul(x, float(Math.SQRT1_2)));
      return mul(mul(x, float(0.5)), add(float32.erf(root, hold), float(1)));
    }
    const bent = add(mul(mul(mul(x, x), x), float(cubic)), x);
    return mul(x, float32.logistic(hold('u', mul(bent, float(outer))), hold));
  },
});

/** log(1 + e^x). ONNX Softplus-1, 22. */
export const softplus = pointwise<unknown>({
  kind: 'softplus',
  title: 'Softplus',
  onnx: plain('Softplus', 1),
  value: (_attrs, x) => softplusOf(x),
  float32(_attrs, x, hold) {
    const e = hold('e', float32.below0(minimum(x, float32.negative(x))));
    return add(float32.log1pUpTo1(e, hold), maximum(x, float(0)));
  },
});

/** x / (1 + |x|). ONNX Softsign-1, 22. */
export const softsign = pointwise<unknown>({
  kind: 'softsign',
  title: 'Softsign',
  onnx: plain('Softsign', 1),
  value: (_attrs, x) => x / (1 + Math.abs(x)),
  range: { lo: -1, hi: 1 },
  float32: (_attrs, x) => div(x, add(float32.magnitude(x), float(1))),
});

const softplusOf = (x: number): number => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));

/**
 * x tanh(log(1 + e^x)). With e = e^-|x| the tangent is (1 + 2e) / (1 + 2e + 2e^2) for x >= 0, else
 * (e^2 + 2e) / (e^2 + 2e + 2). ONNX Mish-18, 22.
 */
export const mish = pointwise<unknown>({
  kind: 'mish',
  title: 'Mish',
  onnx: plain('Mish', 18),
  value: (_attrs, x) => x * Math.tanh(softplusOf(x)),
  float32(_attrs, x, hold) {
    const e = hold('e', float32.below0(minimum(x, float32.negative(x))));
    const square = hold('square', mul(e, e));
    const twice = hold('twice', add(e, e));
    const top = hold('top', add(twice, float32.where('ge', x, 0, float(1), square)));
    const rest = float32.where('ge', x, 0, add(square, square), float(2));
    return mul(x, div(top, add(top, rest)));
  },
});
