/** What C spells differently per chip, or in many lines: spelling, meaning, bounds and precondition together. */
import type { Code, Local, ValueType } from '../../wasm/code.ts';
import type { Interval } from './interval.ts';
import type { Expr, Scalar } from './kernel.ts';

/** Takes a fresh local of a WebAssembly function. */
export type FreshLocal = (type: ValueType) => Local;

/** Products of 64 or of 32 bits and a shift; saturation; rare operations have no separate kind. */
type CallCost = 'signExtend' | 'clamp' | 'divide' | 'requantize64' | 'requantize32' | 'otherCall';

/** Instructions that only some chips have: Helium (Armv8.1-M), and the DSP extension (Armv7E-M, Armv8-M). */
export const instructionSets = ['mve', 'dsp'] as const;
export type InstructionSet = (typeof instructionSets)[number];

export interface Primitive {
  readonly name: string;
  /** One line: what it computes, exactly. */
  readonly doc: string;
  readonly params: readonly { readonly name: string; readonly type: Scalar }[];
  readonly result: Scalar;
  /** The body of a C99 `static inline` function of that name and those parameters: complete statements. */
  readonly c99: readonly string[];
  /** The body where the compiler has these instructions, for kernels that are compiled only there. */
  readonly instructions?: Readonly<Partial<Record<InstructionSet, readonly string[]>>>;
  /** The meaning. Called only where the precondition holds. */
  readonly js: (...args: number[]) => number;
  /** WebAssembly that leaves the result. The arguments are locals or literals, so they may be repeated. */
  readonly wasm: (fresh: FreshLocal, ...args: Code[]) => Code;
  /** The same of four i32 at a time, where there is a way. */
  readonly lanes?: (fresh: FreshLocal, ...args: Code[]) => Code;
  /**
   * Why these arguments are outside of what the C defines, or undefined if they are inside. Must hold for
   * every combination in the intervals to return undefined.
   */
  readonly violation: (...args: Interval[]) => string | undefined;
  /** An interval that holds every result; unused for f32 results. */
  readonly range: (...args: Interval[]) => Interval;
  /** Which kind of operation the models of speed and size count; where arguments decide, undefined for nothing. */
  readonly cost: CallCost | ((...args: Expr[]) => CallCost | undefined);
  /** Of primitives that round n / 2^bits: n and bits, exactly. */
  readonly quotient?: (...args: number[]) => readonly [n: bigint, bits: number];
}
