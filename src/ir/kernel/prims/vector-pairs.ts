/** Primitives of lanes of 16 bits, and what becomes of their products. */
import { at } from '../../../base/errors.ts';
import { int } from '../../../wasm/code.ts';
import { i16x8, i32x4 } from '../../../wasm/instructions.ts';
import { allInts, hull, type Interval } from '../interval.ts';
import { intervalOf } from '../operations.ts';
import type { VectorPrimitive } from '../primitive.ts';
import { byLane, lanes, outsideInt, two, whole, zero } from './vectors.ts';

/** Eight products, neighbours added: pairs of terms in the lanes of four rows. */
const dotPairs: VectorPrimitive = {
  name: 'dot_i16x8',
  doc: 'a[0] * b[0] + a[1] * b[1], a[2] * b[2] + a[3] * b[3], ...',
  params: two('i16x8'),
  result: 'i32x4',
  instructions: { mve: ['return vaddq_s32(vmullbq_int_s16(a, b), vmulltq_int_s16(a, b));'] },
  wasm: (a = [], b = []) => i32x4.dot(a, b),
  js: (a, b) => {
    const products = lanes(a).map((x, i) => x * at(lanes(b), i));
    const sums = pairs.map((i) => whole(at(products, 2 * i) + at(products, 2 * i + 1)));
    return sums.every((sum) => sum !== undefined) ? sums : undefined;
  },
  violation: (a = zero, b = zero) => outsideInt('a sum', pairRange(a, b)),
  range: (a = zero, b = zero) => pairRange(a, b),
  cost: 'otherCall',
};
const pairs = [0, 1, 2, 3] as const;
const pairRange = (a: Interval, b: Interval): Interval => {
  const { lo, hi } = intervalOf('mul', a, b);
  return { lo: 2 * lo, hi: 2 * hi };
};

/** Takes lanes of 16 bits from two vectors of them; `from` has indices, from 8 on into the second. */
const picked = (
  name: string,
  doc: string,
  params: readonly string[],
  from: readonly number[],
): VectorPrimitive => ({
  name,
  doc,
  params: params.map((param) => ({ name: param, type: 'i16x8' })),
  result: 'i16x8',
  instructions: {},
  wasm: (a = [], b = a) => i16x8.shuffle(a, b, from),
  js: (a, b = a) => from.map((i) => (i < 8 ? at(lanes(a), i) : at(lanes(b), i - 8))),
  violation: () => undefined,
  range: (a = zero, b = a) => hull([a.lo, a.hi, b.lo, b.hi]),
  cost: 'otherCall',
});

export const firstPair = picked(
  'first_pair_i16x8',
  'a[0], a[1], and again three times',
  ['a'],
  [0, 1, 0, 1, 0, 1, 0, 1],
);
const zipLow = picked('zip_low_i16x8', 'a[0], b[0], ..., a[3], b[3]', ['a', 'b'], [0, 8, 1, 9, 2, 10, 3, 11]);
const zipHigh = picked(
  'zip_high_i16x8',
  'a[4], b[4], ..., a[7], b[7]',
  ['a', 'b'],
  [4, 12, 5, 13, 6, 14, 7, 15],
);

const limits = {
  i16x8: { lo: -(2 ** 15), hi: 2 ** 15 - 1 },
  i32x4: { lo: -(2 ** 31), hi: 2 ** 31 - 1 },
} as const;

/** A sum or a difference, which must fit its lane. */
function exact(op: 'add' | 'sub', type: 'i16x8' | 'i32x4'): VectorPrimitive {
  const { lo, hi } = limits[type];
  const sign = op === 'add' ? 1 : -1;
  const range = (a = zero, b = zero) => intervalOf(op, a, b);
  return {
    name: `${op}_${type}`,
    doc: `a ${op === 'add' ? '+' : '-'} b in each lane`,
    params: two(type),
    result: type,
    instructions: { mve: [`return v${op}q_s${type === 'i16x8' ? 16 : 32}(a, b);`] },
    wasm: (a = [], b = []) => (type === 'i16x8' ? i16x8 : i32x4)[op](a, b),
    js: byLane(type, (a = 0, b = 0) => {
      const sum = a + sign * b;
      return sum < lo || sum > hi ? undefined : sum;
    }),
    violation: (a, b) => {
      const sum = range(a, b);
      return sum.lo < lo || sum.hi > hi
        ? `a lane in ${sum.lo}..${sum.hi}, defined for ${lo}..${hi}`
        : undefined;
    },
    range,
    cost: 'otherCall',
  };
}

const halved: VectorPrimitive = {
  name: 'shift_right_i32x4',
  doc: 'a / 2^by in each lane, rounded down; by in 0..31',
  params: [
    { name: 'a', type: 'i32x4' },
    { name: 'by', type: 'i32' },
  ],
  result: 'i32x4',
  instructions: { mve: ['return vshlq_s32(a, vdupq_n_s32(-by));'] },
  wasm: (a = [], by = []) => i32x4.shr(a, by),
  js: byLane('i32x4', (a = 0, by = 0) => (by < 0 || by > 31 ? undefined : a >> by)),
  violation: (_, by = zero) => (by.lo < 0 || by.hi > 31 ? `a shift by ${by.lo}..${by.hi}` : undefined),
  range: (a = zero, by = zero) => intervalOf('shr', a, by),
  cost: 'otherCall',
};

/** 3 * 2863311531 = 1 modulo 2^32. */
const inverseOfThree = -1_431_655_765;
const third: VectorPrimitive = {
  name: 'third_i32x4',
  doc: 'a / 3 in each lane where that is whole: a * 2863311531 modulo 2^32',
  params: [{ name: 'a', type: 'i32x4' }],
  result: 'i32x4',
  instructions: { mve: [`return vmulq_n_s32(a, ${inverseOfThree});`] },
  wasm: (a = []) => i32x4.mul(a, i32x4.splat(int(inverseOfThree))),
  js: byLane('i32x4', (a = 0) => Math.imul(a, inverseOfThree)),
  violation: () => undefined,
  range: () => allInts,
  cost: 'otherCall',
};

export const pairPrimitives: readonly VectorPrimitive[] = [
  dotPairs,
  exact('add', 'i16x8'),
  exact('sub', 'i16x8'),
  exact('sub', 'i32x4'),
  firstPair,
  halved,
  third,
  zipHigh,
  zipLow,
];
