/** From accumulators to bytes in one step: what is cut off needs no exact value. */
import { type Code, int } from '../../../wasm/code.ts';
import { f64x2, i32x4 } from '../../../wasm/instructions.ts';
import type { Interval } from '../interval.ts';
import type { FreshLocal, VectorPrimitive } from '../primitive.ts';
import { clamp } from './clamp.ts';
import { outside, requantizeHigh } from './requantize.ts';
import { byLane, zero } from './vectors.ts';

/**
 * In float64, for shifts of 2 to 12; a result of 2^9 - 1 or more in size may become any other such one of its sign, as
 * every limit lies within what the offset leaves of that. x = acc * multiplier / 2^(31 + shift) is a multiple of
 * e = 2^-(31 + shift). Where |x| is below 2^9, x has at most 40 + shift bits and is exact, and so is x + e / 2, which never
 * lies halfway between two integers: adding 1.5 * 2^52 rounds it to the nearest one, which then stands in the low half of
 * the float. Elsewhere both sums are rounded by less than 1, and |x| < 2^29 still fits that half.
 */
function scaledInFloats(acc: Code, multiplier: Code, shift: Code): Code {
  /** 2^(bias - shift), twice. */
  const powers = (bias: number) =>
    f64x2.fromHighWords(i32x4.shl(i32x4.sub(i32x4.splat(int(1023 + bias)), shift), int(20)));
  const [scales, halfSteps] = [powers(-31), powers(-32)];
  const [xs, factors] = [f64x2.fromInts(acc), f64x2.fromInts(multiplier)];
  const rounded = (i: 0 | 1): Code => {
    const scaled = f64x2.mul(xs[i], f64x2.mul(factors[i], scales[i]));
    return f64x2.add(f64x2.add(scaled, halfSteps[i]), f64x2.splat(1.5 * 2 ** 52));
  };
  return f64x2.lowWords(rounded(0), rounded(1));
}

const uncut = (_: FreshLocal, acc: Code = [], multiplier: Code = [], shift: Code = [], offset: Code = []) =>
  i32x4.add(scaledInFloats(acc, multiplier, shift), i32x4.splat(offset));

const offsets: Interval = { lo: -255, hi: 255 };
const limits: Interval = { lo: -256, hi: 255 };

function exact(acc = 0, multiplier = 1, shift = 2, offset = 0, lo = 0, hi = 0): number {
  return clamp.js(requantizeHigh.js(acc, multiplier, shift) + offset, lo, hi);
}

function violation(
  ...[acc = zero, multiplier = zero, shift = zero, ...rest]: Interval[]
): string | undefined {
  const [offset = zero, lo = zero, hi = zero] = rest;
  return (
    requantizeHigh.violation(acc, multiplier, shift) ??
    outside('shift', shift, 2, 12) ??
    outside('offset', offset, offsets.lo, offsets.hi) ??
    outside('lo', lo, limits.lo, hi.lo) ??
    outside('hi', hi, limits.lo, limits.hi)
  );
}

export const requantizeByte: VectorPrimitive = {
  name: 'requantize_byte_i32x4',
  doc: 'in each lane: requantize_high(acc, multiplier, shift) + offset, cut off at lo and hi; shift in 2..12',
  params: [
    ...requantizeHigh.params.map(({ name }) => ({ name, type: 'i32x4' as const })),
    ...(['offset', 'lo', 'hi'] as const).map((name) => ({ name, type: 'i32' as const })),
  ],
  result: 'i32x4',
  instructions: {},
  wasm: (fresh, acc, multiplier, shift, offset, lo = [], hi = []) =>
    i32x4.min(i32x4.max(uncut(fresh, acc, multiplier, shift, offset), i32x4.splat(lo)), i32x4.splat(hi)),
  uncut,
  js: byLane('i32x4', (...args) =>
    violation(...args.map((x) => ({ lo: x, hi: x }))) === undefined ? exact(...args) : undefined,
  ),
  violation,
  range(acc = zero, multiplier = zero, shift = zero, offset = zero, lo = zero, hi = zero) {
    const scaled = requantizeHigh.range(acc, multiplier, shift);
    return clamp.range({ lo: scaled.lo + offset.lo, hi: scaled.hi + offset.hi }, lo, hi);
  },
  cost: 'otherCall',
};
