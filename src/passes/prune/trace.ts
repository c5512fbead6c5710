/**
 * Optimal brain surgeon, one row (or block of rows) at a time: which weights to remove, in which order, and what
 * each removal costs. Hassibi and Stork 1993; exact per row as in Frantar and Alistarh, "Optimal Brain
 * Compression", 2022, algorithm 1.
 *
 * The cost of removing weight p, when all others make up for it, is w_p^2 / H^-1_pp; they change by
 * -H^-1_:p w_p / H^-1_pp, and H^-1 loses H^-1_:p H^-1_p: / H^-1_pp. A set B of weights costs wT_B (H^-1_BB)^-1 w_B
 * and can be removed one weight after the other.
 */
import { cholesky, type Symmetric, solveFactored } from './symmetric.ts';

/** Weights that are removed together: indices into the rows, never 0 (the bias). */
export type Unit = readonly number[];

export interface TraceTask {
  /** Inverse of the damped Hessian, index 0 the bias. */
  readonly inverse: Symmetric;
  /** Rows that lose the same weights: each behind its bias. */
  readonly rows: readonly Float64Array[];
  /** What a squared error of each row costs. */
  readonly importance: readonly number[];
  readonly units: readonly Unit[];
  /**
   * Set for n:m patterns: `quota[g]` units of each group have to go before any other may; `groups[u]` is the
   * group of a unit.
   */
  readonly quotas?: { readonly groups: Int32Array; readonly left: Int32Array };
}

export interface Trace {
  /** Units in the order of removal; all of them. */
  readonly order: Int32Array;
  /** The cost of each removal after those before it. */
  readonly costs: Float64Array;
  /** How many removals at the beginning the pattern demands. */
  readonly forced: number;
}

export function traceOf(task: TraceTask): Trace {
  const { units, quotas } = task;
  const order = new Int32Array(units.length);
  const costs = new Float64Array(units.length);
  const state = new Elimination(task);
  const left = quotas?.left.slice();
  const forced = left?.reduce((sum, n) => sum + n, 0) ?? 0;
  for (let step = 0; step < units.length; step++) {
    const open = left !== undefined && step < forced ? left : undefined;
    const unit = state.cheapest(
      open === undefined ? undefined : (u) => (open[quotas?.groups[u] ?? 0] ?? 0) > 0,
    );
    order[step] = unit.index;
    costs[step] = unit.cost;
    if (open !== undefined)
      open[quotas?.groups[unit.index] ?? 0] = (open[quotas?.groups[unit.index] ?? 0] ?? 0) - 1;
    state.remove(unit.index);
  }
  return { order, costs, forced };
}

/** The remaining weights, packed: those that are removed leave no gap, so that work shrinks with them. */
class Elimination {
  readonly #stride: number;
  /** Lower triangle. */
  readonly #inverse: Float64Array;
  readonly #rows: readonly Float64Array[];
  readonly #importance: readonly number[];
  readonly #units: readonly Unit[];
  /** Which weight stands at a place, and at which place a weight stands. */
  readonly #weightAt: Int32Array;
  readonly #placeOf: Int32Array;
  readonly #alive: Uint8Array;
  readonly #column: Float64Array;
  #size: number;

  constructor({ inverse, rows, importance, units }: TraceTask) {
    this.#stride = inverse.size;
    this.#size = inverse.size;
    this.#inverse = inverse.data.slice();
    this.#rows = rows.map((row) => row.slice());
    this.#importance = importance;
    this.#units = units;
    this.#weightAt = Int32Array.from({ length: inverse.size }, (_, i) => i);
    this.#placeOf = this.#weightAt.slice();
    this.#alive = new Uint8Array(units.length).fill(1);
    this.#column = new Float64Array(inverse.size);
  }

  cheapest(allowed: ((unit: number) => boolean) | undefined): {
    readonly index: number;
    readonly cost: number;
  } {
    let [index, cost] = [-1, Number.POSITIVE_INFINITY];
    for (let u = 0; u < this.#units.length; u++) {
      if (this.#alive[u] === 0 || (allowed !== undefined && !allowed(u))) continue;
      const found = this.#cost(this.#units[u] as Unit);
      if (found < cost || index < 0) [index, cost] = [u, found];
    }
    return { index, cost };
  }

  #cost(unit: Unit): number {
    if (unit.length !== 1) return this.#blockCost(unit);
    const place = this.#placeOf[unit[0] as number] as number;
    const diagonal = this.#inverse[place * this.#stride + place] as number;
    let squares = 0;
    for (let r = 0; r < this.#rows.length; r++)
      squares += (this.#importance[r] as number) * ((this.#rows[r] as Float64Array)[place] as number) ** 2;
    return squares / diagonal;
  }

  #blockCost(unit: Unit): number {
    const places = unit.map((weight) => this.#placeOf[weight] as number);
    const n = places.length;
    const block = { size: n, data: new Float64Array(n * n) };
    places.forEach((p, i) => {
      for (let j = 0; j <= i; j++) block.data[i * n + j] = this.#at(p, places[j] as number);
    });
    const factor = cholesky(block);
    return this.#rows.reduce((sum, row, r) => {
      const w = Float64Array.from(places, (p) => row[p] as number);
      const solved = solveFactored(factor, w.slice());
      return (
        sum + (this.#importance[r] as number) * w.reduce((dot, x, i) => dot + x * (solved[i] as number), 0)
      );
    }, 0);
  }

  #at(i: number, j: number): number {
    return this.#inverse[i >= j ? i * this.#stride + j : j * this.#stride + i] as number;
  }

  remove(unit: number): void {
    this.#alive[unit] = 0;
    for (const weight of this.#units[unit] as Unit) this.#removeWeight(this.#placeOf[weight] as number);
  }

  #removeWeight(p: number): void {
    const [n, column] = [this.#size, this.#column];
    for (let j = 0; j < n; j++) column[j] = this.#at(p, j);
    const diagonal = column[p] as number;
    for (const row of this.#rows) {
      const factor = (row[p] as number) / diagonal;
      if (factor === 0) continue;
      for (let j = 0; j < n; j++) row[j] = (row[j] as number) - factor * (column[j] as number);
    }
    this.#downdate(1 / diagonal);
    this.#fillGap(p);
  }

  /** inverse -= column columnT * factor */
  #downdate(factor: number): void {
    const [inverse, column] = [this.#inverse, this.#column];
    for (let i = 0; i < this.#size; i++) {
      const f = (column[i] as number) * factor;
      if (f === 0) continue;
      const from = i * this.#stride;
      for (let j = 0; j <= i; j++)
        inverse[from + j] = (inverse[from + j] as number) - f * (column[j] as number);
    }
  }

  /** The last weight takes the place of the one that is gone. */
  #fillGap(p: number): void {
    const [last, stride, inverse] = [this.#size - 1, this.#stride, this.#inverse];
    this.#size = last;
    if (p === last) return;
    const moved = this.#weightAt[last] as number;
    for (const row of this.#rows) row[p] = row[last] as number;
    for (let j = 0; j < p; j++) inverse[p * stride + j] = inverse[last * stride + j] as number;
    for (let i = p + 1; i < last; i++) inverse[i * stride + p] = inverse[last * stride + i] as number;
    inverse[p * stride + p] = inverse[last * stride + last] as number;
    this.#weightAt[p] = moved;
    this.#placeOf[moved] = p;
  }
}
