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
  expect([coded.largest, coded.halfGap]).toEqual([uniform.largest, uniform.halfGap]);
  fc.assert(
    fc.property(number, (x) => {
      expect(coded.nearest(x)).toBe(uniform.nearest(x) + 0);
    }),
  );
});

test('what is further away than half the widest gap lies beyond the ends', () => {
  fc.assert(
    fc.property(codebooks, number, (values, x) => {
      const grid = codebookGrid(values);
      const inside = x >= values[0]! && x <= values.at(-1)!;
      if (inside) expect(Math.abs(grid.nearest(x) - x)).toBeLessThanOrEqual(grid.halfGap);
    }),
  );
  expect(codebookGrid(Int8Array.of(-100, 4, 6)).halfGap).toBe(52);
});
