/**
 * Kernel IR: the tiny closed language that every operator's code is written in, once. `src/emit` prints it as
 * C99, `src/sim` runs it under C's rules, `src/prove` bounds it for all inputs.
 *
 * Values are `i32` (C's int32_t; overflow is undefined, so it traps), `f32` (IEEE binary32, each operation
 * rounded separately), or vectors of 16 bytes. Memory is arrays of `Elem`. Everything is plain data.
 */

import type { BinaryOp, CompareOp } from './operations.ts';
import type { WeightFormat, WeightLayout } from './weight-format.ts';

/** Element types of memory. Loads of the narrow ones promote to i32; stores must not lose bits. */
export type Elem = 'u8' | 'i8' | 'u16' | 'i16' | 'i32' | 'f32';
export type Scalar = 'i32' | 'f32';
/** 16 bytes in equal lanes, each a number. Lane 0 comes from the lowest address. Only primitives compute with them. */
export type Vector = 'u8x16' | 'i16x8' | 'i32x4';
export type Type = Scalar | Vector;

export const lanesOf: Readonly<Record<Vector, number>> = { u8x16: 16, i16x8: 8, i32x4: 4 };

export const elemBytes: Readonly<Record<Elem, number>> = { u8: 1, i8: 1, u16: 2, i16: 2, i32: 4, f32: 4 };
/** The arrays that hold elements of a type, and nothing else. */
export const elemArrays = {
  u8: Uint8Array,
  i8: Int8Array,
  u16: Uint16Array,
  i16: Int16Array,
  i32: Int32Array,
  f32: Float32Array,
} as const satisfies Record<Elem, unknown>;
export const scalarOf = (elem: Elem): Scalar => (elem === 'f32' ? 'f32' : 'i32');

export type Expr =
  | { readonly kind: 'int'; readonly value: number }
  /** The value is already a binary32 number. */
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'local'; readonly name: string; readonly type: Type }
  | {
      readonly kind: 'binary';
      readonly op: BinaryOp;
      readonly type: Scalar;
      readonly a: Expr;
      readonly b: Expr;
    }
  /** 1 or 0 as an i32; `type` is the operands'. */
  | {
      readonly kind: 'compare';
      readonly op: CompareOp;
      readonly type: Scalar;
      readonly a: Expr;
      readonly b: Expr;
    }
  /** Both arms are free of traps whichever is taken, or only the taken one is evaluated: C's `?:`. */
  | {
      readonly kind: 'select';
      readonly type: Scalar;
      readonly test: Expr;
      readonly yes: Expr;
      readonly no: Expr;
    }
  /** `from[index]`; `from` names a parameter, a table or a pointer. `elem` is that array's. */
  | { readonly kind: 'load'; readonly from: string; readonly elem: Elem; readonly index: Expr }
  /**
   * The `count` elements of `from` from `index` on in the first lanes, 0 in the others. An element fits a lane of
   * `type`. No other element is read. With `offsets`, a vector of the same lanes, each lane's element lies its offset
   * beyond `index`.
   */
  | {
      readonly kind: 'loadVector';
      readonly type: Vector;
      readonly from: string;
      readonly elem: Elem;
      readonly index: Expr;
      readonly count: Expr;
      readonly offsets?: Expr;
    }
  /** i32 to f32, rounded to nearest even. */
  | { readonly kind: 'toFloat'; readonly value: Expr }
  /** f32 to i32, truncated; traps outside of i32. */
  | { readonly kind: 'toInt'; readonly value: Expr }
  | {
      readonly kind: 'call';
      readonly primitive: string;
      readonly type: Type;
      readonly args: readonly Expr[];
    };

