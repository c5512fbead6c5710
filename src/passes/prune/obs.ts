/** Unstructured, n:m and block pruning: traces, a global choice, and the masks that it leaves. */

import { allocate, type Offer } from './allocate.ts';
import type { MacLayer } from './layers.ts';
import type { Price, PruneOptions } from './options.ts';
import { type Pattern, rowsTogether, unitsOf } from './pattern.ts';
import { augmentedRow, damped, type Problem } from './problems.ts';
import { inverse, type Symmetric } from './symmetric.ts';
import { type TraceTask, traceOf } from './trace.ts';

/** 1 where a weight stays; rows x terms of the layer. */
export type Masks = ReadonlyMap<MacLayer, Uint8Array>;

/** Some rows of a problem that lose the same weights, and what they offer. */
interface Candidate extends Offer {
  readonly problem: Problem;
  readonly firstRow: number;
  readonly rows: number;
  readonly units: TraceTask['units'];
}

/** Found on LeNet-5's training digits; 3e-3 to 3e-2 are within a tenth of a point. */
const traceDamping = 1e-2;

export type Progress = (done: number, total: number) => void;

/** Every trace there is: the expensive half, which does not depend on the sparsity. */
export function candidates(
  problems: readonly Problem[],
  options: Pick<PruneOptions, 'pattern' | 'price' | 'method'>,
  onProgress: Progress = () => undefined,
): readonly Candidate[] {
  const total = problems.reduce((sum, p) => sum + p.rows, 0);
  let done = 0;
  return problems.flatMap((problem) => {
    const hessian = damped(problem.hessian, traceDamping);
    const start = options.method === 'magnitude' ? identity(hessian.size) : inverse(hessian);
    const { pattern = 'none', price = 'flash' } = options;
    const together = rowsTogether(pattern);
    return Array.from({ length: Math.ceil(problem.rows / together) }, (_, i) => {
      onProgress(done, total);
      const rows = Math.min(together, problem.rows - i * together);
      done += rows;
      return candidate(problem, start, i * together, rows, { ...options, pattern, price });
    });
  });
}

function identity(size: number): Symmetric {
  const data = new Float64Array(size * size);
  for (let i = 0; i < size; i++) data[i * size + i] = 1;
  return { size, data };
}

function candidate(
  problem: Problem,
  start: Symmetric,
  firstRow: number,
  rows: number,
  { pattern, price, method }: { pattern: Pattern; price: Price; method: PruneOptions['method'] },
): Candidate {
  const index = Array.from({ length: rows }, (_, i) => firstRow + i);
  const { units, quotas } = unitsOf(problem, pattern);
  const trace = traceOf({
    inverse: start,
    rows: index.map((row) => augmentedRow(problem, row)),
    importance: index.map((row) => (method === 'magnitude' ? 1 : (problem.importance[row] ?? 0))),
    units,
    ...(quotas === undefined ? {} : { quotas }),
  });
  return {
    problem,
    firstRow,
    rows,
    units,
    trace,
    sizes: trace.order.map((unit) => rows * (units[unit]?.length ?? 0)),
    price: priceOf(problem.layer, price),
  };
}

/** `macs`: a removed weight saves flash once and `positions` multiplications; their geometric mean. */
function priceOf(layer: MacLayer, price: Price): number {
  if (price === 'flash') return 1;
  return price === 'macs' ? Math.sqrt(layer.positions) : (price.get(layer.node.name) ?? 1);
}

/** The masks that leave the cheapest removals out until `target` weights are gone. */
export function masksFor(layers: readonly MacLayer[], all: readonly Candidate[], target: number): Masks {
  const masks = new Map(layers.map((layer) => [layer, new Uint8Array(layer.weights.length).fill(1)]));
  const counts = allocate(all, target);
  all.forEach((c, i) => {
    const { layer } = c.problem;
    const mask = masks.get(layer) ?? new Uint8Array(0);
    for (const unit of c.trace.order.subarray(0, counts[i]))
      for (const column of c.units[unit] ?? [])
        for (let row = c.firstRow; row < c.firstRow + c.rows; row++)
          mask[(c.problem.firstRow + row) * layer.terms + c.problem.firstTerm + column - 1] = 0;
  });
  return masks;
}
