import { expect, test } from 'vitest';
import { erf } from '../../../../src/ir/ops/common/erf.ts';

test('the error function ends for every number', () => {
  expect([0, 6, 1e300, Infinity, -Infinity, Number.NaN].map(erf)).toEqual([0, 1, 1, 1, -1, Number.NaN]);
  expect(erf(1)).toBeCloseTo(0.8427007929497149, 14);
  expect(erf(-5.999)).toBeCloseTo(-1, 14);
});
