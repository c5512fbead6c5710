import fc from 'fast-check';
import { expect, test } from 'vitest';
import { codebookGrid, uniformGrid } from '../../../src/compress/round/levels.ts';

const codebooks = fc
  .uniqueArray(fc.integer({ min: -127, max: 127 }), { minLength: 1, maxLength: 16 })
  .map((values) => Int8Array.from(values).sort());
const number = fc.integer({ min: -200_000, max: 200_000 }).map((x) => x / 1000);

test('every number goes to its nearest value, and every value to itself', () => {
  fc.assert(
    fc.property(codebooks, number, (values, x) => {
      const grid = codebookGrid(values);
      const distances = [...values].map((v) => Math.abs(v - x));
      expect(Math.abs(grid.nearest(x) - x)).toBe(Math.min(...distances));
      for (const v of values) expect(grid.nearest(v)).toBe(v);
    }),
  );
});

test('a uniform grid is the codebook of its integers', () => {
  const [uniform, coded] = [uniformGrid(7), codebookGrid(Int8Array.from({ length: 15 }, (_, i) => i - 7))];
  expect(coded.largest).toBe(uniform.largest);
  fc.assert(
    fc.property(number, (x) => {
      expect(coded.nearest(x)).toBe(uniform.nearest(x) + 0);
    }),
  );
});
