/** Products, quotients, maxima and minima of two activations, or of one and a constant. */
import { at, DefectError, must } from '../../base/errors.ts';
import {
  add,
  call,
  compare,
  div,
  int,
  load,
  maximum,
  minimum,
  mul,
  select,
  shr,
  sub,
} from '../kernel/builders.ts';
import type { Expr } from '../kernel/kernel.ts';
import type { Quant } from '../kernel/stored.ts';
import { type Pair, pair } from './common/pairs.ts';
import { type AffineSum, affineSumValue, finestSumStep, nearestAffineSum } from './kernels/affine-sum.ts';
import { type FileProduct, fileProductOf, fileProductValue } from './kernels/file-pairs.ts';

/** y = (p m + 2^(shift - 1)) >> shift, for |p| <= 255^2 and m < 2^15 in int32. */
interface Scaling {
  readonly multiplier: number;
  readonly shift: number;
}

/** With the most bits of a multiplier that stays below `most`, of a scale of at most 1 for 2^15. */
function scalingOf(scale: number, most: number): Scaling {
  for (let shift = 24; shift > 1; shift--) {
    const multiplier = Math.round(scale * 2 ** shift);
    if (multiplier < most) return { multiplier, shift };
  }
  throw new DefectError(`a scale of ${scale}`);
}

const scaled = (p: Expr, { multiplier, shift }: Scaling): Expr =>
  shr(add(mul(p, multiplier), 2 ** (shift - 1)), shift);

const clamped = (steps: Expr, zeroPoint: number): Expr =>
  call('clamp', 'i32', add(steps, zeroPoint), int(0), int(255));

const both = <T>(list: readonly T[]): readonly [T, T] => [at(list, 0), at(list, 1)];

interface QuantizedProduct extends Scaling {
  readonly zeroPoints: readonly number[];
  readonly zeroPoint: number;
}

/** x y. */
export const product = pair<QuantizedProduct | FileProduct>({
  kind: 'product',
  title: 'Product of two',
  value: (x, y) => x * y,
  float32: (x) => mul(...both(x)),
  finest: (grids) => grids.reduce((step, { scale }) => step * scale, 1),
  integers: (grids, output) => ({
    ...scalingOf(grids.reduce((step, { scale }) => step * scale, 1) / output.scale, 2 ** 15),
    zeroPoints: grids.map((grid) => grid.zeroPoint),
    zeroPoint: output.zeroPoint,
  }),
  fileIntegers: (grids, output) => fileProductOf(both(grids), output),
  int8: (q) => ({
    value(x) {
      if ('lift' in q) return fileProductValue(q, x);
      const [a, b] = both(x.map((byte, i) => sub(byte, at(q.zeroPoints, i))));
      return clamped(scaled(mul(a, b), q), q.zeroPoint);
    },
  }),
  gradient: (steps, x, y) => steps.product(x, y),
});

interface QuantizedQuotient {
  /** By byte of the divisor: what 2^14 steps of the output are, times steps of the dividend. */
  readonly factors: Int32Array;
  readonly dividend: number;
  readonly zeroPoint: number;
}

/** 255 2^22 is an int32, and 2^22 / 2^14 saturates. */
const largestFactor = 2 ** 22;

function quotientOf([a, b]: readonly [Quant, Quant], output: Quant): QuantizedQuotient {
  const scale = (a.scale / (b.scale * output.scale)) * 2 ** 14;
  const factors = Int32Array.from({ length: 256 }, (_, byte) => {
    if (byte === b.zeroPoint) return largestFactor;
    const factor = Math.round(scale / (byte - b.zeroPoint));
    return Math.max(-largestFactor, Math.min(largestFactor, factor));
  });
  return { factors, dividend: a.zeroPoint, zeroPoint: output.zeroPoint };
}

/** x / y. In 8 bits a table has the reciprocals of the divisor's bytes; that of 0 saturates. */
export const quotient = pair<QuantizedQuotient>({
  kind: 'quotient',
  title: 'Quotient of two',
  value: (x, y) => x / y,
  float32: (x) => div(...both(x)),
  finest: () => 0,
  integers: (grids, output) => quotientOf(both(grids), output),
  int8({ factors, dividend, zeroPoint }, name) {
    const table = { name: `${name}_factors`, elem: 'i32', data: factors } as const;
    return {
      tables: [table],
      value(x) {
        const [a, b] = both(x);
        const steps = mul(sub(a, dividend), load(table.name, 'i32', b));
        return clamped(shr(add(steps, 2 ** 13), 14), zeroPoint);
      },
    };
  },
  gradient: (steps, x, y) => steps.product(x, steps.curve(y, { kind: 'reciprocal', attrs: {} })),
});

