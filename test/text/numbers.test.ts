import { expect, test } from 'vitest';
import {
  cyclesText,
  formatBytes,
  formatCount,
  formatHertz,
  formatMany,
  formatPercent,
  millisecondsText,
} from '../../src/text/numbers.ts';

test('numbers as people read them', () => {
  expect(formatCount(1234567)).toBe('1,234,567');
  expect(formatBytes(12300)).toBe('12,300 B');
  expect(formatPercent(0.9935)).toBe('99.35 %');
  expect(formatMany(1, 'sample')).toBe('1 sample');
  expect(formatMany(1000, 'sample')).toBe('1,000 samples');
  expect(formatMany(0, 'class', 'classes')).toBe('0 classes');
});

test('cycles, modelled ones to three digits, and their time', () => {
  expect(cyclesText({ cycles: 30247413, cyclesBy: 'simulator' })).toBe('30,247,413');
  expect(cyclesText({ cycles: 890872, cyclesBy: 'model' })).toBe('~891,000');
  expect(
    [0.0123456, 4.218, 167.4, 2583.49].map((milliseconds) => millisecondsText({ milliseconds })),
  ).toEqual(['0.0123', '4.22', '167', '2,580']);
  expect(cyclesText({}) + millisecondsText({})).toBe('');
  expect([16e6, 32768, 133.33e6].map(formatHertz)).toEqual(['16 MHz', '32.77 kHz', '133.3 MHz']);
});
