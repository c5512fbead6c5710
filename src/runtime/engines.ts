/** Who runs a program: WebAssembly, JavaScript, or JavaScript with all of C's rules. */
import { withVectors } from '../lower/simd.ts';
import type { Outcome, Program } from '../program/program.ts';
import { proveProgram } from '../prove/prove.ts';
import { createSimulator } from '../sim/simulate.ts';
import { bestInstructions, createEngine, type Instructions } from '../sim/wasm/engine.ts';

/**
 * `wasm-relaxed`, `wasm-simd`, `wasm`: WebAssembly made of the Kernel IR, with vectors and relaxed instructions for
 * them, with vectors, and without. `js`: JavaScript made of it.
 * `checked`: JavaScript in which everything that C leaves undefined traps. All leave the same bytes in every tensor;
 * scratch may hold others.
 */
export type EngineName = Instructions | 'js' | 'checked';

export interface Chosen {
  readonly engine: EngineName;
  readonly note?: string;
}

/** What this machine runs fastest, and why it is slower than elsewhere, where it is. */
export function fastest(): Chosen {
  const engine = bestInstructions();
  if (engine === 'wasm-relaxed' || engine === 'wasm-simd') return { engine };
  if (engine === 'wasm')
    return {
      engine,
      note: 'this machine has no WebAssembly SIMD: inference takes about ten times as long',
    };
  return {
    engine: 'js',
    note: 'this machine has no WebAssembly: inference takes about thirty times as long',
  };
}

/** The bytes of the input slot in; see `Simulator.run`. */
export type RunProgram = (input: Uint8Array, options?: { readonly keepArenas?: boolean }) => Outcome;

/**
 * A function that runs the program, many times; it reuses its memory.
 * @throws DefectError for a program that breaks the rules of Kernel IR; Trap for one whose tensors do not fit the arena.
 *   The function: InputError for an input of another size; of engine `checked` Trap too
 */
export function inference(program: Program, engine: EngineName = fastest().engine): RunProgram {
  if (engine === 'wasm-relaxed' || engine === 'wasm-simd') {
    const options = { relaxed: engine === 'wasm-relaxed', kept: program.arenaBytes };
    return createEngine(withVectors(program), options).run;
  }
  if (engine === 'wasm') return createEngine(program).run;
  return createSimulator(program, { mode: engine === 'js' ? 'fast' : 'checked' }).run;
}

/**
 * Simulates one inference under C's rules, with a check of everything that is not proven. For many inferences, keep a simulator.
 * @param input bytes of the input slot: `encodeInput` makes them
 * @throws Trap where the program does what C leaves undefined; InputError for an input of another size.
 */
export const simulate = (
  program: Program,
  input: Uint8Array,
  options: { readonly keepArenas?: boolean } = {},
): Outcome => createSimulator(program, { mode: 'checked', facts: proveProgram(program) }).run(input, options);
