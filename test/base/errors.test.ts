import { expect, test } from 'vitest';
import { at, atOr0, DefectError, holds } from '../../src/base/errors.ts';

test('an index is a claim', () => {
  expect(at([0, 7], 1)).toBe(7);
  expect(at(Float32Array.of(0), 0)).toBe(0);
  for (const index of [-1, 2, 0.5, Number.NaN]) expect(() => at([0, 7], index)).toThrow(DefectError);
});

test('numbers that are absent altogether are 0; one of those that are given has to be there', () => {
  expect(atOr0(undefined, 5)).toBe(0);
  expect(atOr0([3], 0)).toBe(3);
  expect(() => atOr0([3], 1)).toThrow('index 1 of a list of 1');
});

test('a list may be longer than the loop that reads it, never shorter', () => {
  holds([1, 2], 2);
  holds([1, 2], 1);
  expect(() => holds([1, 2], 3)).toThrow('3 elements of a list of 2');
});
