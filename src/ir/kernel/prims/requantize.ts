/**
 * From int32 accumulators to 8-bit steps: acc * multiplier * 2^-31 * 2^-shift, rounded. The multiplier is
 * in (0, 2^31), the shift in 0..30. Products reach 2^62, beyond float64's 2^53, so the JavaScript meaning
 * splits the multiplier into 16-bit halves, whose products with an int32 are exact.
 */
import { type Code, int } from '../../../wasm/code.ts';
import {
  f32,
  float,
  highProduct,
  i32,
  i32x4,
  i64,
  powerOfTwo,
  product31,
  select,
  sum31,
} from '../../../wasm/instructions.ts';
import type { Interval } from '../interval.ts';
import type { FreshLocal, Primitive } from '../primitive.ts';

/** floor(acc * multiplier + addend) / 2^bits), exactly; 16 <= bits, 0 <= addend < 2^52. */
function scaledFloor(acc: number, multiplier: number, addend: number, bits: number): number {
  const high = acc * Math.floor(multiplier / 65536);
  const low = acc * (multiplier % 65536) + (addend % 65536);
  // floor((A + f) / n) = floor(A / n) for an integer A and 0 <= f < 1.
  const sum = high + Math.floor(addend / 65536) + Math.floor(low / 65536);
  return Math.floor(sum / 2 ** (bits - 16));
}

/** (acc * multiplier + 2^(30 + shift)) >> (31 + shift) */
function single(acc: number, multiplier: number, shift: number): number {
  // 2^(30 + shift) can pass 2^52, but is then a multiple of 2^16 and exact all the same.
  return scaledFloor(acc, multiplier, 2 ** (30 + shift), 31 + shift);
}

/** round half away from zero of x / 2^shift (gemmlowp's RoundingDivideByPOT). */
function roundingShift(x: number, shift: number): number {
  if (shift === 0) return x;
  const half = 2 ** (shift - 1);
  return x < 0 ? 0 - Math.floor((half - x) / 2 ** shift) : Math.floor((x + half) / 2 ** shift);
}

function double(acc: number, multiplier: number, shift: number): number {
  return roundingShift(scaledFloor(acc, multiplier, 2 ** 30, 31), shift);
}

