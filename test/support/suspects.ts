/** One tensor of a program of one layer, for tests of single causes. */
import type { Suspect } from '../../src/diff/causes/cause.ts';
import type { Program } from '../../src/program/program.ts';
import * as ir from './ir.ts';

const programOf = (count: number): Program =>
  ir.single(ir.kernel('k', [ir.param('in', 'in', 'u8', count), ir.param('out', 'out', 'u8', count)], []));

/** @param more the step (0, the layer) or the slot's shape, where they matter. */
export function suspectOf(
  ours: Uint8Array,
  theirs: Uint8Array,
  more: { readonly step?: number; readonly shape?: readonly number[] } = {},
): Suspect {
  const plain = programOf(ours.length);
  const { step = 0, shape = [1, ours.length] } = more;
  const program = { ...plain, slots: plain.slots.map((slot) => ({ ...slot, shape })) };
  return {
    ...{ program, slot: step < 0 ? program.inputs[0]!.slot : program.outputs[0]!.slot, step, ours, theirs },
    stored: true,
    ourReals: Float32Array.from(ours),
    theirReals: Float32Array.from(theirs),
    inference: { input: ours, theirs: { written: () => undefined } },
  };
}
