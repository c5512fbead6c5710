/**
 * The step that pruning and rounding share: one weight of a row is fixed, the others make up for it.
 *
 * With H the Hessian of the rows' squared error, fixing weight p at t changes the others by
 * -H^-1_:p (w_p - t) / H^-1_pp, costs (w_p - t)^2 / H^-1_pp, and takes p out of the inverse:
 * H^-1 - H^-1_:p H^-1_p: / H^-1_pp (Hassibi and Stork 1993; Frantar and Alistarh 2022, lemma 1).
 */
import { at, DefectError, holds } from '../../base/errors.ts';
import type { Symmetric } from './symmetric.ts';

/**
 * What is left, packed: a fixed weight leaves no gap, so that work shrinks as weights go. The loops count to what is
 * left and read unchecked: the constructor checks the lengths.
 */
export class Elimination {
  readonly #stride: number;
  /** Lower triangle. */
  readonly #inverse: Float64Array;
  readonly #rows: readonly Float64Array[];
  /** Which weight stands at a place, and at which place a weight stands. */
  readonly #weightAt: Int32Array;
  readonly #placeOf: Int32Array;
  readonly #column: Float64Array;
  #size: number;

  /** @param rows that share the inverse; copied. Weight 0 is the bias, which stays. */
  constructor(inverse: Symmetric, rows: readonly Float64Array[]) {
    this.#stride = inverse.size;
    this.#size = inverse.size;
    this.#inverse = inverse.data.slice();
    holds(inverse.data, inverse.size ** 2);
    for (const row of rows) holds(row, inverse.size);
    this.#rows = rows.map((row) => row.slice());
    this.#weightAt = Int32Array.from({ length: inverse.size }, (_, i) => i);
    this.#placeOf = this.#weightAt.slice();
    this.#column = new Float64Array(inverse.size);
  }

  /** Of H^-1 as it is now, for two weights that are left. */
  inverseAt(a: number, b: number): number {
    return this.#at(this.#place(a), this.#place(b));
  }

  /** The value that a weight has now. */
  value(row: number, weight: number): number {
    return at(at(this.#rows, row), this.#place(weight));
  }

  /** @throws DefectError for a weight that is fixed already: another one may have taken its place */
  #place(weight: number): number {
    const place = at(this.#placeOf, weight);
    if (place < 0) throw new DefectError(`weight ${weight} is fixed already`);
    return place;
  }

  #at(i: number, j: number): number {
    return this.#inverse[i >= j ? i * this.#stride + j : j * this.#stride + i] as number;
  }

  /** Fixes a weight at `target` in every row. */
  fix(weight: number, target = 0): void {
    const p = this.#place(weight);
    const [n, column] = [this.#size, this.#column];
    for (let j = 0; j < n; j++) column[j] = this.#at(p, j);
    const diagonal = column[p] as number;
    for (const row of this.#rows) {
      const factor = ((row[p] as number) - target) / diagonal;
      if (factor === 0) continue;
      for (let j = 0; j < n; j++) row[j] = (row[j] as number) - factor * (column[j] as number);
    }
    this.#downdate(1 / diagonal);
    this.#placeOf[weight] = -1;
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
    const moved = at(this.#weightAt, last);
    for (const row of this.#rows) row[p] = row[last] as number;
    for (let j = 0; j < p; j++) inverse[p * stride + j] = inverse[last * stride + j] as number;
    for (let i = p + 1; i < last; i++) inverse[i * stride + p] = inverse[last * stride + i] as number;
    inverse[p * stride + p] = inverse[last * stride + last] as number;
    this.#weightAt[p] = moved;
    this.#placeOf[moved] = p;
  }
}
