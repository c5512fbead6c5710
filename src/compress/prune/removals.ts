/**
 * Optimal brain surgeon, one row (or block of rows) at a time: which weights to remove, in which order, and what
 * each removal costs; exact per row as in Frantar and Alistarh, "Optimal Brain Compression", 2022, algorithm 1.
 * A set B of weights costs wT_B (H^-1_BB)^-1 w_B and can be removed one weight after the other.
 */
import { at } from '../../base/errors.ts';
import { Elimination } from '../fit/elimination.ts';
import { cholesky, type Symmetric, solveFactored } from '../fit/symmetric.ts';

/** Weights that are removed together: indices into the rows, never 0 (the bias). */
export type Unit = readonly number[];

/** `left[g]` units of each group have to go before any other may; `groups[u]` is the group of a unit. */
export interface Quotas {
  readonly groups: Int32Array;
  readonly left: Int32Array;
}

export interface TraceTask {
  /** Inverse of the damped Hessian, index 0 the bias. */
  readonly inverse: Symmetric;
  /** Rows that lose the same weights: each behind its bias. */
  readonly rows: readonly Float64Array[];
  /** What a squared error of each row costs. */
  readonly importance: readonly number[];
  readonly units: readonly Unit[];
  readonly quotas?: Quotas;
}

export interface Trace {
  /** Units in the order of removal; all of them. */
  readonly order: Int32Array;
  /** The cost of each removal after those before it. */
  readonly costs: Float64Array;
  /** How many removals at the beginning the quotas demand. */
  readonly forced: number;
}

export function traceOf(task: TraceTask): Trace {
  const { units } = task;
  const quotas = task.quotas ?? { groups: new Int32Array(units.length), left: new Int32Array(1) };
  const left = quotas.left.slice();
  const forced = left.reduce((sum, n) => sum + n, 0);
  const trace = { order: new Int32Array(units.length), costs: new Float64Array(units.length), forced };
  const elimination = new Elimination(task.inverse, task.rows);
  const alive = new Uint8Array(units.length).fill(1);
  const groupOf = (unit: number): number => at(quotas.groups, unit);
  for (let step = 0; step < units.length; step++) {
    const open = (unit: number): boolean =>
      alive[unit] === 1 && (step >= forced || at(left, groupOf(unit)) > 0);
    const { index, cost } = cheapest(task, elimination, open);
    [trace.order[step], trace.costs[step], alive[index]] = [index, cost, 0];
    left[groupOf(index)] = at(left, groupOf(index)) - 1;
    for (const weight of at(units, index)) elimination.fix(weight);
  }
  return trace;
}

function cheapest(
  task: TraceTask,
  elimination: Elimination,
  open: (unit: number) => boolean,
): { readonly index: number; readonly cost: number } {
  let [index, cost] = [-1, Number.POSITIVE_INFINITY];
  for (let u = 0; u < task.units.length; u++) {
    if (!open(u)) continue;
    const found = costOf(task, elimination, at(task.units, u));
    if (found < cost || index < 0) [index, cost] = [u, found];
  }
  return { index, cost };
}

/** A unit is empty where a part of a layer does not read it: it costs nothing there. */
export function costOf(
  { rows, importance }: Pick<TraceTask, 'rows' | 'importance'>,
  elimination: Elimination,
  unit: Unit,
): number {
  let cost = 0;
  if (unit.length === 1) {
    const weight = at(unit, 0);
    const inverse = elimination.inverseAt(weight, weight);
    for (let r = 0; r < rows.length; r++)
      cost += (at(importance, r) * elimination.value(r, weight) ** 2) / inverse;
    return cost;
  }
  const solve = blockSolver(elimination, unit);
  for (let r = 0; r < rows.length; r++) {
    const share = at(importance, r);
    const w = Float64Array.from(unit, (u) => elimination.value(r, u));
    const solved = solve(w.slice());
    w.forEach((x, i) => {
      cost += share * x * at(solved, i);
    });
  }
  return cost;
}

function blockSolver(elimination: Elimination, unit: Unit): (w: Float64Array) => Float64Array {
  const size = unit.length;
  const block = { size, data: new Float64Array(size * size) };
  unit.forEach((a, i) => {
    for (let j = 0; j <= i; j++) block.data[i * size + j] = elimination.inverseAt(a, at(unit, j));
  });
  const factor = cholesky(block);
  return (w) => solveFactored(factor, w);
}
