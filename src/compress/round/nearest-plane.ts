/**
 * Rounds a row of weights to a grid: a set of integers times a step per row; zeros stay zeros.
 *
 * With H = L LT over the bias (first) and the weights, the error of made weights q is
 * sum over i of (L_ii (c_i - q_i))^2, c_i = w_i + sum over j > i of L_ji (w_j - q_j) / L_ii. From the last weight
 * to the first each c_i, which depends on those before it only, goes to its nearest value: those not yet rounded
 * make up for the error, and the bias takes what is left (Babai's nearest plane, 1986; the same rounding as in
 * Frantar et al., "GPTQ", 2023). One factor serves all rows and steps; a row takes n^2 / 2 multiplications.
 */
import { at, holds } from '../../base/errors.ts';
import { largestSize } from '../../base/extremes.ts';
import { damped } from '../fit/problems.ts';
import { times } from '../fit/reconstruct.ts';
import { cholesky, entry, restricted, type Symmetric } from '../fit/symmetric.ts';
import type { Grid } from './levels.ts';

export interface Rounded {
  /** The real value of one step. */
  readonly step: number;
  /** Multiples of the step behind the bias. */
  readonly row: Float64Array;
}

/**
 * Steps of a uniform grid that are tried, relative to the one that reaches the largest weight: 1.1 to 0.3, the
 * smaller ones clip.
 */
const shares = Array.from({ length: 33 }, (_, i) => (44 - i) / 40);

const onGrid = (w: number, step: number, grid: Grid): number => step * grid.nearest(w / step);

/** Of a row's inputs; index 0 is the constant that the bias multiplies. */
export interface RoundingNorm {
  /** Damped. */
  readonly hessian: Symmetric;
  /** The bias, then the weights: the last is rounded first. */
  readonly order: Int32Array;
  /** L of the Hessian in that order. */
  readonly factor: Symmetric;
}

export function roundingNorm(raw: Symmetric, damping: number): RoundingNorm {
  const hessian = damped(raw, damping);
  const spread = Float64Array.from({ length: hessian.size }, (_, i) => spreadOf(hessian, i));
  // What costs most is rounded while the most others can make up for it.
  const weights = Array.from({ length: hessian.size - 1 }, (_, i) => i + 1);
  weights.sort((a, b) => at(spread, a) - at(spread, b));
  const order = Int32Array.from([0, ...weights]);
  return { hessian, order, factor: cholesky(restricted(hessian, order)) };
}

/** The square of an input about its mean, which the bias takes. */
const spreadOf = (hessian: Symmetric, i: number): number =>
  entry(hessian, i, i) - entry(hessian, i, 0) ** 2 / entry(hessian, 0, 0);

/** Of a row behind its bias. */
const largestWeightOf = (w: Float64Array): number => largestSize(w.subarray(1));

/** Steps worth trying for a row on a uniform grid. */
export const clippedSteps = (w: Float64Array, { largest }: Grid): readonly number[] =>
  (largest > 7 ? [1] : shares).map((share) => (largestWeightOf(w) / largest) * share);

/**
 * @param w the row behind its bias; a row of zeros gets the step 0
 * @param steps to choose from
 * @param image H w, which takes as long as a rounding
 */
export function roundRow(
  norm: RoundingNorm,
  w: Float64Array,
  grid: Grid,
  steps: readonly number[] = clippedSteps(w, grid),
  image: Float64Array = times(norm.hessian, w),
): Rounded {
  if (largestWeightOf(w) === 0) return { step: 0, row: w.slice() };
  const tried = steps.map((step) => nearestPlane(norm, w, step, grid));
  return scaled(
    norm.hessian,
    image,
    tried.reduce((best, next) => (next.error < best.error ? next : best)),
  );
}

/** The row of a step, and its error in the norm. */
function nearestPlane(
  { order, factor: { size, data } }: RoundingNorm,
  w: Float64Array,
  step: number,
  grid: Grid,
): Rounded & { readonly error: number } {
  // Read unchecked below: this runs for every step that is tried.
  holds(order, size);
  holds(w, size);
  const row = new Float64Array(size);
  // By place: the sum of L_ji (w_j - q_j) over those rounded.
  const pull = new Float64Array(size);
  let error = 0;
  for (let i = size - 1; i >= 0; i--) {
    const [weight, pivot] = [order[i] as number, data[i * size + i] as number];
    const wanted = (w[weight] as number) + (pull[i] as number) / pivot;
    const made = i === 0 ? wanted : w[weight] === 0 ? 0 : onGrid(wanted, step, grid);
    row[weight] = made;
    error += (pivot * (wanted - made)) ** 2;
    const missing = (w[weight] as number) - made;
    for (let j = 0; j < i; j++) pull[j] = (pull[j] as number) + (data[i * size + j] as number) * missing;
  }
  return { step, row, error };
}

/**
 * The same integers with the step and bias that suit them best: the least squares of b + s q in the Hessian's
 * norm, two equations. Kept only where it is a usable step.
 * @param hw the Hessian times the row that was rounded
 */
function scaled(hessian: Symmetric, hw: Float64Array, { step, row }: Rounded): Rounded {
  const q = row.map((x, i) => (i === 0 ? 0 : x / step));
  const hq = times(hessian, q);
  const dot = (a: Float64Array): number => a.reduce((sum, x, i) => sum + x * at(q, i), 0);
  const [h00, h0q, hqq, w0, wq] = [at(hessian.data, 0), at(hq, 0), dot(hq), at(hw, 0), dot(hw)];
  const determinant = h00 * hqq - h0q * h0q;
  const s = (h00 * wq - h0q * w0) / determinant;
  if (!(determinant > 0 && s >= step / 2 && s <= 2 * step)) return { step, row };
  const b = (w0 - h0q * s) / h00;
  return { step: s, row: q.map((x, i) => (i === 0 ? b : s * Math.round(x))) };
}
