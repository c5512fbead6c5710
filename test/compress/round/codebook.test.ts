import { describe, expect, test } from 'vitest';
import { mulberry32, normal } from '../../../src/base/random.ts';
import { type SharedRow, shareWeights } from '../../../src/compress/round/codebook.ts';
import { codebookGrid, uniformGrid } from '../../../src/compress/round/levels.ts';

/** Rows of normal deviates, each of a scale of its own. */
function rowsOf(count: number, terms: number, seed: number): SharedRow[] {
  const random = mulberry32(seed);
  return Array.from({ length: count }, () => {
    const scale = 0.01 + random();
    return {
      w: Float64Array.from({ length: terms }, () => scale * normal(random)),
      importance: Float64Array.from({ length: terms }, () => 0.1 + random()),
    };
  });
}

const errorOf = (rows: readonly SharedRow[], made: (w: number, row: number) => number): number =>
  rows.reduce(
    (sum, { w, importance }, row) =>
      sum + w.reduce((part, x, i) => part + importance[i]! * (x - made(x, row)) ** 2, 0),
    0,
  );

const sharedError = (rows: readonly SharedRow[], size: number, withZero = false): number => {
  const { values, steps } = shareWeights(rows, size, withZero);
  const grid = codebookGrid(values);
  return errorOf(rows, (w, row) => steps[row]! * grid.nearest(w / steps[row]!));
};

test('more values are nearer, and 16 are nearer than a uniform grid of 4 bits', () => {
  const rows = rowsOf(12, 60, 3);
  const [four, sixteen] = [sharedError(rows, 4), sharedError(rows, 16)];
  expect(sixteen).toBeLessThan(four / 4);
  const shares = Array.from({ length: 50 }, (_, i) => 0.3 + i * 0.02);
  const uniform = rows.reduce((sum, row) => {
    const widest = Math.max(...row.w.map(Math.abs)) / 7;
    const grid = uniformGrid(7);
    const errors = shares.map((s) => errorOf([row], (w) => s * widest * grid.nearest(w / (s * widest))));
    return sum + Math.min(...errors);
  }, 0);
  // Measured: 0.71.
  expect(sixteen / uniform).toBeLessThan(0.8);
});

test('it does not depend on the unit of a row, and is the same every time', () => {
  const rows = rowsOf(5, 30, 8);
  const scaled = rows.map(({ w, importance }, i) => {
    const unit = 2 ** (i - 2);
    return { w: w.map((x) => unit * x), importance: importance.map((d) => d / unit ** 2) };
  });
  const [one, other] = [shareWeights(rows, 16, true), shareWeights(scaled, 16, true)];
  expect([...other.values]).toEqual([...one.values]);
  expect([...other.steps]).toEqual([...one.steps.map((s, i) => s * 2 ** (i - 2))]);
});

describe('what there is little of', () => {
  const row = (...w: number[]): SharedRow => ({
    w: Float64Array.from(w),
    importance: new Float64Array(w.length).fill(1),
  });

  test('one weight is exact', () => {
    const { values, steps } = shareWeights([row(-0.3)], 16, false);
    expect([...values]).toEqual([-127]);
    expect(steps[0]! * -127).toBeCloseTo(-0.3, 12);
    expect([...shareWeights([row(-0.3)], 16, true).values]).toEqual([-127, 0]);
  });

  test('rows of zeros, and rows without weights, have no step', () => {
    const { values, steps } = shareWeights([row(0, 0), row(1, -1), row()], 4, true);
    expect([...values]).toContain(0);
    expect([steps[0], steps[2]]).toEqual([0, 0]);
    expect(steps[1]).toBeGreaterThan(0);
    expect([...shareWeights([row(0, 0)], 4, true).values]).toEqual([0]);
  });

  test('fewer values than asked for are kept', () => {
    const rows = [row(0.25, 0.5, -1), row(2, 4, -8, 2)];
    const whole = errorOf(rows, () => 0);
    // What is left is that they are not multiples of 1/127 of the largest.
    expect(sharedError(rows, 16) / whole).toBeLessThan(1e-4);
  });
});