/** rint(float32(acc) * scale), halves to even. */
function ortFloat(acc: number, scale: number): number {
  const product = Math.fround(Math.fround(acc) * scale);
  const down = Math.floor(product);
  const rest = product - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

function pow2(acc: number, shift: number): number {
  return shift === 0 ? acc : Math.floor((acc + 2 ** (shift - 1)) / 2 ** shift);
}

export const outside = (what: string, x: Interval, lo: number, hi: number): string | undefined =>
  x.lo < lo || x.hi > hi ? `${what} in ${x.lo}..${x.hi}, defined for ${lo}..${hi}` : undefined;

const multiplierRule = (lowestShift: number) => (_acc: Interval, multiplier: Interval, shift: Interval) =>
  outside('multiplier', multiplier, 1, 2 ** 31 - 1) ?? outside('shift', shift, lowestShift, 30);

const endsOf = ({ lo, hi }: Interval): readonly number[] => (lo === hi ? [lo] : [lo, hi]);

/** Bounds of a function that grows with its first argument, for every multiplier and shift in their boxes. */
function cornerRange(f: (acc: number, m: number, s: number) => number) {
  return (acc: Interval, m: Interval, s: Interval): Interval => {
    let [lo, hi] = [Infinity, -Infinity];
    for (const x of endsOf(m))
      for (const y of endsOf(s)) {
        lo = Math.min(lo, f(acc.lo, x, y));
        hi = Math.max(hi, f(acc.hi, x, y));
      }
    return { lo, hi };
  };
}

const params = [
  { name: 'acc', type: 'i32' },
  { name: 'multiplier', type: 'i32' },
  { name: 'shift', type: 'i32' },
] as const;

const quotient31 = (acc = 0, multiplier = 0, shift = 0): readonly [bigint, number] => [
  BigInt(acc) * BigInt(multiplier),
  31 + shift,
];

const wide = (...operands: readonly [Code, Code]): Code =>
  i64.mul(i64.extend(operands[0]), i64.extend(operands[1]));
const wideShift = (x: Code, by: Code): Code => i32.wrap(i64.shr(x, i64.extend(by)));

function scaledLanes(
  fresh: FreshLocal,
  a: Code,
  b: Code,
  scaled: (x: Code, y: Code) => Code = product31,
): Code {
  const [x, y] = [fresh('v128'), fresh('v128')];
  return [...x.set(a), ...y.set(b), ...scaled(x.get, y.get)];
}

/** One rounding, halves up. */
export const requantizeSingle: Primitive = {
  name: 'requantize_single',
  doc: 'acc * multiplier / 2^(31 + shift), rounded half up',
  params,
  result: 'i32',
  c99: ['return (int32_t)(((int64_t)acc * multiplier + ((int64_t)1 << (30 + shift))) >> (31 + shift));'],
  js: single,
  wasm(_, acc = [], multiplier = [], shift = []) {
    const half = i64.shl(i64.extend(int(1)), i64.extend(i32.add(int(30), shift)));
    return wideShift(i64.add(wide(acc, multiplier), half), i32.add(int(31), shift));
  },
  violation: multiplierRule(0),
  range: cornerRange(single),
  cost: 'requantize64',
  quotient: quotient31,
};

/**
 * The same value for shifts of 2 and more, from the product's high word alone: 2^(30 + shift) is then a
 * multiple of 2^32, so the low word never carries into the sum.
 */
export const requantizeHigh: Primitive = {
  name: 'requantize_high',
  doc: 'acc * multiplier / 2^(31 + shift), rounded half up, for shift >= 2',
  params,
  result: 'i32',
  c99: [
    'int32_t high = (int32_t)(((int64_t)acc * multiplier) >> 32);',
    'return (high + ((int32_t)1 << (shift - 2))) >> (shift - 1);',
  ],
  // There is no product of 64 bits: of halves, what is below 2^16 of the sum of the lower three never carries.
  // DS-CNN then executes 15 % fewer instructions on Cortex-M0.
  instructions: {
    v6m: [
      'uint32_t low = (uint32_t)acc & 65535u;',
      'uint32_t half = (uint32_t)multiplier & 65535u;',
      'uint32_t middle = low * ((uint32_t)multiplier >> 16) + ((low * half) >> 16);',
      'int32_t other = (acc >> 16) * (int32_t)half + (int32_t)(middle & 65535u);',
      'int32_t high = (acc >> 16) * (multiplier >> 16) + (int32_t)(middle >> 16) + (other >> 16);',
      'return (high + ((int32_t)1 << (shift - 2))) >> (shift - 1);',
    ],
  },
  js: single,
  wasm(_, acc = [], multiplier = [], shift = []) {
    const high = wideShift(wide(acc, multiplier), int(32));
    const half = i32.shl(int(1), i32.sub(shift, int(2)));
    return i32.shr(i32.add(high, half), i32.sub(shift, int(1)));
  },
  lanes(fresh, acc = [], multiplier = [], shift = []) {
    const half = powerOfTwo(i32x4.sub(shift, i32x4.splat(int(2))));
    // / 2^(shift - 1), with 2^(32 - shift) / 2^31
    const scale = powerOfTwo(i32x4.sub(i32x4.splat(int(32)), shift));
    return scaledLanes(fresh, i32x4.add(highProduct(acc, multiplier), half), scale);
  },
  violation: multiplierRule(2),
  range: cornerRange(single),
  cost: 'requantize64',
  quotient: quotient31,
};

/** TensorFlow Lite's two roundings: doubling high multiplication, then a shift that rounds halves away from 0. */
export const requantizeDouble: Primitive = {
  name: 'requantize_double',
  doc: 'TensorFlow Lite: round(acc * multiplier / 2^31) half up, then / 2^shift half away from zero',
  params,
  result: 'i32',
  c99: [
    'int32_t high = (int32_t)(((int64_t)acc * multiplier + ((int64_t)1 << 30)) >> 31);',
    'int32_t mask = ((int32_t)1 << shift) - 1;',
    'return (high >> shift) + ((high & mask) > (mask >> 1) + (high < 0));',
  ],
  js: double,
  wasm(fresh, acc = [], multiplier = [], shift = []) {
    const [high, mask] = [fresh('i32'), fresh('i32')];
    const half = i64.extend(int(2 ** 30));
    const threshold = i32.add(i32.shr(mask.get, int(1)), i32.lt(high.get, int(0)));
    return [
      ...high.set(wideShift(i64.add(wide(acc, multiplier), half), int(31))),
      ...mask.set(i32.sub(i32.shl(int(1), shift), int(1))),
      ...i32.add(i32.shr(high.get, shift), i32.gt(i32.and(high.get, mask.get), threshold)),
    ];
  },
  violation: multiplierRule(0),
  range: cornerRange(double),
  cost: 'requantize64',
  quotient: quotient31,
};

/** ONNX Runtime's: a float32 product, halves to even. Adding 1.5 * 2^23 rounds a float below 2^22 to an integer. */
export const requantizeFloat: Primitive = {
  name: 'requantize_float',
  doc: 'rint((float)acc * scale), halves to even; |result| is cut off at 2^21',
  params: [
    { name: 'acc', type: 'i32' },
    { name: 'scale', type: 'f32' },
  ],
  result: 'i32',
  c99: [
    'float x = (float)acc * scale;',
    'x = x < -2097152.0f ? -2097152.0f : x > 2097152.0f ? 2097152.0f : x;',
    'x = x + 12582912.0f;',
    'return (int32_t)(x - 12582912.0f);',
  ],
  js: (acc = 0, scale = 0) => Math.max(-(2 ** 21), Math.min(2 ** 21, ortFloat(acc, scale))),
  wasm(fresh, acc = [], scale = []) {
    const x = fresh('f32');
    const [lo, hi, magic] = [float(-(2 ** 21)), float(2 ** 21), float(1.5 * 2 ** 23)];
    const cut = select(lo, select(hi, x.get, f32.gt(x.get, hi)), f32.lt(x.get, lo));
    return [...x.set(f32.mul(f32.convert(acc), scale)), ...i32.truncate(f32.sub(f32.add(cut, magic), magic))];
  },
  violation: () => undefined,
  range: () => ({ lo: -(2 ** 21), hi: 2 ** 21 }),
  cost: 'otherCall',
};

/** Power-of-two scales: a shift, halves up. */
export const requantizePow2: Primitive = {
  name: 'requantize_pow2',
  doc: 'acc / 2^shift, rounded half up; shift in 1..30',
  params: [
    { name: 'acc', type: 'i32' },
    { name: 'shift', type: 'i32' },
  ],
  result: 'i32',
  // Halving first keeps the rounding term from overflowing.
  c99: ['return ((acc >> (shift - 1)) + 1) >> 1;'],
  js: pow2,
  wasm: (_, acc = [], shift = []) => i32.shr(i32.add(i32.shr(acc, i32.sub(shift, int(1))), int(1)), int(1)),
  lanes: (fresh, acc = [], shift = []) =>
    scaledLanes(fresh, acc, powerOfTwo(i32x4.sub(i32x4.splat(int(31)), shift)), (x, y) =>
      sum31(x, y, 2 ** 30),
    ),
  violation: (acc = { lo: 0, hi: 0 }, shift = { lo: 0, hi: 0 }) =>
    outside('shift', shift, 1, 30) ??
    // Halved by shifts of 2 and more, acc leaves room for the 1.
    (shift.lo === 1 ? outside('acc', acc, -(2 ** 31), 2 ** 31 - 2) : undefined),
  range: (acc = { lo: 0, hi: 0 }, shift = { lo: 0, hi: 0 }) => ({
    lo: Math.min(pow2(acc.lo, shift.lo), pow2(acc.lo, shift.hi)),
    hi: Math.max(pow2(acc.hi, shift.lo), pow2(acc.hi, shift.hi)),
  }),
  cost: 'requantize32',
  quotient: (acc = 0, shift = 0) => [BigInt(acc), shift],
};

const compact = (acc: number, multiplier: number, shift: number): number =>
  Math.floor((acc * multiplier + 2 ** (shift - 1)) / 2 ** shift);

/**
 * Everything in 32 bits, for chips without a long multiplication. |acc| * multiplier stays below 2^53 in
 * float64 as long as it is below 2^31, which the precondition asks for.
 */
export const requantizeCompact: Primitive = {
  name: 'requantize_compact',
  doc: 'acc * multiplier / 2^shift, rounded half up; multiplier in 1..65535, shift in 1..30, within int32',
  params,
  result: 'i32',
  c99: ['return (acc * multiplier + ((int32_t)1 << (shift - 1))) >> shift;'],
  js: compact,
  wasm(_, acc = [], multiplier = [], shift = []) {
    const half = i32.shl(int(1), i32.sub(shift, int(1)));
    return i32.shr(i32.add(i32.mul(acc, multiplier), half), shift);
  },
  lanes(fresh, acc = [], multiplier = [], shift = []) {
    const half = powerOfTwo(i32x4.sub(shift, i32x4.splat(int(1))));
    const scale = powerOfTwo(i32x4.sub(i32x4.splat(int(31)), shift));
    return scaledLanes(fresh, i32x4.add(i32x4.mul(acc, multiplier), half), scale);
  },
  violation(acc = { lo: 0, hi: 0 }, multiplier = { lo: 1, hi: 1 }, shift = { lo: 1, hi: 1 }) {
    const products = [acc.lo, acc.hi].flatMap((a) => [a * multiplier.lo, a * multiplier.hi]);
    const sum = { lo: Math.min(...products), hi: Math.max(...products) + 2 ** (shift.hi - 1) };
    return (
      outside('multiplier', multiplier, 1, 65535) ??
      outside('shift', shift, 1, 30) ??
      outside('acc * multiplier + 2^(shift - 1)', sum, -(2 ** 31), 2 ** 31 - 1)
    );
  },
  range: cornerRange(compact),
  cost: 'requantize32',
  quotient: (acc = 0, multiplier = 0, shift = 0) => [BigInt(acc) * BigInt(multiplier), shift],
};

/**
 * With multipliers of 15 bits an int32 in two halves is enough: (high 2^16 + low) m = high m 2^16 + low m, and what the
 * low product has below 2^16 never reaches the result. |high m| is at most 2^30, the rest at most 2^15 + 2^29.
 */
export const requantizeHalves: Primitive = {
  name: 'requantize_halves',
  doc: 'acc * multiplier / 2^shift, rounded half up; multiplier in 1..32767, shift in 17..46, within int32',
  params,
  result: 'i32',
  c99: [
    'int32_t high = (acc >> 16) * multiplier;',
    'int32_t low = (int32_t)(((uint32_t)(acc & 65535) * (uint32_t)multiplier) >> 16);',
    'return (high + low + ((int32_t)1 << (shift - 17))) >> (shift - 16);',
  ],
  js: compact,
  wasm(_, acc = [], multiplier = [], shift = []) {
    const high = i32.mul(i32.shr(acc, int(16)), multiplier);
    const low = i32.shr(i32.mul(i32.and(acc, int(65535)), multiplier), int(16));
    const half = i32.shl(int(1), i32.sub(shift, int(17)));
    return i32.shr(i32.add(i32.add(high, low), half), i32.sub(shift, int(16)));
  },
  violation: (_acc, multiplier = { lo: 1, hi: 1 }, shift = { lo: 17, hi: 17 }) =>
    outside('multiplier', multiplier, 1, 32767) ?? outside('shift', shift, 17, 46),
  range: cornerRange(compact),
  cost: 'requantize64',
  quotient: (acc = 0, multiplier = 0, shift = 0) => [BigInt(acc) * BigInt(multiplier), shift],
};
