import { expect, test } from 'vitest';
import { indexOfLargest, largestOf, largestSize, nonzerosIn, smallestOf } from '../../src/base/extremes.ts';

test('of a million numbers', () => {
  const values = Float32Array.from({ length: 1_000_000 }, (_, i) => Math.sin(i));
  values[765_432] = 2;
  values[12] = -2;
  expect([largestOf(values), smallestOf(values), indexOfLargest(values)]).toEqual([2, -2, 765_432]);
});

test('none, equals and NaN, as Math.max and indexOf have it', () => {
  expect([largestOf([]), smallestOf([]), indexOfLargest([])]).toEqual([-Infinity, Infinity, -1]);
  expect(indexOfLargest([3, 5, 5])).toBe(1);
  expect([largestOf([1, Number.NaN]), indexOfLargest([1, Number.NaN, 2])]).toEqual([Number.NaN, -1]);
});

test('sizes, of either sign, and numbers that are not 0', () => {
  expect([largestSize([1, -3, 2]), largestSize([]), largestSize([1, Number.NaN])]).toEqual([
    3,
    0,
    Number.NaN,
  ]);
  expect([nonzerosIn([0, -0, 2, Number.NaN]), nonzerosIn([])]).toEqual([2, 0]);
});
