import { expect, test } from 'vitest';
import { type Coordinates, Measuring } from '../../src/diff/measures.ts';

const nowhere = (): Coordinates => ({ inference: 0, element: 0, at: [], ours: 0, theirs: 0 });

function sqnrOf(ours: readonly number[], theirs: readonly number[]): number {
  const sums = new Measuring();
  theirs.forEach((their, i) => {
    sums.add(ours[i]!, their, ours[i] === their, false, nowhere);
  });
  return sums.result.sqnr;
}

test('a mean carries no signal: what is constant near 1,000 does not follow', () => {
  const theirs = Array.from({ length: 64 }, (_, i) => 1000 + Math.sin(i));
  expect(
    sqnrOf(
      theirs.map(() => 1000),
      theirs,
    ),
  ).toBeCloseTo(0, 1);
  expect(
    sqnrOf(
      theirs.map((x) => x + 0.01),
      theirs,
    ),
  ).toBeCloseTo(10 * Math.log10(0.5 / 1e-4), 0);
});

test('moving both sides changes nothing', () => {
  const theirs = Array.from({ length: 50 }, (_, i) => ((i * 37) % 11) - 5);
  const ours = theirs.map((x, i) => x + ((i % 3) - 1) / 8);
  for (const mean of [0, 3, -40, 1024, 65536])
    expect(
      sqnrOf(
        ours.map((x) => x + mean),
        theirs.map((x) => x + mean),
      ),
    ).toBeCloseTo(sqnrOf(ours, theirs), mean === 0 ? 12 : 6);
});

test('without any signal the number itself is compared', () => {
  expect(sqnrOf([99], [100])).toBeCloseTo(40, 6);
  expect(sqnrOf([1, 1], [0, 0])).toBe(Number.NEGATIVE_INFINITY);
  expect(sqnrOf([7, 7], [7, 7])).toBe(Number.POSITIVE_INFINITY);
});
