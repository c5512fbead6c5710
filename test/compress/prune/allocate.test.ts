import fc from 'fast-check';
import { expect, test } from 'vitest';
import { allocate, type RemovalCurve } from '../../../src/compress/prune/allocate.ts';

const curve = (costs: readonly number[], price = 1, size = 1, forced = 0): RemovalCurve => ({
  trace: { order: Int32Array.from(costs.keys()), costs: Float64Array.from(costs), forced },
  sizes: new Int32Array(costs.length).fill(size),
  price,
});

const costOf = (curves: readonly RemovalCurve[], counts: readonly number[]): number =>
  curves.reduce(
    (sum, { trace, price }, i) => sum + trace.costs.subarray(0, counts[i]).reduce((s, c) => s + c, 0) / price,
    0,
  );

const rising = fc
  .array(fc.integer({ min: 1, max: 50 }), { minLength: 1, maxLength: 6 })
  .map((costs) => curve(costs.toSorted((a, b) => a - b)));

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
  // 5, 0, 0 costs 5/3 each; the other curve 2 each.
  expect(allocate([curve([5, 0, 0]), curve([2, 2, 2])], 3)).toEqual([3, 0]);
  expect(allocate([curve([7, 0, 0]), curve([2, 2, 2])], 3)).toEqual([0, 3]);
});

test('a higher price is worth a higher cost', () => {
  expect(allocate([curve([3, 3], 2), curve([2, 2], 1)], 2)).toEqual([2, 0]);
});

test('no more goes than is wanted, but what is forced', () => {
  expect(allocate([curve([0, 0, 4])], 1)).toEqual([1]);
  expect(allocate([curve([9, 1], 1, 1, 1), curve([2, 2])], 2)).toEqual([2, 0]);
  expect(allocate([curve([9, 1], 1, 1, 1), curve([2, 2])], 0)).toEqual([1, 0]);
});

test('removals of several weights count as many', () => {
  expect(allocate([curve([1, 1, 1], 1, 4)], 5)).toEqual([2]);
});
