/** How far each layer of an int8 program is from the float network, on the inputs that it was calibrated on. */
import type { Compiled } from './compile.ts';
import { pick } from './diff/capture.ts';
import { inference } from './engines.ts';
import { must } from './ir/errors.ts';
import { evaluate } from './ir/evaluate.ts';
import type { Graph } from './ir/graph.ts';
import { elemBytes } from './ir/kernel.ts';
import type { Slot } from './ir/program.ts';
import { floats, type Tensor } from './ir/tensor.ts';
import { decodeSlot } from './run.ts';

/** Between what a layer stores, in real units, and what a float network computes. */
export interface Distance {
  /** Signal to noise: 10 log10(sum real^2 / sum (real - stored)^2), in decibels. */
  readonly sqnr: number;
  /** The largest difference, in real units. */
  readonly worst: number;
}

export interface LayerError extends Distance {
  readonly kernel: string;
  readonly tensor: string;
  /**
   * From the model that was given, where its weights were pruned, rounded or trained; the layer's own numbers are
   * from the float network with the weights that are stored. Of removed channels nothing is counted.
   */
  readonly given?: Distance;
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
  elements: number;
}

function addTo(sums: Sums, real: Float32Array, stored: Float32Array): void {
  stored.forEach((x, i) => {
    const y = real[i] ?? 0;
    sums.signal += y * y;
    sums.noise += (y - x) ** 2;
    sums.worst = Math.max(sums.worst, Math.abs(y - x));
  });
  sums.elements += stored.length;
}

const distance = ({ signal, noise, worst }: Sums): Distance => ({
  sqnr: 10 * Math.log10(signal / noise),
  worst,
});

/** All tensors that a float network computes from one input, by name. */
function tensorsOf(graph: Graph<'float'>, sample: Float32Array): ReadonlyMap<string, Tensor> {
  const input = must(graph.inputs[0], 'an input');
  const { shape } = must(graph.tensors.get(input), 'the input has a type');
  const real = new Map<string, Tensor>();
  evaluate(graph, new Map([[input, floats(shape, sample)]]), (name, tensor) => real.set(name, tensor));
  return real;
}

/** By step, what the program stores in the calibration's first inputs, against `graph`, which may have more channels. */
function sumsAgainst(compiled: Compiled, graph: Graph<'float'>): readonly Sums[] {
  const { program, calibrated = [], examples } = compiled;
  const run = inference(program);
  const sums = program.steps.map((): Sums => ({ signal: 0, noise: 0, worst: 0, elements: 0 }));
  examples.forEach((bytes, i) => {
    const sample = must(calibrated[i], 'examples are the first of the calibration inputs');
    const real = tensorsOf(graph, sample);
    run(bytes, { keepArenas: true }).arenas.forEach((arena, step) => {
      const slot = output(compiled, step);
      const tensor = slot && real.get(slot.name);
      if (slot === undefined || tensor === undefined) return;
      const wanted =
        tensor.data.length === slot.length
          ? Float32Array.from(tensor.data as ArrayLike<number>)
          : pick(slot, tensor);
      if (typeof wanted === 'string') return;
      const stored = arena.subarray(slot.address, slot.address + slot.length * elemBytes[slot.elem]);
      addTo(must(sums[step], 'a sum per step'), wanted, decodeSlot(slot, stored));
    });
  });
  return sums;
}

/** Cumulative: every layer is fed what the program computed before it. Empty for float32 programs. */
export function layerErrors(compiled: Compiled): readonly LayerError[] {
  const { program, calibrated, fused, given } = compiled;
  if (program.arith === 'float32' || calibrated === undefined) return [];
  const fromGiven = given === undefined ? [] : sumsAgainst(compiled, given);
  return sumsAgainst(compiled, fused).map((sums, step) => {
    const other = fromGiven[step];
    return {
      kernel: must(program.steps[step], 'a step').kernel.name,
      tensor: output(compiled, step)?.name ?? '',
      ...distance(sums),
      ...(other === undefined || other.elements === 0 ? {} : { given: distance(other) }),
    };
  });
}
