/** Primitives of lanes of 16 bits, and what becomes of their products. */
import { at } from '../../../base/errors.ts';
import { i16x8, i32x4 } from '../../../wasm/instructions.ts';
import { hull, type Interval } from '../interval.ts';
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
  wasm: (_, a = [], b = []) => i32x4.dot(a, b),
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
  wasm: (_, a = [], b = a) => i16x8.shuffle(a, b, from),
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

const [lo, hi] = [-(2 ** 15), 2 ** 15 - 1];

/** A sum or a difference, which must fit its lane. */
function exact(op: 'add' | 'sub'): VectorPrimitive {
  const sign = op === 'add' ? 1 : -1;
  const range = (a = zero, b = zero) => intervalOf(op, a, b);
  return {
    name: `${op}_i16x8`,
    doc: `a ${op === 'add' ? '+' : '-'} b in each lane`,
    params: two('i16x8'),
    result: 'i16x8',
    instructions: { mve: [`return v${op}q_s16(a, b);`] },
    wasm: (_, a = [], b = []) => i16x8[op](a, b),
    js: byLane('i16x8', (a = 0, b = 0) => {
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

export const pairPrimitives: readonly VectorPrimitive[] = [
  dotPairs,
  exact('add'),
  exact('sub'),
  firstPair,
  zipHigh,
  zipLow,
];
