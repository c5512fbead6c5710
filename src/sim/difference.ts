/** Where two runs of one program first differ, said in the network's own coordinates. */

import { at, must } from '../base/errors.ts';
import { elemBytes } from '../ir/kernel/kernel.ts';
import { stridesOf } from '../ir/tensor.ts';
import type { Outcome, Program, Slot } from '../program/program.ts';
import { outputSlots, readElement, slotBytes } from '../program/slots.ts';

/** The first byte that differs between two runs. */
export interface Difference {
  /** Index of the step after which the arenas differ; the last step when only outputs were kept. */
  readonly step: number;
  /** The kernel of that step. */
  readonly kernel: string;
  /** The tensor that holds the byte after that step; undefined for a byte of no tensor. */
  readonly slot?: string;
  /** Row-major element of the tensor. */
  readonly element?: number;
  /** Its logical coordinates, e.g. channel, row, column. */
  readonly at?: readonly number[];
  /** In the arena. */
  readonly byte: number;
  /** The element in both runs, or the byte when no tensor holds it. */
  readonly values: readonly [number, number];
}

/**
 * Compares two runs byte for byte, first the arenas of all steps if both runs kept them.
 * @returns the first difference in order of steps and addresses, or undefined.
 */
export function compareOutcomes(program: Program, a: Outcome, b: Outcome): Difference | undefined {
  const steps = Math.min(a.arenas.length, b.arenas.length);
  for (let step = 0; step < steps; step++) {
    const [x, y] = [must(a.arenas[step], 'kept'), must(b.arenas[step], 'kept')];
    const byte = firstDifference(x, y);
    if (byte !== undefined) return describe(program, step, byte, x, y);
  }
  const offset = firstDifference(a.output, b.output);
  if (offset === undefined) return undefined;
  const { address, from } = outputAt(program, offset);
  const whole = (output: Uint8Array) => {
    const part = output.subarray(from);
    const arena = new Uint8Array(Math.max(program.arenaBytes, address + part.length));
    arena.set(part, address);
    return arena;
  };
  const byte = address + offset - from;
  return describe(program, program.steps.length - 1, byte, whole(a.output), whole(b.output));
}

/** The output that a byte of all of them belongs to: its address, and the first of its bytes. */
function outputAt(program: Program, offset: number): { readonly address: number; readonly from: number } {
  let [address, from, next] = [0, 0, 0];
  for (const slot of outputSlots(program)) {
    if (offset < next) break;
    [address, from] = [slot.address, next];
    next += slotBytes(slot);
  }
  return { address, from };
}

function firstDifference(x: Uint8Array, y: Uint8Array): number | undefined {
  const length = Math.max(x.length, y.length);
  for (let i = 0; i < length; i++) if (x[i] !== y[i]) return i;
  return undefined;
}

function describe(program: Program, step: number, byte: number, x: Uint8Array, y: Uint8Array): Difference {
  const kernel = program.steps[step]?.kernel.name ?? 'none';
  const slot = holderOf(program, step, byte);
  if (slot === undefined) return { step, kernel, byte, values: [at(x, byte), at(y, byte)] };
  const bytes = elemBytes[slot.elem];
  const position = Math.floor((byte - slot.address) / bytes);
  const element = slot.order?.[position] ?? position;
  const read = (arena: Uint8Array) => readElement(arena, slot, slot.address + position * bytes);
  return {
    step,
    kernel,
    slot: slot.name,
    element,
    at: coordinates(slot.shape, element),
    byte,
    values: [read(x), read(y)],
  };
}

/** The tensor that the step wrote there, else one that is alive there after it. */
function holderOf(program: Program, step: number, byte: number): Slot | undefined {
  const holds = (slot: Slot) =>
    byte >= slot.address && byte < slot.address + slot.length * elemBytes[slot.elem];
  const done = program.steps[step];
  const written = (done?.args ?? []).filter((_, i) => done?.kernel.params[i]?.role !== 'in');
  const found = written.map((index) => program.slots[index]).find((slot) => slot && holds(slot));
  return found ?? program.slots.find((s) => holds(s) && s.firstStep <= step && s.lastStep > step);
}

/** Of a row-major element of `shape`. */
export function coordinates(shape: readonly number[], element: number): readonly number[] {
  const strides = stridesOf(shape);
  return shape.map((size, i) => Math.floor(element / at(strides, i)) % size);
}

/** `step 2, conv2: pool2[3, 0, 4] is 17 and 18 (arena byte 1093)` */
export function differenceText(d: Difference): string {
  const what = d.slot === undefined ? 'a byte of no tensor' : `${d.slot}[${(d.at ?? []).join(', ')}]`;
  return `step ${d.step}, ${d.kernel}: ${what} is ${d.values[0]} and ${d.values[1]} (arena byte ${d.byte})`;
}
