/** Products, quotients, maxima and minima of two activations, or of one and a constant. */
import { at, complain, DefectError, must } from '../../base/errors.ts';
import type { CanonicalOp, Hold } from '../graph/op.ts';
import { saturationOf } from '../integers/mac.ts';
import {
  add,
  and,
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
import { heldBy, type Quant, storageOf } from '../kernel/stored.ts';
import { channelNumbers, type Pair, pair, type QuantizedPair } from './common/pairs.ts';
import { type AffineSum, affineSumValue, finestSumStep, nearestAffineSum } from './kernels/affine-sum.ts';
import { fileProductOf } from './kernels/file-pairs.ts';

/** y = (p m + 2^(shift - 1)) >> shift, for |p| <= 255^2 and m < 2^15 in int32. */
interface Scaling {
  readonly multiplier: number;
  readonly shift: number;
}

/** With the most bits of multipliers that stay below `most`, of scales of at most 1 for 2^15. */
function scalingsOf(scales: readonly number[], most: number): readonly Scaling[] {
  const largest = Math.max(...scales);
  for (let shift = 24; shift > 1; shift--)
    if (Math.round(largest * 2 ** shift) < most)
      return scales.map((scale) => ({ multiplier: Math.round(scale * 2 ** shift), shift }));
  throw new DefectError(`a scale of ${largest}`);
}

const scalingOf = (scale: number, most: number): Scaling => at(scalingsOf([scale], most), 0);

const scaled = (p: Expr, { multiplier, shift }: { multiplier: Expr | number; shift: number }): Expr =>
  shr(add(mul(p, multiplier), 2 ** (shift - 1)), shift);

const clamped = (steps: Expr, zeroPoint: Expr | number, { lo, hi } = storageOf({})): Expr =>
  call('clamp', 'i32', add(steps, zeroPoint), int(lo), int(hi));

const isWide = (grids: readonly Quant[]): boolean => grids.some(({ bits }) => bits !== undefined);

const both = <T>(list: readonly T[]): readonly [T, T] => [at(list, 0), at(list, 1)];

interface Zeros {
  readonly zeroPoints: readonly number[];
  readonly zeroPoint: number;
}

type QuantizedProduct = Zeros & Scaling & Partial<Pick<WideProduct, 'up' | 'bounds'>>;

/** y = ((p 2^up) m + 2^(shift - 1)) >> shift, for |p 2^up| <= 2^31, m < 2^15 and a shift of 17 to 46. */
interface WideProduct extends Scaling {
  readonly up: number;
  readonly bounds: ReturnType<typeof storageOf>;
}

/** How far from its zero point a stored number can be. */
const spanOf = (grid: Quant): number => {
  const { lo, hi } = heldBy(grid);
  return Math.max(hi - grid.zeroPoint, grid.zeroPoint - lo);
};

/** Bits that a product of numbers on two grids has room for above it. */
const roomAbove = (grids: readonly Quant[]): number =>
  Math.floor(30.99 - Math.log2(grids.reduce((most, grid) => most * spanOf(grid), 1)));

/** Of grids s and s': s s'. */
const stepOf = (grids: readonly Quant[]): number => grids.reduce((step, { scale }) => step * scale, 1);

function wideProduct(grids: readonly Quant[], output: Quant): WideProduct {
  const up = roomAbove(grids);
  if (up < 0)
    throw complain(
      'a product of two tensors of 16 bits with zero points far from 0, beyond int32',
      'one zero point of 0, or 8 bits for one of them',
    );
  const scale = stepOf(grids) / output.scale / 2 ** up;
  const shift = Math.max(17, Math.min(46, 14 - Math.floor(Math.log2(scale))));
  const multiplier = Math.min(32767, Math.round(scale * 2 ** shift));
  return { up, multiplier, shift, bounds: storageOf(output) };
}

/** The product of p and a multiplier in two halves: each fits 32 bits, and no bit is lost. */
function scaledWide(p: Expr, { up, multiplier, shift }: WideProduct, hold: Hold): Expr {
  const whole = hold('product', mul(p, 2 ** up));
  const [high, low] = [mul(shr(whole, 16), multiplier), shr(mul(and(whole, 65535), multiplier), 16)];
  return shr(add(high, low, 2 ** (shift - 17)), shift - 16);
}

/** x y. */
export const product = pair<QuantizedProduct>({
  kind: 'product',
  title: 'Product of two',
  value: (x, y) => x * y,
  float32: (x) => mul(...both(x)),
  sixteen: 'both',
  finest: (grids, isWide) => (isWide ? 4 * 2 ** -roomAbove(grids) : 1) * stepOf(grids),
  integers: (grids, output) => ({
    ...(isWide([...grids, output])
      ? wideProduct(grids, output)
      : scalingOf(stepOf(grids) / output.scale, 2 ** 15)),
    zeroPoints: grids.map((grid) => grid.zeroPoint),
    zeroPoint: output.zeroPoint,
  }),
  fileProduct: (grids, output) => fileProductOf(both(grids), output),
  int8: (q) => ({
    value(x, hold) {
      const [a, b] = both(x.map((byte, i) => sub(byte, at(q.zeroPoints, i))));
      if (q.up === undefined || q.bounds === undefined) return clamped(scaled(mul(a, b), q), q.zeroPoint);
      const wide = { ...q, up: q.up, bounds: q.bounds };
      return clamped(scaledWide(mul(a, b), wide, hold), q.zeroPoint, wide.bounds);
    },
  }),
  byChannel: {
    integers(channels) {
      const scalings = scalingsOf(
        channels.map(({ operands, output }) => stepOf(operands) / output.scale),
        2 ** 15,
      );
      return channels.map(({ operands, output }, c) => ({
        ...at(scalings, c),
        zeroPoints: operands.map((grid) => grid.zeroPoint),
        zeroPoint: output.zeroPoint,
      }));
    },
    int8: (rows) => ({
      channels: {
        zero0: rows.map(({ zeroPoints }) => at(zeroPoints, 0)),
        zero1: rows.map(({ zeroPoints }) => at(zeroPoints, 1)),
        multiplier: rows.map(({ multiplier }) => multiplier),
        zero: rows.map(({ zeroPoint }) => zeroPoint),
      },
      value([x = int(0), y = int(0), zero0 = int(0), zero1 = int(0), multiplier = int(0), zero = int(0)]) {
        const { shift } = at(rows, 0);
        return clamped(scaled(mul(sub(x, zero0), sub(y, zero1)), { multiplier, shift }), zero);
      },
    }),
  },
  gradient: (steps, x, y) => steps.product(x, y),
});

type QuantizedQuotient = ByteQuotient | WideQuotient;

interface ByteQuotient {
  readonly kind: 'bytes';
  /** By byte of the divisor: what 2^14 steps of the output are, times steps of the dividend. */
  readonly factors: Int32Array;
  readonly dividend: number;
  readonly zeroPoint: number;
}

/** y = ((a multiplier / b + 2^(shift - 1)) >> shift) + zeroPoint, of a and b without their zero points. */
interface WideQuotient extends Scaling, Zeros {
  readonly kind: 'wide';
  readonly bounds: ReturnType<typeof storageOf>;
}

/** What a multiplier of the dividend may be, so that the product stays within 2^30. */
const largestMultiplier = (dividend: Quant): number => Math.floor(2 ** 30 / spanOf(dividend));

function wideQuotient([a, b]: readonly [Quant, Quant], output: Quant): WideQuotient {
  const scale = a.scale / (b.scale * output.scale);
  const most = largestMultiplier(a);
  const shift = Math.max(1, Math.min(24, Math.floor(Math.log2(most / scale))));
  return {
    kind: 'wide',
    multiplier: Math.max(1, Math.min(most, Math.round(scale * 2 ** shift))),
    shift,
    zeroPoints: [a.zeroPoint, b.zeroPoint],
    zeroPoint: output.zeroPoint,
    bounds: storageOf(output),
  };
}

/** By the size of the divisor, 0 as 1: what it divides has its sign. */
function wideQuotientValue(q: WideQuotient, x: readonly Expr[], hold: Hold): Expr {
  const [a, b] = both(x.map((stored, i) => hold('centred', sub(stored, at(q.zeroPoints, i)))));
  const product = hold('product', mul(a, q.multiplier));
  const divisor = hold('divisor', maximum(select(compare('lt', b, 0), sub(0, b), b), int(1)));
  const steps = div(select(compare('lt', b, 0), sub(0, product), product), divisor);
  return clamped(shr(add(steps, 2 ** (q.shift - 1)), q.shift), q.zeroPoint, q.bounds);
}

/** 255 2^22 is an int32, and 2^22 / 2^14 saturates. */
const largestFactor = 2 ** 22;

function quotientOf([a, b]: readonly [Quant, Quant], output: Quant): ByteQuotient {
  const scale = (a.scale / (b.scale * output.scale)) * 2 ** 14;
  const factors = Int32Array.from({ length: 256 }, (_, byte) => {
    if (byte === b.zeroPoint) return largestFactor;
    const factor = Math.round(scale / (byte - b.zeroPoint));
    return Math.max(-largestFactor, Math.min(largestFactor, factor));
  });
  return { kind: 'bytes', factors, dividend: a.zeroPoint, zeroPoint: output.zeroPoint };
}

/** x / y. In 8 bits a table has the reciprocals of the divisor's bytes; that of 0 saturates. */
export const quotient = pair<QuantizedQuotient>({
  kind: 'quotient',
  title: 'Quotient of two',
  value: (x, y) => x / y,
  float32: (x) => div(...both(x)),
  sixteen: 'both',
  finest(grids, isWide) {
    const [a, b] = both(grids);
    return isWide ? (2 * a.scale) / b.scale / largestMultiplier(a) : 0;
  },
  integers: (grids, output) =>
    isWide([...grids, output]) ? wideQuotient(both(grids), output) : quotientOf(both(grids), output),
  int8(q, name) {
    if (q.kind === 'wide') return { value: (x, hold) => wideQuotientValue(q, x, hold) };
    const { factors, dividend, zeroPoint } = q;
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
    sixteen: 'both',
    finest: finestSumStep,
    integers: (grids, output) => {
      const saturation = saturationOf(output, undefined);
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

interface QuantizedPrelu extends Zeros {
  readonly above: Scaling;
  readonly below: Scaling;
}

/** x for x >= 0, else slope x. ONNX PRelu-7, 9, 16. */
export const prelu: CanonicalOp<unknown, QuantizedPair<QuantizedPrelu>> = {
  ...pair<QuantizedPrelu>({
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
  }),
  slopes(_attrs, [x, slope]) {
    if (x === undefined || x.constant !== undefined || slope?.constant === undefined) return undefined;
    return channelNumbers(slope.constant, x.shape);
  },
};
