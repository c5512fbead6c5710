import { expect, test } from 'vitest';
import { lanes } from '../../../src/compress/gradient/kernels.ts';
import { pictureOf, place } from '../../../src/compress/train/augment.ts';

const sample = Float32Array.from([1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]);

function placed(dy: number, dx: number): number[] {
  const group = new Float32Array(12 * lanes);
  place(group, 5, sample, pictureOf([1, 2, 2, 3]), dy, dx);
  expect(group.filter((_, i) => i % lanes !== 5).every((x) => x === 0)).toBe(true);
  return Array.from({ length: 12 }, (_, e) => group[e * lanes + 5]!);
}

test('unmoved, a sample stands in its lane as it is', () => {
  expect(placed(0, 0)).toEqual([...sample]);
});

test('down and right: the border continues outwards', () => {
  expect(placed(1, 0)).toEqual([1, 2, 3, 1, 2, 3, 11, 12, 13, 11, 12, 13]);
  expect(placed(0, -1)).toEqual([2, 3, 3, 5, 6, 6, 12, 13, 13, 15, 16, 16]);
  expect(placed(0, 5)).toEqual([1, 1, 1, 4, 4, 4, 11, 11, 11, 14, 14, 14]);
});
