/** What a format is to the kernels that use it: tables, and the code that walks one row of weights. */
import type { Elem, Expr, Stmt } from '../kernel/kernel.ts';
import type { WeightLayout } from '../kernel/weight-format.ts';

/** What the expansion needs of the sum that it is of. */
export interface RowUse {
  /** Declares the mutable pointer `px`, `offset` elements beyond the row's first input. */
  readonly from: (offset: Expr | number) => Stmt;
  /** Accumulates the weight times the inputs at `px[at]`. */
  readonly use: (weight: Expr, at: number) => readonly Stmt[];
}

export interface Expansion {
  /** Before the first row: pointers to the tables. */
  readonly start: readonly Stmt[];
  /** The next row; moves the pointers to the one after it. */
  readonly row: (use: RowUse) => readonly Stmt[];
}

/** Integer weights in the order of use: rows x segments x pieces x run. */
export interface RowsOfWeights {
  /** Prefix of the tables' names. */
  readonly name: string;
  readonly layout: WeightLayout;
  readonly values: Int8Array | Int16Array | Float32Array;
  readonly elem: Extract<Elem, 'i8' | 'i16' | 'f32'>;
  /** At most 16 values of which every weight is one: weights of bits enough to count them are indices. */
  readonly codebook?: Int8Array;
  /** As in `StoredWeights`. */
  readonly scales?: readonly number[];
  readonly terms?: string;
}
