import { test } from 'vitest';
import { tanh } from '../../../src/ir/ops/tanh.ts';
import { holdsFloat32, holdsInt8 } from '../../support/pointwise-law.ts';

/** By exponentials; far from 0 they overflow, and it is 1 or -1. */
function byExponentials(x: number): number {
  if (Math.abs(x) > 300) return Math.sign(x);
  const [up, down] = [Math.exp(x), Math.exp(-x)];
  return (up - down) / (up + down);
}

test('tanh in float32', () => holdsFloat32(tanh, {}, byExponentials));

test('tanh of every byte, on fine, coarse and odd grids', () => {
  const output = { scale: 2 / 255, zeroPoint: 128 };
  holdsInt8(tanh, {}, byExponentials, [{ scale: 0.02, zeroPoint: 128 }, output]);
  holdsInt8(tanh, {}, byExponentials, [{ scale: 5, zeroPoint: 255 }, output]);
  holdsInt8(tanh, {}, byExponentials, [
    { scale: 0.003, zeroPoint: -400 },
    { scale: 0.0005, zeroPoint: -1700 },
  ]);
});
