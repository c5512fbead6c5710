/** What holds of a program for every input. */
import type { Kernel } from './ir/kernel/kernel.ts';
import { type KernelFacts, prove } from './passes/prove.ts';
import type { Program } from './program/program.ts';

export type Facts = ReadonlyMap<Kernel, KernelFacts>;

/** Interval analysis of every kernel of a program. */
export const proveProgram = (program: Program): Facts =>
  new Map(program.steps.map(({ kernel }) => [kernel, prove(kernel)]));
