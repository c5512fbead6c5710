/** One inference, written down: the arena and its owners at every moment, and each tensor when it was whole. */

import { must } from '../base/errors.ts';
import type { Outcome, Program, Slot } from '../program/program.ts';
import { argsOf, slotAt, slotBytes } from '../program/slots.ts';
import { inputBytes, type Sample } from '../program/values.ts';
import { createSimulator } from '../sim/simulate.ts';

/** Moment 0: the input is there. Moment k: step k - 1 has run. */
export interface Moment {
  readonly bytes: Uint8Array;
  /** For each byte the slot index plus one that wrote it last; 0: none. */
  readonly owners: Uint16Array;
}

export interface Recording {
  readonly moments: readonly Moment[];
  /** By slot: its bytes right after the step that wrote it. Scratch is left out. */
  readonly tensors: ReadonlyMap<number, Uint8Array>;
  readonly output: Outcome['output'];
}

export const bytesOf = (arena: Uint8Array, slot: Slot): Uint8Array =>
  arena.slice(slot.address, slot.address + slotBytes(slot));

/** Slots that hold a tensor which the step has just made; at -1 the program's inputs. */
function madeBy(program: Program, step: number): readonly number[] {
  if (step < 0) return program.inputs.map(({ slot }) => slot);
  return argsOf(must(program.steps[step], 'a step of the program'), 'out');
}

/**
 * Compiles the program once, for many inferences under C's rules.
 * @throws Trap from the function that it returns, when a rule is broken
 */
export function createRecorder(program: Program): (sample: Sample) => Recording {
  const simulator = createSimulator(program, { mode: 'checked' });
  return (sample) => {
    const moments: Moment[] = [];
    const tensors = new Map<number, Uint8Array>();
    const { output } = simulator.run(inputBytes(program, sample), {
      onStep(step, { bytes, owners }) {
        const moment = { bytes: bytes.slice(), owners: owners.slice(0, bytes.length) };
        moments.push(moment);
        for (const index of madeBy(program, step))
          tensors.set(index, bytesOf(moment.bytes, slotAt(program, index)));
      },
    });
    return { moments, tensors, output };
  };
}
