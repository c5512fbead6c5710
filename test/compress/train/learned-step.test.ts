import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gridOf } from '../../../src/compress/train/layer-state.ts';
import { coarsestStep, firstSteps, onGrid, stepSlope } from '../../../src/compress/train/learned-step.ts';

const bits = fc.constantFrom(2, 3, 4, 8);
const weight = fc.double({ min: -4, max: 4, noNaN: true });

test('the coarsest step still puts the largest weight on the largest grid point', () => {
  fc.assert(
    fc.property(bits, fc.double({ min: 1e-3, max: 10, noNaN: true }), (b, largest) => {
      const grid = gridOf(b);
      const step = coarsestStep(largest, grid);
      expect(onGrid(largest, step, grid)).toBeCloseTo(grid.largest * step, 12);
      expect(Math.round(largest / (step * 1.001))).toBe(grid.largest - 1);
    }),
  );
});

test("a step's slope is that of a rounded weight, by finite differences of the step", () => {
  fc.assert(
    fc.property(bits, weight, fc.double({ min: 0.01, max: 1, noNaN: true }), (b, w, step) => {
      const grid = gridOf(b);
      const x = w / step;
      const clamped = Math.max(-grid.largest, Math.min(grid.largest, x));
      // Straight through: the rounding counts as adding a constant r, so q step = (x + r) step.
      const r = onGrid(w, step, grid) / step - clamped;
      const rounded = (s: number) => (Math.max(-grid.largest, Math.min(grid.largest, w / s)) + r) * s;
      const h = step * 1e-6;
      fc.pre(Math.abs(Math.abs(x) - grid.largest) > 1e-4);
      expect(stepSlope(w, step, grid)).toBeCloseTo((rounded(step + h) - rounded(step - h)) / (2 * h), 4);
    }),
  );
});

test('the first steps are no worse than the largest weight over the largest step', () => {
  fc.assert(
    fc.property(bits, fc.array(weight, { minLength: 4, maxLength: 12 }), (b, numbers) => {
      const row = Float32Array.from(numbers);
      const grid = gridOf(b);
      const largest = row.reduce((max, w) => Math.max(max, Math.abs(w)), 0);
      const error = (step: number) => row.reduce((sum, w) => sum + (w - onGrid(w, step, grid)) ** 2, 0);
      const [step] = firstSteps(row, 1, grid);
      expect(step).toBeGreaterThan(0);
      if (largest > 0) expect(error(step!)).toBeLessThanOrEqual(error(largest / grid.largest) + 1e-9);
    }),
  );
});
