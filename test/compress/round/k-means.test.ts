import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bestCentres, type Points } from '../../../src/compress/round/k-means.ts';

const costOf = ({ values, weights }: Points, centres: ArrayLike<number>): number =>
  values.reduce((sum, x, i) => {
    const errors = Array.from(centres, (c) => (x - c) ** 2);
    return sum + weights[i]! * Math.min(...errors);
  }, 0);

/** Thousandths: doubles would mostly be tiny. */
const real = (min: number, max: number) =>
  fc.integer({ min: 1000 * min, max: 1000 * max }).map((x) => x / 1000);
const points = (most: number, largest = 140) =>
  fc.array(fc.tuple(real(-largest, largest), real(1, 10)), { minLength: 1, maxLength: most }).map(
    (pairs): Points => ({
      values: Float64Array.from(pairs, ([x]) => x),
      weights: Float64Array.from(pairs, ([, w]) => w),
    }),
  );

/** "Deep Compression", section 3: evenly spaced centres, then Lloyd's iteration; centres to integers. */
function lloyd({ values, weights }: Points, count: number): number[] {
  const [lo, hi] = [Math.min(...values), Math.max(...values)];
  let centres = Array.from({ length: count }, (_, i) => lo + ((hi - lo) * i) / Math.max(1, count - 1));
  for (let round = 0; round < 30; round++) {
    const sums = centres.map(() => [0, 0]);
    values.forEach((x, i) => {
      const near = centres.reduce((b, c, j) => (Math.abs(c - x) < Math.abs(centres[b]! - x) ? j : b), 0);
      sums[near]![0]! += weights[i]!;
      sums[near]![1]! += weights[i]! * x;
    });
    centres = centres.map((c, j) => (sums[j]![0]! > 0 ? sums[j]![1]! / sums[j]![0]! : c));
  }
  return centres.map((c) => Math.max(-127, Math.min(127, Math.round(c))));
}

test('no pair of integers is better, with and without 0', () => {
  const all = Array.from({ length: 41 }, (_, i) => i - 20);
  fc.assert(
    fc.property(points(12, 20), fc.boolean(), (p, withZero) => {
      const sets = all.flatMap((a) => all.filter((b) => b >= a).map((b) => [a, b]));
      const allowed = withZero ? sets.filter((set) => set.includes(0)) : sets;
      const least = Math.min(...allowed.map((set) => costOf(p, set)));
      const found = costOf(p, bestCentres(p, 2, withZero));
      expect(Math.abs(found - least)).toBeLessThanOrEqual(1e-9 * (1 + costOf(p, [0])));
    }),
    { numRuns: 60 },
  );
});

test('never worse than Lloyd’s iteration from evenly spaced centres', () => {
  let [ours, theirs] = [0, 0];
  fc.assert(
    fc.property(points(80), fc.constantFrom(4, 16), (p, count) => {
      const [a, b] = [costOf(p, bestCentres(p, count, false)), costOf(p, lloyd(p, count))];
      expect(a).toBeLessThanOrEqual(b * (1 + 1e-9) + 1e-9);
      [ours, theirs] = [ours + a, theirs + b];
    }),
    { numRuns: 60 },
  );
  // Measured: 0.75.
  expect(ours / theirs).toBeLessThan(0.9);
});

test('centres are ascending integers, no more than asked for, 0 among them where it has to be', () => {
  fc.assert(
    fc.property(points(40), fc.constantFrom(1, 4, 16), fc.boolean(), (p, count, withZero) => {
      const centres = [...bestCentres(p, count, withZero)];
      expect(centres).toEqual([...new Set(centres)].sort((a, b) => a - b));
      expect(centres.length).toBeGreaterThan(0);
      expect(centres.length).toBeLessThanOrEqual(count);
      if (withZero) expect(centres).toContain(0);
      expect([...bestCentres(p, count, withZero)]).toEqual(centres);
    }),
    { numRuns: 60 },
  );
});

test('fewer integers than centres: they are the centres', () => {
  const integers = fc.uniqueArray(fc.integer({ min: -127, max: 127 }), { minLength: 1, maxLength: 15 });
  fc.assert(
    fc.property(integers, fc.boolean(), (values, withZero) => {
      const p = { values: Float64Array.from(values), weights: new Float64Array(values.length).fill(0.3) };
      const expected = new Set(withZero ? [0, ...values] : values);
      expect([...bestCentres(p, 16, withZero)]).toEqual([...expected].sort((a, b) => a - b));
    }),
    { numRuns: 60 },
  );
});

test('no numbers at all, or none that matters', () => {
  const none = { values: new Float64Array(0), weights: new Float64Array(0) };
  expect([...bestCentres(none, 4, true)]).toEqual([0]);
  expect(bestCentres({ values: Float64Array.of(3, 9), weights: new Float64Array(2) }, 4, false)).toHaveLength(
    1,
  );
});
