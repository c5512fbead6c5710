/** Unstructured, n:m and block pruning: traces, a global choice, and the masks that it leaves. */

import { at, must } from '../../base/errors.ts';
import { nonzerosIn } from '../../base/extremes.ts';
import type { MacLayer } from '../fit/layers.ts';
import { augmentedRow, damped, type Problem } from '../fit/problems.ts';
import type { Masks } from '../fit/refit.ts';
import { inverse, restricted, type Symmetric } from '../fit/symmetric.ts';
import { allocate, type RemovalCurve } from './allocate.ts';
import { type Price, type PruneOptions, priceOf } from './options.ts';
import { rowsTogether, unitsOf } from './pattern.ts';
import { traceOf, type Unit } from './removals.ts';

/** Some rows of a problem that lose the same weights, and what they curve. */
interface Candidate extends RemovalCurve {
  readonly problem: Problem;
  readonly firstRow: number;
  readonly rows: number;
  readonly units: readonly Unit[];
}

/** What a network's weights stand for, and in which order each row's would go. */
export interface Ranked {
  readonly layers: readonly MacLayer[];
  readonly problems: readonly Problem[];
  readonly candidates: readonly Candidate[];
}

/** Found on LeNet-5's training digits; 3e-3 to 3e-2 are within a tenth of a point. */
const traceDamping = 1e-2;

export type Progress = (done: number, total: number) => void;

type Choice = Pick<PruneOptions, 'pattern' | 'price' | 'method'>;

/** Every trace there is: the expensive half, which does not depend on the sparsity. */
export function candidates(
  problems: readonly Problem[],
  options: Choice,
  onProgress: Progress = () => undefined,
): readonly Candidate[] {
  const { pattern = 'none', price = 'weights', method } = options;
  const together = rowsTogether(pattern);
  const total = problems.reduce((sum, p) => sum + p.rows, 0);
  let done = 0;
  return problems.flatMap((problem) => {
    const inverseFor = inverses(problem, method);
    return Array.from({ length: Math.ceil(problem.rows / together) }, (_, i) => {
      onProgress(done, total);
      const rows = Math.min(together, problem.rows - i * together);
      done += rows;
      return candidate(problem, inverseFor, i * together, rows, { method, pattern, price });
    });
  });
}

/** The inverse of the damped Hessian's rows and columns in a list; for lists of all of them made once. */
function inverses(
  { hessian, terms }: Problem,
  method: PruneOptions['method'],
): (columns: readonly number[]) => Symmetric {
  const prepared = damped(hessian, traceDamping);
  let whole: Symmetric | undefined;
  return (columns) => {
    if (method === 'magnitude') return identity(columns.length);
    if (columns.length <= terms) return inverse(restricted(prepared, columns));
    whole ??= inverse(prepared);
    return whole;
  };
}

function identity(size: number): Symmetric {
  const data = new Float64Array(size * size);
  for (let i = 0; i < size; i++) data[i * size + i] = 1;
  return { size, data };
}

function candidate(
  problem: Problem,
  inverseFor: (columns: readonly number[]) => Symmetric,
  firstRow: number,
  count: number,
  { pattern, price, method }: Required<Choice>,
): Candidate {
  const index = Array.from({ length: count }, (_, i) => firstRow + i);
  const rows = index.map((row) => augmentedRow(problem, row));
  // Weights that are zero already are gone for good: neither removed again nor revived.
  const columns = [0, ...columnsOf(problem.terms).filter((c) => rows.some((row) => row[c] !== 0))];
  const { units, quotas } = unitsOf(problem, pattern, columns);
  const ownUnit = 1 / meanSquare(problem.layer.weights);
  const placeOf = new Map(columns.map((column, place) => [column, place]));
  const trace = traceOf({
    inverse: inverseFor(columns),
    rows: rows.map((row) => Float64Array.from(columns, (c) => at(row, c))),
    importance: index.map((row) => (method === 'magnitude' ? ownUnit : at(problem.importance, row))),
    units: units.map((unit) => unit.map((c) => must(placeOf.get(c), 'units are made of columns'))),
    ...(quotas === undefined ? {} : { quotas }),
  });
  const sizeOf = (unit: Unit): number =>
    unit.reduce((sum, c) => sum + rows.filter((row) => row[c] !== 0).length, 0);
  return {
    problem,
    firstRow,
    rows: count,
    units,
    trace,
    sizes: trace.order.map((u) => sizeOf(at(units, u))),
    price: weightPrice(problem.layer, price),
  };
}

/**
 * Of the weights that are left: magnitudes are compared in units of their layer's own spread, as Han, Pool, Tran
 * and Dally 2015 prune. Without that a first layer that takes pixels of 0..255 would be gone first.
 */
function meanSquare(weights: Float64Array): number {
  const count = nonzerosIn(weights);
  return count === 0 ? 1 : weights.reduce((sum, w) => sum + w * w, 0) / count;
}

const columnsOf = (terms: number): number[] => Array.from({ length: terms }, (_, i) => i + 1);

/** Of one weight of a layer, with values of 8 bits. */
export const weightPrice = ({ node, positions, weights }: MacLayer, price: Price): number =>
  priceOf(
    { node: node.name, positions, density: Math.max(1, nonzerosIn(weights)) / weights.length, bits: 8 },
    price,
  );

/** The masks that leave the cheapest removals out until `target` weights are zero, those that were included. */
export function masksFor(layers: readonly MacLayer[], all: readonly Candidate[], target: number): Masks {
  const masks = new Map(
    layers.map((layer) => [layer, Uint8Array.from(layer.weights, (w) => (w === 0 ? 0 : 1))]),
  );
  const gone = layers.reduce((sum, { weights }) => sum + weights.length - nonzerosIn(weights), 0);
  const counts = allocate(all, target - gone);
  all.forEach((c, i) => {
    const { layer } = c.problem;
    const mask = must(masks.get(layer), 'every layer has a mask');
    for (const unit of c.trace.order.subarray(0, counts[i]))
      for (const column of at(c.units, unit))
        for (let row = c.firstRow; row < c.firstRow + c.rows; row++)
          mask[(c.problem.firstRow + row) * layer.terms + c.problem.firstTerm + column - 1] = 0;
  });
  return masks;
}
