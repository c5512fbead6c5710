/** Kernels in further forms, for instructions that only some chips have. All forms make the same bytes. */
import type { Kernel, Packing, Quads } from '../ir/kernel/kernel.ts';
import type { InstructionSet } from '../ir/kernel/primitive.ts';
import type { ByteRows } from './byte-rows.ts';
import type { Program } from './program.ts';
import type { WordRows } from './word-rows.ts';

/** A kernel of the same parameters that computes the same with these instructions. */
export interface Variant {
  readonly set: InstructionSet;
  readonly kernel: Kernel;
  /** How its weights stand, where in pairs or fours, words or bytes of its own. */
  readonly packing?: Packing | Quads;
  readonly words?: WordRows;
  readonly bytes?: ByteRows;
}

/** By kernel its variants, the one that is taken first before the others. Kernels without one are absent. */
export type Variants = ReadonlyMap<Kernel, readonly Variant[]>;

/** What a chip with these instructions runs of a kernel. */
export const formOn = (kernel: Kernel, variants: Variants, has: ReadonlySet<InstructionSet>): Kernel =>
  variants.get(kernel)?.find(({ set }) => has.has(set))?.kernel ?? kernel;

/** The program that a chip with these instructions runs: a program like any other, to be simulated and bounded. */
export const programOn = (
  program: Program,
  variants: Variants,
  has: ReadonlySet<InstructionSet>,
): Program => ({
  ...program,
  steps: program.steps.map((step) => ({ ...step, kernel: formOn(step.kernel, variants, has) })),
});

/** The instructions that a program has variants for. */
export const setsOf = (variants: Variants): ReadonlySet<InstructionSet> =>
  new Set([...variants.values()].flat().map(({ set }) => set));
