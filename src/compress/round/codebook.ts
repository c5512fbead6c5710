/**
 * Weight sharing: all weights of a layer become one of a few integers times the step of their row. Integers and
 * steps are found in turns, each the best for the other, in the norm of what an error of each weight costs.
 */

import { at } from '../../base/errors.ts';
import { largestSize } from '../../base/extremes.ts';
import { bestCentres, type Points } from './k-means.ts';
import { codebookGrid, type Grid } from './levels.ts';

/** A row's weights without its bias, and what the square of an error of each costs. */
export interface SharedRow {
  readonly w: Float64Array;
  readonly importance: Float64Array;
}

export interface Codebook {
  /** Ascending, in -127..127. */
  readonly values: Int8Array;
  /** The real value of one step, per row; 0 for rows of zeros. */
  readonly steps: Float64Array;
}

/** Other steps that are tried for a row, relative to the one it has. */
const nearby = [0.7, 0.8, 0.9, 1.1, 1.2, 1.35];
const rounds = 8;

/** Weights in steps of their rows; an error of one step costs step^2 * importance. */
function pointsOf(rows: readonly SharedRow[], steps: Float64Array): Points {
  const used = rows.flatMap((row, r) => (at(steps, r) > 0 ? [{ row, step: at(steps, r) }] : []));
  const count = used.reduce((sum, { row }) => sum + row.w.length, 0);
  const points = { values: new Float64Array(count), weights: new Float64Array(count) };
  let next = 0;
  for (const { row, step } of used)
    row.w.forEach((w, i) => {
      points.values[next] = w / step;
      points.weights[next++] = step * step * at(row.importance, i);
    });
  return points;
}

/** The least squares of s q for the integers that a step gives: s = sum d w q / sum d q^2. */
function refined({ w, importance }: SharedRow, step: number, grid: Grid): number {
  let [top, bottom] = [0, 0];
  w.forEach((x, i) => {
    const q = grid.nearest(x / step);
    top += at(importance, i) * x * q;
    bottom += at(importance, i) * q * q;
  });
  return top > 0 && bottom > 0 ? top / bottom : step;
}

function errorOf({ w, importance }: SharedRow, step: number, grid: Grid): number {
  let error = 0;
  w.forEach((x, i) => {
    error += at(importance, i) * (x - step * grid.nearest(x / step)) ** 2;
  });
  return error;
}

/** The step that suits the integers best, and its error; never a worse one than it was. */
function betterStep(
  row: SharedRow,
  step: number,
  grid: Grid,
): { readonly step: number; readonly error: number } {
  let best = { step, error: step > 0 ? errorOf(row, step, grid) : 0 };
  if (step === 0) return best;
  for (const factor of [1, ...nearby]) {
    const tried = refined(row, step * factor, grid);
    const error = errorOf(row, tried, grid);
    if (error < best.error) best = { step: tried, error };
  }
  return best;
}

/**
 * @param size at most so many values
 * @param withZero 0 is one of them: for layers with weights that must stay 0
 */
export function shareWeights(rows: readonly SharedRow[], size: number, withZero: boolean): Codebook {
  let steps = Float64Array.from(rows, ({ w }) => largestSize(w) / 127);
  let values = bestCentres(pointsOf(rows, steps), size, withZero);
  let least = Infinity;
  for (let round = 0; round < rounds; round++) {
    const grid = codebookGrid(values);
    const better = rows.map((row, r) => betterStep(row, at(steps, r), grid));
    const error = better.reduce((sum, row) => sum + row.error, 0);
    if (error >= 0.999 * least) break;
    least = error;
    steps = Float64Array.from(better, ({ step }) => step);
    values = bestCentres(pointsOf(rows, steps), size, withZero);
  }
  return { values, steps };
}
