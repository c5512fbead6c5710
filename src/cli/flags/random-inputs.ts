import { mulberry32 } from '../../base/random.ts';
import { elemArrays } from '../../ir/kernel/kernel.ts';
import { storageOf } from '../../ir/kernel/stored.ts';
import type { Program, Slot } from '../../program/program.ts';
import { inputSlots, joinedBytes } from '../../program/slots.ts';

/**
 * Reproducible inputs, all ports one after the other: any stored number may come from a sensor; floats are drawn from
 * -1..1, and integers without a grid are 0 or 1, which index anything.
 */
export function randomInputs(program: Program, count: number): readonly Uint8Array[] {
  const random = mulberry32(1);
  const slots = inputSlots(program);
  return Array.from({ length: count }, () => joinedBytes(slots.map((slot) => randomSlot(slot, random))));
}

function randomSlot({ elem, length, quant }: Slot, random: () => number): Uint8Array {
  if (elem === 'f32') return new Uint8Array(Float32Array.from({ length }, () => 2 * random() - 1).buffer);
  const { lo, hi } = quant === undefined ? { lo: 0, hi: 1 } : storageOf(quant);
  const numbers = Array.from({ length }, () => lo + Math.floor((hi - lo + 1) * random()));
  return new Uint8Array(new elemArrays[elem](numbers).buffer);
}