export type Stmt =
  /** Declares a local. Names are unique in a kernel, and C identifiers. */
  | {
      readonly kind: 'let';
      readonly name: string;
      readonly type: Type;
      readonly value: Expr;
      readonly mutable: boolean;
    }
  | { readonly kind: 'assign'; readonly name: string; readonly type: Type; readonly value: Expr }
  /** `name += value`: a separate statement because it is easier to read, and gives better bounds. */
  | { readonly kind: 'accumulate'; readonly name: string; readonly type: Scalar; readonly value: Expr }
  /**
   * Declares a pointer into the array that `base` (parameter, table or pointer) points into, `offset` elements
   * on. As in C it may stand anywhere from the first element to one past the last.
   */
  | {
      readonly kind: 'pointer';
      readonly name: string;
      readonly base: string;
      readonly elem: Elem;
      readonly offset: Expr;
      readonly mutable: boolean;
    }
  /** `name += by` elements; `name` is a mutable pointer. */
  | { readonly kind: 'advance'; readonly name: string; readonly by: Expr }
  | {
      readonly kind: 'store';
      readonly to: string;
      readonly elem: Elem;
      readonly index: Expr;
      readonly value: Expr;
    }
  /** The first `count` lanes to the elements of `to` from `index` on; none may lose bits. */
  | {
      readonly kind: 'storeVector';
      readonly type: Vector;
      readonly to: string;
      readonly elem: Elem;
      readonly index: Expr;
      readonly value: Expr;
      readonly count: Expr;
    }
  /** `for (v = from; v < to; v += step)`; step > 0; the body cannot assign `v`. */
  | {
      readonly kind: 'for';
      readonly name: string;
      readonly from: Expr;
      readonly to: Expr;
      readonly step: number;
      /** C asks its compiler not to write passes out. */
      readonly rolled?: true;
      readonly body: readonly Stmt[];
    }
  | { readonly kind: 'if'; readonly test: Expr; readonly yes: readonly Stmt[]; readonly no: readonly Stmt[] }
  /** memcpy of `count` elements; the ranges must not overlap. */
  | {
      readonly kind: 'copy';
      readonly elem: Elem;
      readonly to: string;
      readonly toIndex: Expr;
      readonly from: string;
      readonly fromIndex: Expr;
      readonly count: Expr;
    }
  /** memset of `count` u8 or i8 elements to the byte `value`. */
  | {
      readonly kind: 'fill';
      readonly elem: 'u8' | 'i8';
      readonly to: string;
      readonly index: Expr;
      readonly value: Expr;
      readonly count: Expr;
    }
  | { readonly kind: 'comment'; readonly text: string }
  | StartRows
  | RowSum;

/** How rows of weights stand in tables: enough to walk them. */
export interface StoredRows {
  readonly format: WeightFormat;
  readonly layout: WeightLayout;
  /** Of the weights. */
  readonly elem: 'i8' | 'i16' | 'f32';
  /** Names of tables: the weights; how many units each segment has, or its masks; the values of codes. */
  readonly stream: string;
  readonly counts?: string;
  /** Of the numbers in `counts`. */
  readonly countElem?: 'u8' | 'u16';
  readonly codebook?: string;
  /**
   * How the expansion goes along a row: in loops over its segments, pieces and runs, all of it in one straight line
   * of code, or `layout.lanes` rows at a time, whose weights are stored in turns.
   */
  readonly walk: 'runs' | 'straight' | 'turns';
}

/** Stands in front of the first row: the walk over the tables begins. `body` declares its pointers. */
export interface StartRows {
  readonly kind: 'startRows';
  readonly stored: StoredRows;
  readonly body: readonly Stmt[];
}

/** From the first to before the last. */
export interface Span<T> {
  readonly from: T;
  readonly to: T;
}

/** An accumulator that gains the row that many rows on, over inputs that many elements on. */
export interface RowTerm {
  readonly local: string;
  readonly row: number;
  readonly offset: number;
  /** Of each segment only these pieces; absent: all. */
  readonly pieces?: Span<number>;
}

/**
 * Adds rows of stored weights times inputs. Each sum's local gains, over all terms t of the layout that it takes,
 * weight[row + sum.row][t] * from[first + skip + sum.offset + (where t lies)]. No other inputs are read. Rows are taken in their order, each
 * once after `startRows`. `body` is the expansion into plain loops, which `src/ir/formats` makes; whoever does not
 * care takes it for the statement (`inlined`). A lowering puts other statements in its place.
 */
