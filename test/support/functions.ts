/** Operators that are one real function of each element, and what the tests know of them. */
import type { CanonicalOp } from '../../src/ir/graph/op.ts';
import type { Lookup } from '../../src/ir/ops/common/pointwise.ts';
import type { FormulaAttrs } from '../../src/ir/ops/formula.ts';
import { hardSigmoid } from '../../src/ir/ops/hard-sigmoid.ts';
import * as units from '../../src/ir/ops/linear-units.ts';
import { power } from '../../src/ir/ops/pow.ts';
import * as powers from '../../src/ir/ops/powers.ts';
import { sigmoid } from '../../src/ir/ops/sigmoid.ts';
import * as steps from '../../src/ir/ops/steps.ts';
import { tanh } from '../../src/ir/ops/tanh.ts';
import * as trigonometry from '../../src/ir/ops/trigonometry.ts';

export interface RealSample {
  readonly op: CanonicalOp<never, Lookup>;
  readonly attrs: unknown;
  /** The function, written in another way than the operator's. */
  readonly f: (x: number) => number;
  /** Where it is defined; everywhere when absent. */
  readonly domain?: readonly [number, number];
  /** Where float32 follows it, if that is less. */
  readonly followed?: readonly [number, number];
  /** Its steepest slope, of those that random networks have: continuous everywhere, and nowhere steep. */
  readonly slope?: number;
}

const sample = <A>(
  op: CanonicalOp<A, Lookup>,
  attrs: A,
  f: (x: number) => number,
  more: Omit<RealSample, 'op' | 'attrs' | 'f'> = {},
): RealSample => ({ op: op as CanonicalOp<never, Lookup>, attrs, f, ...more });

/** (1 + tanh(x / 2)) / 2 */
const half = (x: number): number => 0.5 + 0.5 * Math.tanh(x / 2);

/** By Simpson's rule. */
function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  const [end, n] = [Math.abs(x), 400];
  const at = (i: number): number => Math.exp(-(((i * end) / n) ** 2));
  let sum = at(0) + at(n);
  for (let i = 1; i < n; i++) sum += (i % 2 === 0 ? 2 : 4) * at(i);
  return (Math.sign(x) * 2 * sum * end) / (3 * n * Math.sqrt(Math.PI));
}

const geluByTanh = (x: number): number =>
  0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x)));

function mish(x: number): number {
  if (x > 300) return x;
  const square = (1 + Math.exp(x)) ** 2;
  return Math.abs(x) < 1e-3 ? x * 0.6 + 0.32 * x * x : (x * (square - 1)) / (square + 1);
}

const softplus = (x: number): number => {
  if (x > 40) return x;
  return x < -30 ? Math.exp(x) : Math.log(1 + Math.exp(x));
};

const elu =
  (gain: number, alpha: number, slope: number) =>
  (x: number): number =>
    x >= 0
      ? gain * x
      : gain * alpha * (x < -80 ? -1 : 2 * Math.exp((slope * x) / 2) * Math.sinh((slope * x) / 2));

