import { expect, test } from 'vitest';
import { split } from '../../src/data/held-back.ts';

const numbers = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

test.each([
  [1, 0],
  [7, 0],
  [8, 1],
  [19, 1],
  [20, 2],
  [512, 51],
  [640, 64],
  [5000, 64],
])('of %i samples %i are held back', (count, held) => {
  const { calibrating, judging, heldBack } = split(numbers(count));
  expect(heldBack).toBe(held > 0);
  if (!heldBack) expect(judging).toEqual(calibrating);
  else expect([...calibrating, ...judging].toSorted((a, b) => a - b)).toEqual(numbers(count));
  expect(calibrating).toHaveLength(count - held);
});

test('the same every time, spread over the list, and of all classes of a list that goes through them', () => {
  const { judging } = split(numbers(500));
  expect(split(numbers(500)).judging).toEqual(judging);
  judging.forEach((at, k) => {
    expect(Math.floor(at / 10)).toBe(k);
  });
  expect(new Set(judging.map((at) => at % 10)).size).toBe(10);
});
