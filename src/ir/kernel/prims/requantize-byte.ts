/** From accumulators to bytes in one step: what is cut off needs no exact value. */
import { type Code, int } from '../../../wasm/code.ts';
import { f64x2, i32x4 } from '../../../wasm/instructions.ts';
import type { Interval } from '../interval.ts';
import type { Primitive, VectorPrimitive } from '../primitive.ts';
import { clamp } from './clamp.ts';
import { outside } from './requantize.ts';
import { byLane, zero } from './vectors.ts';

/** Less than the distance of an accumulator's result to what lies halfway between two integers, as an accumulator. */
const nudge = 2 ** -32;
/** Added to a float, it rounds it to an integer, which then stands in the low half. */
const rounder = 1.5 * 2 ** 52;

/**
 * requantize_high(acc, multiplier, shift) in float64, for scales multiplier / 2^(31 + shift) from 2^-12 to below 1/2; a
 * result of 2^9 - 1 or more in size may become any other such one of its sign, as every limit lies within what the offset
 * leaves of that. With a multiplier of 31 bits, as every scale here has one, x = acc * scale is a multiple of
 * e = 2^-(31 + shift), shift being 11 at most. Where |x| is below 2^9, |acc| is below 2^21, so that acc + 2^-32 is exact,
 * and so is its product but for 2^-45, which is e / 8 at most. It is x and e / 4 to e / 2 more: never halfway between two
 * integers, and nearest to the one that x is nearest to, halves up. Elsewhere x is off by less than 1, and |x| < 2^30.
 * A product that is not rounded before the last sum gives the same.
 */
const scaled = (acc: number, scale: number): number => (acc + nudge) * scale + rounder - rounder;

type MultiplyAdd = (a: Code, b: Code, c: Code) => Code;

const uncutBy =
  (multiplyAdd: MultiplyAdd): Primitive['wasm'] =>
  (_, acc = [], high = [], low = [], offset = []) => {
    const xs = f64x2.fromInts(acc);
    const scales = f64x2.fromWords(high, i32x4.shl(low, int(lowShift)));
    const whole = f64x2.add(f64x2.splat(rounder), f64x2.splatInt(offset));
    const rounded = (i: 0 | 1): Code => multiplyAdd(f64x2.add(xs[i], f64x2.splat(nudge)), scales[i], whole);
    return f64x2.lowWords(rounded(0), rounded(1));
  };

const formsBy = (multiplyAdd: MultiplyAdd): Required<Pick<VectorPrimitive, 'wasm' | 'uncut'>> => {
  const uncut = uncutBy(multiplyAdd);
  return {
    uncut,
    wasm: (fresh, ...args) => {
      const [lo = [], hi = []] = args.slice(-2);
      return i32x4.min(i32x4.max(uncut(fresh, ...args), i32x4.splat(lo)), i32x4.splat(hi));
    },
  };
};

/** Of the low half of a float, all bits below are 0: multipliers have 31 bits, the first 21 of them in the high half. */
const lowShift = 22;

/** The high half of the float64 of a scale, and the first 10 bits of its low half. */
export function wordsOf(scale: number): { readonly high: number; readonly low: number } {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, scale);
  return { high: view.getInt32(0), low: view.getUint32(4) >>> lowShift };
}

function floatOf(high: number, low: number): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setInt32(0, high);
  view.setInt32(4, low << lowShift);
  return view.getFloat64(0);
}

const highs: Interval = { lo: wordsOf(2 ** -12).high, hi: wordsOf(2 ** -1).high - 1 };
const offsets: Interval = { lo: -255, hi: 255 };
const limits: Interval = { lo: -256, hi: 255 };

const exact = (acc = 0, high = 0, low = 0, offset = 0, lo = 0, hi = 0): number =>
  clamp.js(scaled(acc, floatOf(high, low)) + offset, lo, hi);

const lows: Interval = { lo: 0, hi: 2 ** (32 - lowShift) - 1 };

function violation(
  ...[_acc = zero, high = zero, low = zero, offset = zero, lo = zero, hi = zero]: Interval[]
): string | undefined {
  return (
    outside('high', high, highs.lo, highs.hi) ??
    outside('low', low, lows.lo, lows.hi) ??
    outside('offset', offset, offsets.lo, offsets.hi) ??
    outside('lo', lo, limits.lo, hi.lo) ??
    outside('hi', hi, limits.lo, limits.hi)
  );
}

export const requantizeByte: VectorPrimitive = {
  name: 'requantize_byte_i32x4',
  doc: 'in each lane: acc times the float64 of halves high and low * 2^22, rounded half up, + offset, cut off at lo and hi',
  params: [
    ...(['acc', 'high', 'low'] as const).map((name) => ({ name, type: 'i32x4' as const })),
    ...(['offset', 'lo', 'hi'] as const).map((name) => ({ name, type: 'i32' as const })),
  ],
  result: 'i32x4',
  instructions: {},
  ...formsBy((a, b, c) => f64x2.add(f64x2.mul(a, b), c)),
  relaxed: formsBy(f64x2.relaxedMultiplyAdd),
  js: byLane('i32x4', (...args) =>
    violation(...args.map((x) => ({ lo: x, hi: x }))) === undefined ? exact(...args) : undefined,
  ),
  violation,
  range: (_acc, _high, _low, _offset, lo = zero, hi = zero) => ({ lo: lo.lo, hi: hi.hi }),
  cost: 'otherCall',
};
