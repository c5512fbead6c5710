import { test } from 'vitest';
import { hardSigmoid } from '../../../src/ir/ops/hard-sigmoid.ts';
import { holdsFloat32, holdsInt8 } from '../../support/pointwise-law.ts';

/** In pieces. */
const pieces =
  (alpha: number, beta: number) =>
  (x: number): number => {
    if (alpha * x + beta <= 0) return 0;
    return alpha * x + beta >= 1 ? 1 : alpha * x + beta;
  };

for (const [alpha, beta] of [
  [1 / 6, 0.5],
  [0.2, 0.5],
  [-0.7, 0.1],
] as const) {
  test(`hard sigmoid of slope ${alpha.toFixed(2)}`, () => {
    holdsFloat32(hardSigmoid, { alpha, beta }, pieces(alpha, beta));
    const output = { scale: 1 / 255, zeroPoint: 0 };
    holdsInt8(hardSigmoid, { alpha, beta }, pieces(alpha, beta), [{ scale: 0.05, zeroPoint: 100 }, output]);
    holdsInt8(hardSigmoid, { alpha, beta }, pieces(alpha, beta), [{ scale: 2, zeroPoint: -3 }, output]);
  });
}
