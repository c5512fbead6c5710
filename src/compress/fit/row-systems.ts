/** Weighted least-squares systems of a layer's rows, each over the weights that the row has kept. */
import { at, holds } from '../../base/errors.ts';
import type { MacLayer } from './layers.ts';
import { addOuter, restricted, type Symmetric, zeros } from './symmetric.ts';

/** Minimizing sum s (wT x - y)^2: hessian = sum s x xT and right = sum s y x, over the row's kept columns. */
export interface RowSystem {
  /** Columns of the layer: 0 is the bias, c the weight of term c - 1. */
  readonly kept: Int32Array;
  readonly hessian: Symmetric;
  readonly right: Float64Array;
}

export interface RowSystems {
  /** One column of inputs of a group; weights and targets of all rows of the layer, from `from` on. */
  add(group: number, column: Float64Array, weights: Float32Array, targets: Float32Array, from: number): void;
  system(row: number): RowSystem;
}

/** The bias and the weights of each row that are not zero. */
export const keptOf = ({ rows, terms, weights }: MacLayer): readonly Int32Array[] =>
  Array.from({ length: rows }, (_, row) => {
    const kept = [0];
    for (let t = 0; t < terms; t++) if (weights[row * terms + t] !== 0) kept.push(t + 1);
    return Int32Array.from(kept);
  });

/** Beyond this many elements of Hessians a layer is left as it is: 256 MiB. */
const mostElements = 2 ** 25;

/**
 * Rows of their own weights where those Hessians together are no larger than four of the whole layer's, as they
 * are after pruning; else one Hessian per group with the rows' mean weights. Undefined: too large for either.
 */
export function rowSystems(layer: MacLayer): RowSystems | undefined {
  const kept = keptOf(layer);
  const own = kept.reduce((sum, { length }) => sum + length * length, 0);
  const shared = layer.groups * (layer.terms + 1) ** 2;
  if (Math.min(own, shared) > mostElements) return undefined;
  return own <= 4 * shared ? new OwnSystems(layer, kept) : new SharedSystems(layer, kept);
}

class OwnSystems implements RowSystems {
  readonly #systems: readonly (RowSystem & { readonly x: Float64Array })[];
  readonly #perGroup: number;
  readonly #columns: number;

  constructor({ rows, groups, terms }: MacLayer, kept: readonly Int32Array[]) {
    this.#perGroup = rows / groups;
    this.#columns = terms + 1;
    this.#systems = kept.map((columns) => ({
      kept: columns,
      hessian: zeros(columns.length),
      right: new Float64Array(columns.length),
      x: new Float64Array(columns.length),
    }));
  }

  add(group: number, column: Float64Array, weights: Float32Array, targets: Float32Array, from: number): void {
    // The columns that a row keeps are read unchecked below: they are of the layer's terms and the bias.
    holds(column, this.#columns);
    for (let row = group * this.#perGroup; row < (group + 1) * this.#perGroup; row++) {
      const weight = at(weights, from + row);
      if (weight <= 0) continue;
      const { kept, hessian, right, x } = at(this.#systems, row);
      for (let i = 0; i < x.length; i++) x[i] = column[kept[i] as number] as number;
      addOuter(hessian, x, weight);
      addScaled(right, x, weight * at(targets, from + row));
    }
  }

  system(row: number): RowSystem {
    return at(this.#systems, row);
  }
}

class SharedSystems implements RowSystems {
  readonly #kept: readonly Int32Array[];
  readonly #hessians: readonly Symmetric[];
  readonly #rights: readonly Float64Array[];
  readonly #perGroup: number;
  #last: (Pick<RowSystem, 'kept' | 'hessian'> & { readonly whole: Symmetric }) | undefined;

  constructor({ rows, groups, terms }: MacLayer, kept: readonly Int32Array[]) {
    this.#kept = kept;
    this.#perGroup = rows / groups;
    this.#hessians = Array.from({ length: groups }, () => zeros(terms + 1));
    this.#rights = kept.map(() => new Float64Array(terms + 1));
  }

  add(group: number, column: Float64Array, weights: Float32Array, targets: Float32Array, from: number): void {
    const [first, end] = [group * this.#perGroup, (group + 1) * this.#perGroup];
    let weight = 0;
    for (let row = first; row < end; row++) weight += at(weights, from + row) / this.#perGroup;
    if (weight <= 0) return;
    addOuter(at(this.#hessians, group), column, weight);
    for (let row = first; row < end; row++)
      addScaled(at(this.#rights, row), column, weight * at(targets, from + row));
  }

  system(row: number): RowSystem {
    const kept = at(this.#kept, row);
    const right = at(this.#rights, row);
    const whole = at(this.#hessians, Math.floor(row / this.#perGroup));
    return {
      kept,
      hessian: this.#restricted(whole, kept),
      right: Float64Array.from(kept, (c) => at(right, c)),
    };
  }

  /** Rows that keep the same share one object: what is made of it can be made once. */
  #restricted(whole: Symmetric, kept: Int32Array): Symmetric {
    if (kept.length === whole.size) return whole;
    if (kept.length === 1) return restricted(whole, kept);
    const last = this.#last;
    if (last?.whole === whole && sameColumns(last.kept, kept)) return last.hessian;
    this.#last = { whole, kept, hessian: restricted(whole, kept) };
    return this.#last.hessian;
  }
}

const sameColumns = (a: Int32Array, b: Int32Array): boolean =>
  a.length === b.length && a.every((column, i) => column === b[i]);

function addScaled(sum: Float64Array, x: Float64Array, factor: number): void {
  holds(x, sum.length);
  for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] as number) + factor * (x[i] as number);
}