/** Slopes of the inner function times those of the outer. */
export const realSamples: readonly RealSample[] = [
  sample(sigmoid, {}, half, { slope: 0.25 }),
  sample(tanh, {}, (x) => 2 * half(2 * x) - 1, { slope: 1 }),
  sample(
    hardSigmoid,
    { alpha: Math.fround(1 / 6), beta: 0.5 },
    (x) => (x <= -3 ? 0 : x >= 3 ? 1 : Math.fround(1 / 6) * x + 0.5),
    { slope: 1 / 6 },
  ),
  sample(units.leakyRelu, { alpha: Math.fround(0.1) }, (x) => Math.max(x, Math.fround(0.1) * x), {
    slope: 1,
  }),
  sample(units.thresholdedRelu, { alpha: 0.75 }, (x) => (x <= 0.75 ? 0 : x)),
  sample(units.shrink, { lambda: 0.5, bias: 0.25 }, (x) =>
    Math.abs(x) <= 0.5 ? 0 : x - 0.25 * Math.sign(x),
  ),
  sample(units.shrink, { lambda: 0.25, bias: 0 }, (x) => (x * x <= 0.0625 ? 0 : x)),
  sample(units.elu, { gain: 1, alpha: 1, slope: 1 }, elu(1, 1, 1), { slope: 1 }),
  sample(units.elu, { gain: 1.05, alpha: 1.67, slope: 1 }, elu(1.05, 1.67, 1), { slope: 1.76 }),
  sample(units.elu, { gain: 1, alpha: 2, slope: 0.5 }, elu(1, 2, 0.5), { slope: 1 }),
  sample(units.hardSwish, {}, (x) => (x <= -3 ? 0 : x >= 3 ? x : (x * (x + 3)) / 6), { slope: 1.5 }),
  sample(units.swish, { alpha: 1 }, (x) => x * half(x), { slope: 1.1 }),
  sample(units.swish, { alpha: 1.5 }, (x) => x * half(1.5 * x), { slope: 1.1 }),
  sample(units.gelu, { approximate: 'none' }, (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)), { slope: 1.13 }),
  sample(units.gelu, { approximate: 'tanh' }, geluByTanh, { slope: 1.13 }),
  sample(units.softplus, {}, softplus, { slope: 1 }),
  sample(units.softsign, {}, (x) => (x < 0 ? x / (1 - x) : x / (1 + x)), { slope: 1 }),
  sample(units.mish, {}, mish, { slope: 1.09 }),
  sample(powers.exp, {}, (x) => Math.E ** x),
  sample(powers.log, {}, (x) => Math.log2(x) / Math.LOG2E, {
    domain: [0, Infinity],
    followed: [1e-30, Infinity],
  }),
  sample(powers.sqrt, {}, (x) => x ** 0.5, { domain: [0, Infinity] }),
  sample(powers.reciprocal, {}, (x) => x ** -1),
  sample(powers.erf, {}, erf, { slope: 1.13 }),
  sample(power, { exponent: 2 }, (x) => x * x),
  sample(power, { exponent: 3 }, (x) => x * x * x),
  sample(power, { exponent: -2 }, (x) => 1 / x / x, { followed: [1e-4, 1e4] }),
  sample(power, { exponent: 1.7 }, (x) => (x === 0 ? 0 : Math.exp(1.7 * Math.log(x))), { domain: [0, 1e4] }),
  sample(trigonometry.sin, {}, (x) => 2 * Math.sin(x / 2) * Math.cos(x / 2), {
    followed: [-1e5, 1e5],
  }),
  sample(trigonometry.cos, {}, (x) => 1 - 2 * Math.sin(x / 2) ** 2, { followed: [-1e5, 1e5] }),
  sample(trigonometry.tan, {}, (x) => Math.sin(2 * x) / (1 + Math.cos(2 * x)), { followed: [-1.5, 1.5] }),
  sample(trigonometry.asin, {}, (x) => 2 * Math.atan(x / (1 + Math.sqrt(1 - x * x))), { domain: [-1, 1] }),
  sample(trigonometry.acos, {}, (x) => Math.PI / 2 - Math.asin(x), { domain: [-1, 1] }),
  sample(trigonometry.atan, {}, (x) => Math.sign(x) * (Math.PI / 2 - Math.atan2(1, Math.abs(x))), {
    slope: 1,
  }),
  sample(trigonometry.sinh, {}, (x) => (Math.abs(x) < 1e-3 ? x : (Math.exp(x) - Math.exp(-x)) / 2)),
  sample(trigonometry.cosh, {}, (x) => (Math.exp(x) + Math.exp(-x)) / 2),
  sample(
    trigonometry.asinh,
    {},
    (x) =>
      Math.sign(x) *
      (Math.abs(x) > 1e9
        ? Math.log(2) + Math.log(Math.abs(x))
        : Math.log1p(Math.abs(x) + Math.hypot(1, x) - 1)),
    { slope: 1 },
  ),
  sample(
    trigonometry.acosh,
    {},
    (x) => (x > 1e9 ? Math.log(2) + Math.log(x) : Math.log(x + Math.sqrt(x * x - 1))),
    { domain: [1, Infinity] },
  ),
  sample(trigonometry.atanh, {}, (x) => 0.5 * Math.log((1 + x) / (1 - x)), { domain: [-0.999, 0.999] }),
  sample(steps.abs, {}, (x) => Math.sqrt(x * x), { followed: [-1e18, 1e18], slope: 1 }),
  sample(steps.sign, {}, (x) => (x === 0 ? 0 : x / Math.abs(x))),
  sample(steps.floor, {}, (x) => -Math.ceil(-x)),
  sample(steps.ceil, {}, (x) => -Math.floor(-x)),
  sample(steps.round, {}, (x) => (Math.abs(x % 1) === 0.5 ? 2 * Math.round(x / 2) : Math.floor(x + 0.5))),
];

/** As a test names it. */
export const nameOf = ({ op, attrs }: RealSample): string =>
  `${op.kind} ${Object.values(attrs as object).join(' ')}`.trim();

/** Those of random networks. */
export const gentleSamples = realSamples.filter(({ slope }) => slope !== undefined);

/** x^2 sin(x) + 0.5 */
export const ofSquareAndSine: FormulaAttrs = {
  steps: [
    { kind: 'product', attrs: {}, inputs: [-1, -1] },
    { kind: 'sin', attrs: {}, inputs: [-1] },
    { kind: 'product', attrs: {}, inputs: [0, 1] },
    { kind: 'add', attrs: {}, inputs: [2, { constant: 0.5 }] },
  ],
};
