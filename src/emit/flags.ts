/** What compilers are told beyond the language, by build files and by our own builds. */
import type { Program } from '../program/program.ts';

/**
 * Flags of gcc. Int8: measured with gcc 12 -O3 on a 5x5 network of 6.6 M MAC, its scheduler and predictive commoning
 * load a whole unrolled step before the first product, and spill; without, Cortex-M4 executes 20 % fewer
 * instructions, RV32IMC 53 % fewer. Float kernels have registers enough and gain from both, but must not be
 * contracted: a fused multiply-add rounds once where the C says twice.
 */
export const gccFlags = ({ arith }: Pick<Program, 'arith'>): readonly string[] =>
  arith === 'float32' ? ['-ffp-contract=off'] : ['-fno-schedule-insns', '-fno-predictive-commoning'];
