import type { Program, Slot } from '../../program/program.ts';
import { slotBytes } from '../../program/slots.ts';
import type { TraceRun, TraceTensor } from '../../trace/trace.ts';
import type { Diagnosis, TracedRun } from './cause.ts';

/** A tensor that was something else when it was written. */
interface Changed {
  readonly slot: Slot;
  /** The step that read it; the number of steps for the caller. */
  readonly reader: number;
  /** Arena bytes from the first to one past the last that changed; the whole slot where only checksums are known. */
  readonly from: number;
  readonly to: number;
  readonly known: boolean;
}

const writtenOf = (run: TraceRun, slot: number): TraceTensor | undefined =>
  run.layers.flatMap(({ outputs }) => outputs).find((tensor) => tensor.slot === slot);

function span(slot: Slot, before: Uint8Array | undefined, after: Uint8Array | undefined) {
  const all = before === undefined || after === undefined ? [] : indices(before, after);
  const [first, last] = [all[0], all.at(-1)];
  if (first === undefined || last === undefined)
    return { from: slot.address, to: slot.address + slotBytes(slot), known: false };
  return { from: slot.address + first, to: slot.address + last + 1, known: true };
}

const indices = (a: Uint8Array, b: Uint8Array): number[] => {
  const found: number[] = [];
  a.forEach((byte, i) => {
    if (byte !== b[i]) found.push(i);
  });
  return found;
};

function firstChanged(program: Program, run: TraceRun): Changed | undefined {
  for (const { step, inputs } of run.layers)
    for (const input of inputs) {
      const slot = program.slots[input.slot];
      if (input.changed !== true || slot === undefined) continue;
      return { slot, reader: step, ...span(slot, writtenOf(run, input.slot)?.bytes, input.bytes) };
    }
  return undefined;
}

const stepName = (program: Program, step: number): string => {
  if (step < 0) return 'the caller';
  return program.steps[step]?.kernel.name ?? 'the caller';
};

/** The step in between whose own buffer touches what was overwritten, if there is one. */
function neighbour(program: Program, { slot, reader, from, to }: Changed): string | undefined {
  for (let step = slot.firstStep + 1; step < Math.min(reader, program.steps.length); step++) {
    const { kernel, args } = program.steps[step] ?? { kernel: { name: '', params: [] }, args: [] };
    for (const [i, index] of args.entries()) {
      const other = program.slots[index];
      if (other === undefined || kernel.params[i]?.role === 'in') continue;
      const end = other.address + slotBytes(other);
      if (end <= from && from - end < 16)
        return `${kernel.name}, whose ${other.name} ends right before, at byte ${end - 1}`;
      if (other.address >= to && other.address - to < 16)
        return `${kernel.name}, whose ${other.name} begins right after, at byte ${other.address}`;
    }
  }
  return undefined;
}

/** Less than this between the arena's end and the stack pointer of the caller: the run's own frames reach it. */
const frames = 512;

/** The stack pointer stood in the arena, or so close above it that the run's own frames do not fit. */
function stackAbove(program: Program, { arena, stack }: TraceRun): string | undefined {
  if (arena === undefined || stack === undefined || arena === 0) return undefined;
  const room = stack - (arena + program.arenaBytes);
  if (stack < arena || room > frames) return undefined;
  const where = room < 0 ? `${-room} bytes below the arena's end` : `${room} bytes above the arena's end`;
  return `the stack pointer was 0x${stack.toString(16)} when the run began, ${where}`;
}

/** A tensor was written between the step that made it and the one that reads it. */
export function overwritten({ program, run }: TracedRun): Diagnosis | undefined {
  const changed = firstChanged(program, run);
  if (changed === undefined) return undefined;
  const { slot, reader, from, to, known } = changed;
  const bytes = known ? `arena bytes ${from} to ${to - 1}` : 'some bytes';
  const what = `${bytes} of ${slot.name} changed between ${stepName(program, slot.firstStep)}, which wrote it, and ${stepName(program, reader)}, which reads it`;
  const stack = stackAbove(program, run);
  if (stack !== undefined)
    return { cause: 'stack ran into the arena', text: `${what}; ${stack}: give the stack more room` };
  const who = neighbour(program, changed);
  return {
    cause: 'buffer overwritten',
    text:
      who === undefined
        ? `${what}: no kernel ran that writes near it; check interrupts, DMA and other code that uses this memory`
        : `${what}: probably by ${who}`,
  };
}
