import { largestSize } from '../../base/extremes.ts';

/**
 * Weights on a grid while they learn: the forward pass sees w rounded to q step, the gradient goes through the
 * rounding as if it were none (straight-through), and each row's step learns too (Esser et al. 2020, LSQ,
 * equations 1 to 3).
 */
export interface Grid {
  /** q is -largest .. largest, the grid of quantized multiply-accumulate operators. */
  readonly largest: number;
}

export const onGrid = (w: number, step: number, { largest }: Grid): number => {
  const q = Math.round(w / step);
  return (q > largest ? largest : q < -largest ? -largest : q) * step;
};

/**
 * The quantizer takes a row's largest weight for its largest step. So that it finds this grid again, some weight
 * has to land on the largest step: |w|max / step rounds to `largest` if step <= |w|max / (largest - 1/2).
 */
export const coarsestStep = (largestWeight: number, { largest }: Grid): number =>
  (largestWeight / (largest - 0.5)) * (1 - 1e-6);

/** d(rounded w) / d(step): q - w / step inside of the grid, the bound outside. */
export const stepSlope = (w: number, step: number, { largest }: Grid): number => {
  const x = w / step;
  if (x >= largest) return largest;
  return x <= -largest ? -largest : Math.round(x) - x;
};

/** Shares of the largest step that are tried. */
const shares = Array.from({ length: 32 }, (_, i) => 1.9 - i * 0.05);

/** Per row, the step of least squared rounding error. A row of zeros gets 1. */
export function firstSteps(weights: Float32Array, rows: number, grid: Grid): Float64Array {
  const terms = weights.length / rows;
  return Float64Array.from({ length: rows }, (_, row) =>
    bestStep(weights.subarray(row * terms, (row + 1) * terms), grid),
  );
}

function bestStep(row: Float32Array, grid: Grid): number {
  const largestWeight = largestSize(row);
  if (largestWeight === 0) return 1;
  const coarsest = coarsestStep(largestWeight, grid);
  const steps = shares.map((share) => Math.min(coarsest, (largestWeight / grid.largest) * share));
  const errors = steps.map((step) => row.reduce((sum, w) => sum + (w - onGrid(w, step, grid)) ** 2, 0));
  return steps[errors.indexOf(Math.min(...errors))] ?? coarsest;
}
