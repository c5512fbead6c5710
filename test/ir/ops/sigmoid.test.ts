import { test } from 'vitest';
import { sigmoid } from '../../../src/ir/ops/sigmoid.ts';
import { holdsFloat32, holdsInt8 } from '../../support/pointwise-law.ts';

/** By its other form, (1 + tanh(x / 2)) / 2. */
const half = (x: number): number => 0.5 + 0.5 * Math.tanh(x / 2);

test('sigmoid in float32', () => holdsFloat32(sigmoid, {}, half));

test('sigmoid of every byte, on fine, coarse and odd grids', () => {
  const output = { scale: 1 / 255, zeroPoint: 0 };
  holdsInt8(sigmoid, {}, half, [{ scale: 0.05, zeroPoint: 128 }, output]);
  holdsInt8(sigmoid, {}, half, [{ scale: 3, zeroPoint: 7 }, output]);
  // Grids without 0: inputs near 4, outputs of at least 0.9.
  holdsInt8(sigmoid, {}, half, [
    { scale: 0.01, zeroPoint: -300 },
    { scale: 0.0004, zeroPoint: -2250 },
  ]);
});
