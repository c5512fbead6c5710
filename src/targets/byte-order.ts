/** Arenas of big-endian processors as little-endian ones have them, and what of an arena a program's meaning says. */
import { at } from '../base/errors.ts';
import { elemBytes } from '../ir/kernel/kernel.ts';
import type { Outcome, Program, Slot } from '../program/program.ts';
import { inputSlots, joinedBytes, outputSlots, partsFor, slotBytes } from '../program/slots.ts';

/** The bytes of each element the other way round. */
function turned(bytes: Uint8Array, size: number): Uint8Array {
  const out = bytes.slice();
  for (let from = 0; from < out.length; from += size) out.subarray(from, from + size).reverse();
  return out;
}

const turnedParts = (slots: readonly Slot[], bytes: Uint8Array): Uint8Array =>
  joinedBytes(partsFor(slots, bytes).map((part, i) => turned(part, elemBytes[at(slots, i).elem])));

/** Inputs in the other byte order. */
export const turnedInput = (program: Program, input: Uint8Array): Uint8Array =>
  turnedParts(inputSlots(program), input);

/** Tensors that a later step reads, or the caller; those that share bytes have elements of one size. */
const aliveAfter = ({ slots }: Program, step: number): readonly Slot[] =>
  slots.filter(({ firstStep, lastStep }) => firstStep <= step && lastStep > step);

/** An arena with nothing but the tensors that are alive after a step; `order` says whose bytes come in. */
function alive(program: Program, arena: Uint8Array, step: number, order: 'same' | 'turned'): Uint8Array {
  const out = new Uint8Array(arena.length);
  for (const slot of aliveAfter(program, step)) {
    const bytes = arena.subarray(slot.address, slot.address + slotBytes(slot));
    out.set(order === 'same' ? bytes : turned(bytes, elemBytes[slot.elem]), slot.address);
  }
  return out;
}

/** How many bytes of an arena are of tensors that are alive after a step. */
export function aliveBytes(program: Program, step: number): number {
  const marks = new Uint8Array(program.arenaBytes);
  for (const slot of aliveAfter(program, step)) marks.fill(1, slot.address, slot.address + slotBytes(slot));
  return marks.reduce((sum, mark) => sum + mark, 0);
}

/**
 * What processors of both byte orders have to agree on: tensors that are read again. Of a number that is half
 * written over, the other half is another one in each order. All else is 0.
 */
export const onlyAlive = (program: Program, { arenas, output }: Outcome): Outcome => ({
  arenas: arenas.map((arena, step) => alive(program, arena, step, 'same')),
  output,
});

/** The same of an outcome of a big-endian processor. */
export const aliveTurned = (program: Program, { arenas, output }: Outcome): Outcome => ({
  arenas: arenas.map((arena, step) => alive(program, arena, step, 'turned')),
  output: turnedParts(outputSlots(program), output),
});