/** Of both operands on the output's grid: what does not decrease may be rounded before the larger is taken. */
const extreme = (
  kind: string,
  title: string,
  value: (x: number, y: number) => number,
  pick: (x: Expr, y: Expr) => Expr,
  gradient: Pair<readonly AffineSum[]>['gradient'],
) =>
  pair<readonly AffineSum[]>({
    kind,
    title,
    value,
    float32: (x) => pick(...both(x)),
    finest: finestSumStep,
    integers: (grids, output) => {
      const saturation = { zeroPoint: output.zeroPoint, lo: 0, hi: 255 };
      return grids.map((grid) => nearestAffineSum([grid], output, saturation));
    },
    int8: (sums) => ({
      value: (x, hold) =>
        pick(...both(sums.map((sum, i) => hold('y', affineSumValue(sum)([must(x[i], 'two operands')]))))),
    }),
    gradient,
  });

const positive = { lo: 0, hi: Number.POSITIVE_INFINITY };

/** max(x, y) = y + max(0, x - y). */
export const largerOf = extreme('maximum', 'Larger of two', Math.max, maximum, (steps, x, y) => {
  const more = steps.clamp(
    steps.fixed(x.shape, (i) => [
      [x, i, 1],
      [y, i, -1],
    ]),
    positive,
  );
  return steps.fixed(x.shape, (i) => [
    [y, i, 1],
    [more, i, 1],
  ]);
});

/** min(x, y) = x - max(0, x - y). */
export const smallerOf = extreme('minimum', 'Smaller of two', Math.min, minimum, (steps, x, y) => {
  const more = steps.clamp(
    steps.fixed(x.shape, (i) => [
      [x, i, 1],
      [y, i, -1],
    ]),
    positive,
  );
  return steps.fixed(x.shape, (i) => [
    [x, i, 1],
    [more, i, -1],
  ]);
});

interface QuantizedPrelu extends Omit<QuantizedProduct, 'multiplier' | 'shift'> {
  readonly above: Scaling;
  readonly below: Scaling;
}

/** x for x >= 0, else slope x. ONNX PRelu-7, 9, 16. */
export const prelu = pair<QuantizedPrelu>({
  kind: 'prelu',
  title: 'PReLU',
  value: (x, slope) => (x < 0 ? slope * x : x),
  float32(x) {
    const [a, slope] = both(x);
    return select(compare('lt', a, { kind: 'float', value: 0 }), mul(a, slope), a);
  },
  finest(grids) {
    const [x, slope] = both(grids);
    return x.scale * Math.max(slope.scale, 1 / 256);
  },
  integers(grids, output) {
    const [x, slope] = both(grids);
    return {
      above: scalingOf(x.scale / output.scale, 2 ** 22),
      below: scalingOf((x.scale * slope.scale) / output.scale, 2 ** 15),
      zeroPoints: grids.map((grid) => grid.zeroPoint),
      zeroPoint: output.zeroPoint,
    };
  },
  int8: (q) => ({
    value(bytes, hold) {
      const [x, slope] = both(bytes.map((byte, i) => hold('real', sub(byte, at(q.zeroPoints, i)))));
      const steps = select(compare('lt', x, 0), scaled(mul(x, slope), q.below), scaled(x, q.above));
      return clamped(steps, q.zeroPoint);
    },
  }),
  /** x + (slope - 1) min(x, 0). */
  gradient(steps, x, slope) {
    const below = steps.clamp(
      steps.fixed(x.shape, (i) => [[x, i, 1]]),
      { lo: Number.NEGATIVE_INFINITY, hi: 0 },
    );
    const bent = steps.product(below, slope);
    return steps.fixed(x.shape, (i) => [
      [x, i, 1],
      [below, i, -1],
      [bent, i, 1],
    ]);
  },
});