export interface RowSum {
  readonly kind: 'rowSum';
  readonly stored: StoredRows;
  readonly row: Expr;
  /** A parameter. */
  readonly from: string;
  readonly elem: Elem;
  /** An index into it, the same for all rows of a place; and what a row's own inputs lie beyond it. */
  readonly first: Expr;
  readonly skip: Expr;
  /** Only these segments of the layout; absent: all. */
  readonly segments?: Span<Expr>;
  /** Of the accumulators. */
  readonly type: Scalar;
  readonly sums: readonly RowTerm[];
  /** Keeps the names of the expansion's locals apart from those of another sum. */
  readonly suffix: string;
  readonly body: readonly Stmt[];
}

/** Statements without those that stand for their expansion. */
export type PlainStmt = Exclude<Stmt, StartRows | RowSum>;

/** Expressions and statements of some kinds. */
export type ExprOf<K extends Expr['kind']> = Expr & { readonly kind: K };
export type StmtOf<K extends PlainStmt['kind']> = PlainStmt & { readonly kind: K };

/** An array of the arena that the kernel is called with. `scratch` holds nothing before and nothing after. */
export interface Param {
  readonly name: string;
  readonly role: 'in' | 'out' | 'scratch';
  readonly elem: Elem;
  /** In elements. */
  readonly length: number;
}

/** A constant array: weights, biases, multipliers. */
export interface Table {
  readonly name: string;
  readonly elem: Elem;
  readonly data:
    | readonly number[]
    | Int8Array
    | Uint8Array
    | Int16Array
    | Uint16Array
    | Int32Array
    | Float32Array;
  /** Elements per line when printed, and per row in the report. */
  readonly rowLength?: number;
  /** What the comment above it says; absent: its name does. */
  readonly says?: string;
}

/** How a kernel's tables hold the integer weights: enough to read them back without knowing the kernel. */
export interface StoredWeights extends StoredRows {
  /** The real value of a weight's step, by row; absent where one row has several. */
  readonly scales?: readonly number[];
  /** In words: the order of a row's terms. */
  readonly terms?: string;
  /** Absent: C multiplies one weight at a time, but for instructions of the chip. */
  readonly packing?: Packing | Quads;
  /** The same on some chips, where that differs. */
  readonly packings?: Readonly<Partial<Record<PackedSet, Packing | Quads | 'none'>>>;
}

/** Chips whose registers suit packings of their own: Armv6-M computes in eight, RV32 in 31. */
export const packedSets = ['v6m', 'rv32'] as const;
export type PackedSet = (typeof packedSets)[number];

/**
 * How C multiplies two outputs' weights at once (src/lower/packed.ts): which sums a pass of its loops makes, and
 * after how many terms they are taken apart.
 */
export interface Packing {
  /** Neighbouring outputs. */
  readonly pixels: number;
  /** Pairs of rows of weights. */
  readonly pairs: number;
  readonly terms: number;
  /** Of all tables that C then has in place of the kernel's. */
  readonly tableBytes: number;
}

/**
 * Whether the first of two outputs begins with 65536 times what the next begins with, which saves a subtraction a pair and
 * place. Where places are made one by one it does not pay: gcc 12 -O3 for Cortex-M0 then lacks registers, and DS-CNN
 * executes 6 % more.
 */
export const beginsTogether = ({ pixels }: Pick<Packing, 'pixels'>): boolean => pixels > 1;

/** How C multiplies four outputs' weights with three products (src/lower/quads.ts). */
export interface Quads {
  /** Words of a pass, of four rows each; and inputs at most of a pass of the loop over them. */
  readonly words: number;
  readonly terms: number;
  /** Rows of the last pass at least. Only what it stores may lie where inputs did. */
  readonly last: number;
  /** What the third product of a word takes: its second and fourth byte, or its bytes reversed. */
  readonly third: 'odd' | 'reversed';
  /** Of all tables that C then has in place of the kernel's. */
  readonly tableBytes: number;
}

/** One function of the C, as a tree that is printed, simulated and proven alike. */
export interface Kernel {
  /** A C identifier, unique in its program; table names are unique in the program too. */
  readonly name: string;
  /** Lines of the comment above the C function: what is computed, shapes, MACs. */
  readonly doc: readonly string[];
  readonly params: readonly Param[];
  readonly tables: readonly Table[];
  readonly body: readonly Stmt[];
  /** Multiply-accumulates of one call, as the field counts them (dense, without padding skipped). */
  readonly macs: number;
  /** Of kernels that multiply by constant integers. */
  readonly weights?: StoredWeights;
}
