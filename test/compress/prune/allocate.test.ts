import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allocate, type Offer } from '../../../src/compress/prune/allocate.ts';

const offer = (costs: readonly number[], price = 1, size = 1, forced = 0): Offer => ({
  trace: { order: Int32Array.from(costs.keys()), costs: Float64Array.from(costs), forced },
  sizes: new Int32Array(costs.length).fill(size),
  price,
});

const costOf = (offers: readonly Offer[], counts: readonly number[]): number =>
  offers.reduce(
    (sum, { trace, price }, i) => sum + trace.costs.subarray(0, counts[i]).reduce((s, c) => s + c, 0) / price,
    0,
  );

const rising = fc
  .array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 })
  .map((costs) => offer(costs.toSorted((a, b) => a - b)));

test('with costs that rise no other choice of as many is cheaper', () => {
  fc.assert(
    fc.property(rising, rising, fc.integer({ min: 0, max: 12 }), (a, b, wanted) => {
      const counts = allocate([a, b], wanted);
      const gone = (counts[0] ?? 0) + (counts[1] ?? 0);
      expect(gone).toBe(Math.min(wanted, a.sizes.length + b.sizes.length));
      for (let i = 0; i <= a.sizes.length; i++) {
        const j = gone - i;
        if (j < 0 || j > b.sizes.length) continue;
        expect(costOf([a, b], counts)).toBeLessThanOrEqual(costOf([a, b], [i, j]));
      }
    }),
  );
});

test('a dear removal is taken for the cheap ones behind it', () => {
  // 5, 0, 0 costs 5/3 each; the other offer 2 each.
  expect(allocate([offer([5, 0, 0]), offer([2, 2, 2])], 3)).toEqual([3, 0]);
  expect(allocate([offer([7, 0, 0]), offer([2, 2, 2])], 3)).toEqual([0, 3]);
});

test('a higher price is worth a higher cost', () => {
  expect(allocate([offer([3, 3], 2), offer([2, 2], 1)], 2)).toEqual([2, 0]);
});

test('no more goes than is wanted, but what is forced', () => {
  expect(allocate([offer([0, 0, 4])], 1)).toEqual([1]);
  expect(allocate([offer([9, 1], 1, 1, 1), offer([2, 2])], 2)).toEqual([2, 0]);
  expect(allocate([offer([9, 1], 1, 1, 1), offer([2, 2])], 0)).toEqual([1, 0]);
});

test('removals of several weights count as many', () => {
  expect(allocate([offer([1, 1, 1], 1, 4)], 5)).toEqual([2]);
});
