/** Real scales as multipliers and shifts, at the ends of what they can be. */
import { expect, test } from 'vitest';
import { requantOf } from '../../../src/ir/integers/requant.ts';

test.each([
  [1, 2 ** 31 - 1, 0],
  // The nearest number of 31 bits is 2^31: half of it, and a shift less.
  [1 - 2 ** -40, 2 ** 31 - 1, 0],
  [0.5 - 2 ** -40, 2 ** 30, 0],
  [2 ** -8 - 2 ** -45, 2 ** 30, 7],
  [0.5, 2 ** 30, 0],
  [0.5 - 2 ** -32, 2 ** 31 - 1, 1],
  [2 ** -31, 2 ** 30, 30],
  // Beyond the largest shift bits are lost instead, down to the last.
  [2 ** -40, 2 ** 21, 30],
  [2 ** -80, 1, 30],
])('%f', (scale, multiplier, shift) => {
  const made = requantOf('single', [scale]);
  expect([made.multiplier[0], made.shift[0]]).toEqual([multiplier, shift]);
});

test.each([0, -1, 1.0001, Number.NaN])('%f is refused', (scale) => {
  expect(() => requantOf('single', [scale])).toThrow(/outside of \(0, 1\]/);
});
