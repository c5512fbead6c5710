import { mulberry32 } from '../../base/random.ts';
import type { Program } from '../../program/program.ts';
import { inputSlot } from '../../program/slots.ts';

/** Reproducible inputs: any byte may come from a sensor; floats are drawn from -1..1. */
export function randomInputs(program: Program, count: number): readonly Uint8Array[] {
  const random = mulberry32(1);
  const { length, elem } = inputSlot(program);
  return Array.from({ length: count }, () => {
    if (elem !== 'f32') return Uint8Array.from({ length }, () => Math.floor(256 * random()));
    return new Uint8Array(Float32Array.from({ length }, () => 2 * random() - 1).buffer);
  });
}
