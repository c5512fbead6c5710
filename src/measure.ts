/** How far each layer of an int8 program is from the float network, on the inputs that it was calibrated on. */

import type { Compiled } from './compile.ts';
import { inference } from './engines.ts';
import { must } from './ir/errors.ts';
import { evaluate } from './ir/evaluate.ts';
import { elemBytes } from './ir/kernel.ts';
import type { Slot } from './ir/program.ts';
import { floats, type Tensor } from './ir/tensor.ts';
import { decodeSlot } from './run.ts';

export interface LayerError {
  readonly kernel: string;
  readonly tensor: string;
  /** Signal to quantization noise: 10 log10(sum real^2 / sum (real - stored)^2), in decibels. */
  readonly sqnr: number;
  /** The largest difference, in real units. */
  readonly worst: number;
}

const output = (compiled: Compiled, step: number): Slot | undefined => {
  const { program } = compiled;
  const { kernel, args } = must(program.steps[step], 'a step');
  return program.slots[args[kernel.params.findIndex((p) => p.role === 'out')] ?? -1];
};

interface Sums {
  signal: number;
  noise: number;
  worst: number;
}

function addTo(sums: Sums, real: Tensor['data'], stored: Float32Array): void {
  stored.forEach((x, i) => {
    const y = real[i] ?? 0;
    sums.signal += y * y;
    sums.noise += (y - x) ** 2;
    sums.worst = Math.max(sums.worst, Math.abs(y - x));
  });
}

/** Cumulative: every layer is fed what the program computed before it. Empty for float32 programs. */
export function layerErrors(compiled: Compiled): readonly LayerError[] {
  const { program, calibrated, examples, fused } = compiled;
  if (program.arith === 'float32' || calibrated === undefined) return [];
  const run = inference(program);
  const sums = program.steps.map((): Sums => ({ signal: 0, noise: 0, worst: 0 }));
  const input = must(fused.inputs[0], 'an input');
  const { shape } = must(fused.tensors.get(input), 'the input has a type');
  examples.forEach((bytes, i) => {
    const real = new Map<string, Tensor>();
    const sample = must(calibrated[i], 'examples are the first of the calibration inputs');
    evaluate(fused, new Map([[input, floats(shape, sample)]]), (name, tensor) => real.set(name, tensor));
    run(bytes, { keepArenas: true }).arenas.forEach((arena, step) => {
      const slot = output(compiled, step);
      const tensor = slot && real.get(slot.name);
      if (slot === undefined || tensor === undefined) return;
      const stored = arena.subarray(slot.address, slot.address + slot.length * elemBytes[slot.elem]);
      addTo(must(sums[step], 'a sum per step'), tensor.data, decodeSlot(slot, stored));
    });
  });
  return sums.map(({ signal, noise, worst }, step) => ({
    kernel: must(program.steps[step], 'a step').kernel.name,
    tensor: output(compiled, step)?.name ?? '',
    sqnr: 10 * Math.log10(signal / noise),
    worst,
  }));
}
