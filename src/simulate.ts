import type { Outcome, Program } from './program/program.ts';
import { proveProgram } from './prove/prove.ts';
import { createSimulator } from './sim/simulate.ts';

/**
 * One inference under C's rules, with everything checked that is not proven; for many, keep a simulator.
 * @param input bytes of the input slot: `encodeInput` makes them
 * @throws Trap where the program does what C leaves undefined; InputError for an input of another size.
 */
export const simulate = (
  program: Program,
  input: Uint8Array,
  options: { readonly keepArenas?: boolean } = {},
): Outcome => createSimulator(program, { mode: 'checked', facts: proveProgram(program) }).run(input, options);
