/** The tensors of a program, by index and by role. */

import { must } from '../base/errors.ts';
import { elemBytes, type Kernel, type Param } from '../ir/kernel/kernel.ts';
import type { Program, Slot, Step } from './program.ts';

export const slotAt = (program: Program, index: number): Slot =>
  must(program.slots[index], `program '${program.name}' has no slot ${index}`);

export const inputSlots = (program: Program): readonly Slot[] =>
  program.inputs.map(({ slot }) => slotAt(program, slot));
/** Of each output: one slot may come twice. */
export const outputSlots = (program: Program): readonly Slot[] =>
  program.outputs.map(({ slot }) => slotAt(program, slot));

/** Whether the slot at an index is an input's, or an output's. */
export const isInput = ({ inputs }: Program, index: number): boolean =>
  inputs.some(({ slot }) => slot === index);
export const isOutput = ({ outputs }: Program, index: number): boolean =>
  outputs.some(({ slot }) => slot === index);

/** Names of inputs that no step reads, and that are no outputs. */
export const unreadInputs = (program: Program): readonly string[] =>
  program.inputs.flatMap(({ name, slot }) =>
    isOutput(program, slot) || program.steps.some((step) => argsOf(step, 'in').includes(slot)) ? [] : [name],
  );

/** The bytes of all inputs, or all outputs, one after the other. */
export const inputBytesOf = (program: Program): number => totalBytes(inputSlots(program));
export const outputBytesOf = (program: Program): number => totalBytes(outputSlots(program));

const totalBytes = (slots: readonly Slot[]): number => slots.reduce((sum, slot) => sum + slotBytes(slot), 0);

/** Bytes in as many parts as there are slots, of their sizes; the last has all that is left. They share memory. */
export function partsFor(slots: readonly Slot[], bytes: Uint8Array): readonly Uint8Array[] {
  let from = 0;
  return slots.map((slot, i) => {
    const first = from;
    from += slotBytes(slot);
    return bytes.subarray(first, i === slots.length - 1 ? bytes.length : from);
  });
}

/** What an input's slot has of the bytes of all inputs; undefined of other slots. */
export function inputPart(program: Program, index: number, bytes: Uint8Array): Uint8Array | undefined {
  const input = program.inputs.findIndex(({ slot }) => slot === index);
  return input < 0 ? undefined : partsFor(inputSlots(program), bytes)[input];
}

/** One after the other. */
export function joinedBytes(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let from = 0;
  for (const part of parts) {
    all.set(part, from);
    from += part.length;
  }
  return all;
}

/** Index of the slot that owns a slot's bytes: itself, or what it is a part of. */
export const ownerSlot = (program: Program, index: number): number => slotAt(program, index).within ?? index;

/** Indices of the slots that a step passes for parameters of a role, in their order. */
export const argsOf = ({ kernel, args }: Step, role: Param['role']): readonly number[] =>
  args.filter((_, i) => kernel.params[i]?.role === role);

/** Index of the slot that a step reads, or makes. @throws DefectError for a kernel without such a parameter. */
export const argOf = (step: Step, role: 'in' | 'out'): number =>
  must(argsOf(step, role)[0], `kernel '${step.kernel.name}' has no '${role}' parameter`);

/** Bytes of a slot that another has too. */
export interface Shared {
  readonly slot: number;
  /** Where they begin in the other and in this one. */
  readonly there: number;
  readonly here: number;
  readonly bytes: number;
}

/**
 * Of a slot that no step writes by itself: where its bytes come from, the slot that it is a slice of or those that are
 * joined in it. Empty for all others.
 */
export function sharedBytes(program: Program, index: number): readonly Shared[] {
  const made = (slot: number): boolean =>
    isInput(program, slot) || program.steps.some((step) => argsOf(step, 'out').includes(slot));
  if (made(index)) return [];
  const { address, within, ...slot } = slotAt(program, index);
  const whole = within === undefined ? undefined : slotAt(program, within);
  if (whole !== undefined && within !== undefined)
    return [
      { slot: within, there: address - whole.address, here: 0, bytes: slotBytes({ ...slot, address }) },
    ];
  return program.slots.flatMap((part, i) =>
    part.within === index && made(i)
      ? [{ slot: i, there: 0, here: part.address - address, bytes: slotBytes(part) }]
      : [],
  );
}

/** Whether the C computes with floats that are stored. */
export const hasFloats = ({ arith, slots }: Pick<Program, 'arith' | 'slots'>): boolean =>
  arith === 'float32' || slots.some(({ elem }) => elem === 'f32');

/** Each kernel once, in the order of its first step. */
export const kernelsOf = (program: Program): readonly Kernel[] => [
  ...new Set(program.steps.map((step) => step.kernel)),
];

export const slotBytes = (slot: Slot): number => slot.length * elemBytes[slot.elem];

/** The number that the slot's element type makes of the bytes from `address` on. */
export function readElement(arena: Uint8Array, slot: Slot, address: number): number {
  const view = new DataView(arena.buffer, arena.byteOffset, arena.byteLength);
  switch (slot.elem) {
    case 'u8':
      return view.getUint8(address);
    case 'i8':
      return view.getInt8(address);
    case 'u16':
      return view.getUint16(address, true);
    case 'i16':
      return view.getInt16(address, true);
    case 'i32':
      return view.getInt32(address, true);
    case 'f32':
      return view.getFloat32(address, true);
    default:
      return slot.elem satisfies never;
  }
}
