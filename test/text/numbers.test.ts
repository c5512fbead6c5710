import { expect, test } from 'vitest';
import { formatBytes, formatCount, formatMany, formatPercent } from '../../src/text/numbers.ts';

test('numbers as people read them', () => {
  expect(formatCount(1234567)).toBe('1,234,567');
  expect(formatBytes(12300)).toBe('12,300 B');
  expect(formatPercent(0.9935)).toBe('99.35 %');
  expect(formatMany(1, 'sample')).toBe('1 sample');
  expect(formatMany(1000, 'sample')).toBe('1,000 samples');
  expect(formatMany(0, 'class', 'classes')).toBe('0 classes');
});
