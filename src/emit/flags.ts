/** Compiler flags besides the language's, for build files and for our own builds. */
import type { Program } from '../program/program.ts';
import { hasFloats } from '../program/slots.ts';

/**
 * Of gcc, for int8: measured with gcc 12 -O3 on a 5x5 network of 6.6 M MAC, its scheduler and predictive commoning
 * load a whole unrolled step before the first product, and spill; without, Cortex-M4 executes 20 % fewer
 * instructions, RV32IMC 53 % fewer. Float kernels have registers enough and gain from both.
 */
export const integerFlags: readonly string[] = ['-fno-schedule-insns', '-fno-predictive-commoning'];

/** Where floats are computed: a fused multiply-add rounds once where the C says twice. */
export const contractionFlags: readonly string[] = ['-ffp-contract=off'];

export const gccFlags = (program: Pick<Program, 'arith' | 'slots'>): readonly string[] => [
  ...(program.arith === 'int8' ? integerFlags : []),
  ...(hasFloats(program) ? contractionFlags : []),
];
