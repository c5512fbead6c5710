/**
 * Optimal brain quantizer: the weights of a row are rounded one after the other, those not yet rounded make up
 * for the error, and the bias takes what is left (Frantar and Alistarh, "Optimal Brain Compression", 2022,
 * section 5). A grid is a set of integers times a step per row; zeros are not part of the problem.
 */
import { largestSize } from '../../base/extremes.ts';
import { Elimination } from '../fit/elimination.ts';
import { damped } from '../fit/problems.ts';
import { times } from '../fit/reconstruct.ts';
import { inverse, quadratic, type Symmetric } from '../fit/symmetric.ts';
import type { Grid } from './levels.ts';

export interface Rounded {
  /** The real value of one step. */
  readonly step: number;
  /** Multiples of the step behind the bias. */
  readonly row: Float64Array;
}

/** Clipped steps of a uniform grid that are tried, relative to the step that reaches the largest weight. */
const shares = [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.55, 0.5, 0.45, 0.4, 0.35, 0.3];

/** Rows up to this length are rounded in full for every step that is tried; longer ones to nearest. */
const longestSearched = 100;

const onGrid = (w: number, step: number, grid: Grid): number => step * grid.nearest(w / step);

/** The damped Hessian of a row's inputs (index 0 is the constant that the bias multiplies) and its inverse. */
export interface RoundingNorm {
  readonly hessian: Symmetric;
  readonly inverse: Symmetric;
}

export function roundingNorm(hessian: Symmetric, damping: number): RoundingNorm {
  const prepared = damped(hessian, damping);
  return { hessian: prepared, inverse: inverse(prepared) };
}

/** Of a row behind its bias. */
const largestWeightOf = (w: Float64Array): number => largestSize(w.subarray(1));

/** Steps worth trying for a row on a uniform grid. */
export const clippedSteps = (w: Float64Array, { largest }: Grid): readonly number[] =>
  (largest > 7 ? shares.slice(0, 1) : shares).map((share) => (largestWeightOf(w) / largest) * share);

/**
 * @param w the row behind its bias; a row of zeros gets the step 0
 * @param steps to choose from
 */
export function roundRow(
  norm: RoundingNorm,
  w: Float64Array,
  grid: Grid,
  steps: readonly number[] = clippedSteps(w, grid),
): Rounded {
  const { hessian } = norm;
  if (largestWeightOf(w) === 0) return { step: 0, row: w.slice() };
  const round = (step: number): Float64Array => eliminated(norm.inverse, w, step, grid);
  const search = w.length <= longestSearched ? round : (step: number) => nearest(hessian, w, step, grid);
  const errors = steps.map((step) => errorOf(hessian, w, search(step)));
  const step = steps[errors.indexOf(Math.min(...errors))] as number;
  return scaled(hessian, w, { step, row: round(step) });
}

const errorOf = (hessian: Symmetric, w: Float64Array, made: Float64Array): number =>
  quadratic(
    hessian,
    made.map((x, i) => x - (w[i] as number)),
  );

/** Each weight to the grid by itself, and the bias that suits them best. */
export function nearest(hessian: Symmetric, w: Float64Array, step: number, grid: Grid): Float64Array {
  const made = w.map((x, i) => (i === 0 ? x : onGrid(x, step, grid)));
  const error = made.map((x, i) => x - (w[i] as number));
  const pull = times(hessian, error)[0] as number;
  made[0] = (w[0] as number) - pull / (hessian.data[0] as number);
  return made;
}

/** Outliers (further from the grid than half its widest gap) first, then the cheapest; the bias is never rounded. */
function eliminated(whole: Symmetric, w: Float64Array, step: number, grid: Grid): Float64Array {
  const elimination = new Elimination(whole, [w]);
  const made = w.slice();
  const left = Array.from({ length: w.length - 1 }, (_, i) => i + 1);
  while (left.length > 0) {
    const at = next(elimination, left, step, grid);
    const weight = left[at] as number;
    made[weight] = onGrid(elimination.value(0, weight), step, grid);
    elimination.fix(weight, made[weight]);
    left[at] = left[left.length - 1] as number;
    left.pop();
  }
  made[0] = elimination.value(0, 0);
  return made;
}

/** The place in `left` of the weight to round next. */
function next(elimination: Elimination, left: readonly number[], step: number, grid: Grid): number {
  let [best, cost, outlier] = [0, Number.POSITIVE_INFINITY, step * grid.halfGap * 1.0000002];
  left.forEach((weight, i) => {
    const value = elimination.value(0, weight);
    const error = Math.abs(value - onGrid(value, step, grid));
    if (error > outlier) [best, outlier, cost] = [i, error, Number.NEGATIVE_INFINITY];
    const found = (error * error) / elimination.inverseAt(weight, weight);
    if (found < cost) [best, cost] = [i, found];
  });
  return best;
}

/**
 * The same integers with the step and bias that suit them best: the least squares of b + s q in the Hessian's
 * norm, two equations. Kept only where it is a usable step.
 */
function scaled(hessian: Symmetric, w: Float64Array, { step, row }: Rounded): Rounded {
  const q = row.map((x, i) => (i === 0 ? 0 : x / step));
  const [hq, hw] = [times(hessian, q), times(hessian, w)];
  const dot = (a: Float64Array): number => a.reduce((sum, x, i) => sum + x * (q[i] as number), 0);
  const [h00, h0q, hqq, w0, wq] = [
    hessian.data[0] as number,
    hq[0] as number,
    dot(hq),
    hw[0] as number,
    dot(hw),
  ];
  const determinant = h00 * hqq - h0q * h0q;
  const s = (h00 * wq - h0q * w0) / determinant;
  if (!(determinant > 0 && s >= step / 2 && s <= 2 * step)) return { step, row };
  const b = (w0 - h0q * s) / h00;
  return { step: s, row: q.map((x, i) => (i === 0 ? b : s * Math.round(x))) };
}
