/** The tensors of a program, by index and by role. */

import { must } from '../base/errors.ts';
import { elemBytes, type Kernel, type Param } from '../ir/kernel/kernel.ts';
import type { Program, Slot, Step } from './program.ts';

export const slotAt = (program: Program, index: number): Slot =>
  must(program.slots[index], `program '${program.name}' has no slot ${index}`);

export const inputSlot = (program: Program): Slot => slotAt(program, program.input);
export const outputSlot = (program: Program): Slot => slotAt(program, program.output);

/** Indices of the slots that a step passes for parameters of a role, in their order. */
export const argsOf = ({ kernel, args }: Step, role: Param['role']): readonly number[] =>
  args.filter((_, i) => kernel.params[i]?.role === role);

/** Index of the slot that a step reads, or makes. @throws DefectError for a kernel without such a parameter. */
export const argOf = (step: Step, role: 'in' | 'out'): number =>
  must(argsOf(step, role)[0], `kernel '${step.kernel.name}' has no '${role}' parameter`);

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
