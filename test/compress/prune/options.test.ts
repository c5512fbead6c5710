import { expect, test } from 'vitest';
import { priceOf } from '../../../src/compress/prune/options.ts';

const layer = { node: 'conv', positions: 784, density: 1, bits: 8 };

test('each price, of a weight', () => {
  expect(priceOf(layer, 'weights')).toBe(1);
  expect(priceOf(layer, 'bytes')).toBeCloseTo(8 + Math.LOG2E, 12);
  // The sparser a layer, the more bits say where its weights are; the finer their grid, the more what they are.
  expect(priceOf({ ...layer, density: 1 / 16 }, 'bytes')).toBeCloseTo(12 + Math.LOG2E, 12);
  expect(priceOf({ ...layer, bits: 3 }, 'bytes')).toBeCloseTo(3 + Math.LOG2E, 12);
  expect(Math.round(priceOf(layer, 'macs'))).toBe(207);
  expect(priceOf(layer, new Map([['conv', 5]]))).toBe(5);
  expect(priceOf(layer, new Map([['other', 5]]))).toBe(1);
});
