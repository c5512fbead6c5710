/** What C spells differently per chip, or in many lines: spelling, meaning, bounds and precondition together. */
import type { Code, Local, ValueType } from '../../wasm/code.ts';
import type { Interval } from './interval.ts';
import { type Expr, packedSets, type Scalar, type Type } from './kernel.ts';

/** Takes a fresh local of a WebAssembly function. */
export type FreshLocal = (type: ValueType) => Local;

/** Products of 64 or of 32 bits and a shift; saturation; rare operations have no separate kind. */
type CallCost = 'bits' | 'signExtend' | 'clamp' | 'divide' | 'requantize64' | 'requantize32' | 'otherCall';

/**
 * Instructions that only some chips have: Helium (Armv8.1-M), and the DSP extension (Armv7E-M, Armv8-M); and those of
 * chips that take packed sums in another form: on Armv6-M a product overwrites an operand, besides.
 */
export const instructionSets = ['mve', 'dsp', ...packedSets] as const;
export type InstructionSet = (typeof instructionSets)[number];

/** What primitives of numbers and of vectors have in common. An interval of a vector holds all of its lanes. */
interface Operation<T extends Type> {
  readonly name: string;
  /** One line: what it computes, exactly. */
  readonly doc: string;
  readonly params: readonly { readonly name: string; readonly type: T }[];
  readonly result: T;
  /**
   * Why these arguments are outside of what the C defines, or undefined if they are inside. Must hold for
   * every combination in the intervals to return undefined.
   */
  readonly violation: (...args: Interval[]) => string | undefined;
  /** Whether the range holds where the precondition is not proved: what lies outside traps. */
  readonly asserts?: true;
  /** An interval that holds every result; unused for f32 results. */
  readonly range: (...args: Interval[]) => Interval;
  /** Which kind of operation the models of speed and size count; where arguments decide, undefined for nothing. */
  readonly cost: CallCost | ((...args: Expr[]) => CallCost | undefined);
}

export interface Primitive extends Operation<Scalar> {
  /** The body of a C99 `static inline` function of that name and those parameters: complete statements. */
  readonly c99: readonly string[];
  /** The body where the compiler has these instructions, for kernels that are compiled only there. */
  readonly instructions?: Readonly<Partial<Record<InstructionSet, readonly string[]>>>;
  /** The meaning. Called only where the precondition holds. */
  readonly js: (...args: number[]) => number;
  /** WebAssembly that leaves the result. The arguments are locals or literals, so they may be repeated. */
  readonly wasm: (fresh: FreshLocal, ...args: Code[]) => Code;
  /** The same of the lanes of four i32, where there is a way. */
  readonly lanes?: Primitive['wasm'];
  /** Of primitives that round n / 2^bits: n and bits, exactly. */
  readonly quotient?: (...args: number[]) => readonly [n: bigint, bits: number];
}

/** An argument or result of a primitive of vectors: an i32, or the lanes of a vector. */
export type VectorValue = number | readonly number[];

/** Computes with vectors: kernels that call it run only where there are the instructions. */
export interface VectorPrimitive extends Operation<Type> {
  /** The body of the C function, with intrinsics of arm_mve.h, where Helium has it. */
  readonly instructions: Readonly<Partial<Record<'mve', readonly string[]>>>;
  /** WebAssembly that leaves the result, where there is a way. The arguments may be repeated. */
  readonly wasm?: Primitive['wasm'];
  /** Of what cuts its result off at the last two arguments: WebAssembly in front of that. */
  readonly uncut?: Primitive['wasm'];
  /** Both with relaxed instructions, which leave the same result whichever of theirs a machine chooses. */
  readonly relaxed?: Pick<VectorPrimitive, 'wasm' | 'uncut'>;
  /** The meaning, lane by lane; undefined where C does not define it. */
  readonly js: (...args: VectorValue[]) => VectorValue | undefined;
}
