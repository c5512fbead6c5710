/** Devices that compute something else in some layers, and what they print. */
import type { Outcome, Program } from '../../src/program/program.ts';
import { sharedBytes, slotBytes } from '../../src/program/slots.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { createTrace } from '../../src/trace/write.ts';

export const outputOf = (program: Program, step: number): number => {
  const { kernel, args } = program.steps[step]!;
  return args[kernel.params.findIndex(({ role }) => role === 'out')]!;
};

/** What each slot holds in a run in which `falsify` changes what steps write; all after them run on that. */
export function slotsOfRun(
  program: Program,
  input: Uint8Array,
  falsify: (step: number, bytes: Uint8Array) => Uint8Array,
): ReadonlyMap<number, Uint8Array> {
  const simulator = createSimulator(program, { mode: 'fast' });
  const held = new Map([[program.inputs[0]!.slot, input]]);
  addViews(program, held);
  program.steps.forEach(({ kernel, args }, step) => {
    const inputs = args.map((slot, i) => (kernel.params[i]!.role === 'in' ? held.get(slot)! : undefined));
    const slot = outputOf(program, step);
    held.set(slot, falsify(step, simulator.runStep(step, inputs)[args.indexOf(slot)]!));
    addViews(program, held);
  });
  return held;
}

/** Slots that are parts of others, or made of them, as soon as these are there. */
function addViews(program: Program, held: Map<number, Uint8Array>): void {
  program.slots.forEach((slot, index) => {
    const sources = sharedBytes(program, index);
    if (held.has(index) || sources.length === 0 || !sources.every((part) => held.has(part.slot))) return;
    const bytes = new Uint8Array(slotBytes(slot));
    for (const { slot: from, there, here, bytes: count } of sources)
      bytes.set(held.get(from)!.subarray(there, there + count), here);
    held.set(index, bytes);
  });
}

/** The arena after each step: what is alive then, at its address. */
function arenasOf(program: Program, held: ReadonlyMap<number, Uint8Array>): readonly Uint8Array[] {
  return program.steps.map((_, step) => {
    const arena = new Uint8Array(program.arenaBytes);
    for (const [slot, bytes] of held) {
      const { address, firstStep, lastStep } = program.slots[slot]!;
      if (firstStep === step || (firstStep < step && lastStep > step)) arena.set(bytes, address);
    }
    return arena;
  });
}

export function traceOfSlots(
  program: Program,
  held: ReadonlyMap<number, Uint8Array>,
  options: { readonly level: 1 | 2; readonly build?: string },
): string {
  const output = held
    .get(program.outputs[0]!.slot)!
    .slice(0, slotBytes(program.slots[program.outputs[0]!.slot]!));
  const outcome: Outcome = { output, arenas: arenasOf(program, held) };
  return createTrace(program, { input: held.get(program.inputs[0]!.slot)!, outcome }, options);
}

/** Another byte at a place that the seed gives, and nothing else. */
export function oneByteOff(bytes: Uint8Array, seed: number): Uint8Array {
  const changed = bytes.slice();
  const at = seed % bytes.length;
  changed[at] = changed[at]! ^ (1 + (seed % 255));
  return changed;
}
