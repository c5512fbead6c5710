import { expect, test } from 'vitest';
import { type Distance, Distances } from '../../src/base/distance.ts';

const between = (real: readonly number[], stored: readonly number[], step = 0): Distance => {
  const distances = new Distances();
  real.forEach((x, i) => {
    distances.add(x, stored[i]!);
  });
  return distances.result(step);
};

test('the signal is what varies about the mean: a shift of both sides changes nothing', () => {
  // Signal 4, noise 2 * 0.01.
  expect(between([-1, 1, -1, 1], [-0.9, 1, -1, 1.1]).sqnr).toBeCloseTo(10 * Math.log10(4 / 0.02), 9);
  expect(between([999, 1001, 999, 1001], [999.1, 1001, 999, 1001.1]).sqnr).toBeCloseTo(
    10 * Math.log10(4 / 0.02),
    6,
  );
});

test('a constant beside what varies around 1,000 is no signal at all', () => {
  expect(between([999, 1001, 999, 1001], [1000, 1000, 1000, 1000]).sqnr).toBeCloseTo(0, 9);
});

test('real numbers that do not vary: exact within half a step, else lost', () => {
  expect(between([7, 7, 7], [7, 7, 7]).sqnr).toBe(Infinity);
  expect(between([7, 7, 7], [7.5, 7.5, 7.5], 1).sqnr).toBe(Infinity);
  expect(between([7, 7, 7], [7.6, 7.6, 7.6], 1).sqnr).toBe(-Infinity);
  expect(between([7, 7, 7], [7.1, 7.1, 7.1])).toEqual({ sqnr: -Infinity, worst: expect.closeTo(0.1, 9) });
});

test('a small signal on a large mean keeps its digits', () => {
  const real = Array.from({ length: 100 }, (_, i) => 2 ** 20 + (i % 2));
  expect(
    between(
      real,
      real.map((x) => x + 0.1),
    ).sqnr,
  ).toBeCloseTo(10 * Math.log10(0.25 / 0.01), 6);
});
