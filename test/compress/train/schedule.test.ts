import { expect, test } from 'vitest';
import { rateAt, sparsityAt } from '../../../src/compress/train/schedule.ts';

test('the rate rises linearly, then falls along a half cosine', () => {
  expect(rateAt(0.05, 8, 0.1)).toBe(4);
  expect(rateAt(0.1, 8, 0.1)).toBe(8);
  expect(rateAt(0.55, 8, 0.1)).toBeCloseTo(4, 12);
  expect(rateAt(1, 8, 0.1)).toBeCloseTo(0, 12);
  expect(rateAt(0, 8, 0)).toBe(8);
});

test('sparsity goes from the first to the last value, fastest at first', () => {
  const span = { begin: 100, end: 200 };
  const at = (step: number) => sparsityAt(step, 0.5, 0.9, span);
  expect([at(0), at(100), at(200), at(300)]).toEqual([0.5, 0.5, 0.9, 0.9]);
  expect(at(150)).toBeCloseTo(0.9 - 0.4 / 8, 12);
  expect(at(110) - at(100)).toBeGreaterThan(at(200) - at(190));
});
