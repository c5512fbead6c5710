import { expect, test } from 'vitest';
import { indexOfLargest, largestOf, smallestOf } from '../../src/base/extremes.ts';

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
