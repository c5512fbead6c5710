import { expect, test } from 'vitest';
import { mulberry32, normal } from '../../src/base/random.ts';

test('mulberry32 gives its published sequence', () => {
  const random = mulberry32(1);
  expect([random(), random(), random()].map((x) => x * 2 ** 32)).toEqual([2693262067, 11749833, 2265367787]);
});

test('normal deviates have mean 0 and variance 1', () => {
  const random = mulberry32(7);
  const xs = Array.from({ length: 20_000 }, () => normal(random));
  const mean = xs.reduce((a, b) => a + b, 0) / xs.length;
  const variance = xs.reduce((a, b) => a + (b - mean) ** 2, 0) / xs.length;
  // Standard errors: 1 / sqrt(20000) = 0.007 and about 0.01.
  expect(Math.abs(mean)).toBeLessThan(0.03);
  expect(Math.abs(variance - 1)).toBeLessThan(0.04);
});
