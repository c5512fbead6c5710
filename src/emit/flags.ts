/** Compiler flags besides the language's, for build files and for our own builds. */
import type { Program } from '../program/program.ts';
import { hasFloats } from '../program/slots.ts';

/** Where floats are computed: a fused multiply-add rounds once where the C says twice. */
export const contractionFlags: readonly string[] = ['-ffp-contract=off'];

export const gccFlags = (program: Pick<Program, 'arith' | 'slots'>): readonly string[] =>
  hasFloats(program) ? contractionFlags : [];
