/** How far an int8 program is from the float network, layer by layer, on samples that did not calibrate it. */

import { type Distance, Distances } from '../base/distance.ts';
import { at, must } from '../base/errors.ts';
import { indexOfLargest } from '../base/extremes.ts';
import { evaluate, inputTensors } from '../ir/graph/evaluate.ts';
import type { Graph } from '../ir/graph/graph.ts';
import { storageOf } from '../ir/kernel/stored.ts';
import { channelCount, countOf, type Tensor } from '../ir/tensor.ts';
import { portOfSlot, realOf } from '../program/port.ts';
import type { Program, Slot } from '../program/program.ts';
import {
  argOf,
  argsOf,
  inputPart,
  isInput,
  outputSlots,
  ownerSlot,
  slotAt,
  slotBytes,
} from '../program/slots.ts';
import { arrangeInput, decodeSlot, encodeInput, pick } from '../program/values.ts';
import { inference, type RunProgram } from '../runtime/engines.ts';
import type { Build } from './build.ts';

/** The error of a layer's output against the float network's. */
export interface LayerError extends Distance {
  readonly kernel: string;
  readonly tensor: string;
  /**
   * From the model that was given, where its weights were pruned, rounded or trained; the layer's own numbers are
   * from the float network with the weights that are stored. Of removed channels nothing is counted.
   */
  readonly given?: Distance;
}

/** What the bytes of a slot can stand for, by row-major element, in real units. */
export interface SlotGrid {
  readonly lo: Float32Array;
  readonly hi: Float32Array;
  /** Of one stored step. */
  readonly step: Float32Array;
}

/** How one tensor was stored: an input of the network, or what a step made. */
export interface TensorFacts {
  readonly slot: Slot;
  /** Its name in the float network. */
  readonly tensor: string;
  readonly grid: SlotGrid;
  readonly own: Distances;
  readonly given: Distances;
  /** Of each index along axis 1. */
  readonly channels: readonly Distances[];
  /** The least and the most that the float network made of it. */
  lo: number;
  hi: number;
}

/** One sample on both sides. */
export interface Run {
  /** By name of the float network's tensor. */
  readonly real: ReadonlyMap<string, Tensor>;
  /** Of the model that was given, where its weights were changed. */
  readonly given: ReadonlyMap<string, Tensor>;
  /** By index of slot: what was stored, in real units. */
  readonly stored: (slot: number) => Float32Array;
}

export interface Measured {
  /** By step: of its first output. */
  readonly steps: readonly TensorFacts[];
  readonly inputs: readonly TensorFacts[];
  /** By index of slot: inputs, outputs, and all that steps read or make. */
  readonly tensors: ReadonlyMap<number, TensorFacts>;
  /** Of the first samples, to look closer at. */
  readonly runs: readonly Run[];
  /** Of samples whose output is a list of classes: how often both sides say the same one. */
  readonly sameClass?: { readonly hits: number; readonly total: number };
  /** How many classes the float network named. */
  readonly classes: number;
}

/** Index of the slot that a step writes, of several the first. */
export const outputOf = ({ steps }: Program, step: number): number =>
  argOf(must(steps[step], 'a step'), 'out');

/** The float network's tensor that a slot holds: the output under its last name. */
function tensorIn({ program, fused }: Build, index: number): string {
  const output = program.outputs.findIndex(({ slot }) => slot === index);
  return output < 0 || isInput(program, index) ? slotAt(program, index).name : at(fused.outputs, output);
}

/** Without a grid numbers are stored as they are. */
export function gridOf(slot: Slot): SlotGrid {
  const { length, quant } = slot;
  const all = (x: number): Float32Array => new Float32Array(length).fill(x);
  if (quant === undefined) return { lo: all(-Infinity), hi: all(Infinity), step: all(0) };
  const { lo, hi } = storageOf(quant);
  const port = portOfSlot(slot);
  const [least, most] = [lo, hi].map((q) => all(0).map((_, i) => realOf(port, i, q)));
  const [first, last] = [must(least, 'a bound'), must(most, 'a bound')];
  return { lo: first, hi: last, step: first.map((x, i) => (at(last, i) - x) / (hi - lo)) };
}

/** Which index along axis 1 a row-major element has. */
export const channelOf = ({ shape }: Slot): ((element: number) => number) => {
  const channels = channelCount(shape);
  const inner = countOf(shape.slice(2));
  return (element) => Math.floor(element / inner) % channels;
};

function factsFor(build: Build, index: number): TensorFacts {
  const slot = slotAt(build.program, index);
  return {
    slot,
    tensor: tensorIn(build, index),
    grid: gridOf(slot),
    own: new Distances(),
    given: new Distances(),
    channels: Array.from({ length: channelCount(slot.shape) }, () => new Distances()),
    lo: Infinity,
    hi: -Infinity,
  };
}

/** All tensors that a float network computes from one input, by name. */
export function tensorsOf(graph: Graph<'float'>, sample: Float32Array): ReadonlyMap<string, Tensor> {
  const real = new Map<string, Tensor>();
  evaluate(graph, inputTensors(graph, sample), (name, tensor) => real.set(name, tensor));
  return real;
}

/** @param sample as the fused network takes it: in stored steps where the input is raw or has a grid per channel */
function bytesOf(program: Program, sample: Float32Array): Uint8Array {
  const stored = program.rawInput !== undefined || program.inputGrids !== undefined;
  if (!stored) return encodeInput(program, sample);
  return arrangeInput(
    program,
    Uint8Array.from(sample, (x) => Math.max(0, Math.min(255, Math.round(x)))),
  );
}

/** What a program stores of a sample, by index of slot, in real units. */
export function storedOf(program: Program, run: RunProgram, sample: Float32Array): Run['stored'] {
  const bytes = bytesOf(program, sample);
  const { arenas } = run(bytes, { keepArenas: true });
  return (index) => {
    const slot = slotAt(program, index);
    const owner = ownerSlot(program, index);
    const given = inputPart(program, owner, bytes);
    const from = slot.address - slotAt(program, owner).address;
    if (given !== undefined) return decodeSlot(slot, given.subarray(from, from + slotBytes(slot)));
    const arena = must(arenas[slot.firstStep], 'a slot is written by a step');
    return decodeSlot(slot, arena.subarray(slot.address, slot.address + slotBytes(slot)));
  };
}

const bothSides = ({ program, fused, given }: Build, run: RunProgram, sample: Float32Array): Run => ({
  real: tensorsOf(fused, sample),
  given: given === undefined ? new Map() : tensorsOf(given, sample),
  stored: storedOf(program, run, sample),
});

function addTensor(facts: TensorFacts, real: Tensor | undefined, stored: Float32Array): void {
  if (real === undefined || real.data.length !== stored.length) return;
  const channel = channelOf(facts.slot);
  stored.forEach((x, i) => {
    const y = at(real.data, i);
    facts.own.add(y, x);
    facts.channels[channel(i)]?.add(y, x);
    facts.lo = Math.min(facts.lo, y);
    facts.hi = Math.max(facts.hi, y);
  });
}

function addGiven({ slot, given }: TensorFacts, real: Tensor | undefined, stored: Float32Array): void {
  const wanted = real === undefined ? 'none' : pick(slot, real);
  if (typeof wanted === 'string') return;
  stored.forEach((x, i) => {
    given.add(at(wanted, i), x);
  });
}

/** The largest of a list of several numbers: the class that a classifier names. @returns undefined for other outputs */
export function classOf(slot: Slot, values: ArrayLike<number>): number | undefined {
  if (slot.length < 2 || slot.shape.filter((n) => n > 1).length !== 1) return undefined;
  return indexOfLargest(values);
}

/** The slot of the only output, which may name classes; undefined of several outputs. */
export function onlyOutput(program: Program): Slot | undefined {
  const [output, ...more] = outputSlots(program);
  return more.length === 0 ? output : undefined;
}

/** The numbers of the first output. */
const answerOf = ({ outputs }: Graph<'float'>, tensors: ReadonlyMap<string, Tensor>): ArrayLike<number> =>
  must(tensors.get(at(outputs, 0)), 'the output was computed').data;

/** So many samples are kept for a closer look. */
const kept = 8;

/**
 * Cumulative: every layer is fed what the program computed before it.
 * @param build an int8 program
 * @param samples as its fused network takes them
 */
export function measure(build: Build, samples: readonly Float32Array[]): Measured {
  const { program, fused, given } = build;
  const used = program.steps.flatMap((step) => [...argsOf(step, 'out'), ...argsOf(step, 'in')]);
  const ports = [...program.inputs, ...program.outputs].map(({ slot }) => slot);
  const tensors = new Map([...new Set([...ports, ...used])].map((index) => [index, factsFor(build, index)]));
  const factsOf = (index: number): TensorFacts => must(tensors.get(index), 'facts of a slot');
  const named = onlyOutput(program);
  const run = inference(program);
  const runs: Run[] = [];
  const classes = new Set<number>();
  let hits = 0;
  for (const sample of samples) {
    const sides = bothSides(build, run, sample);
    for (const [index, facts] of tensors) {
      const stored = sides.stored(index);
      addTensor(facts, sides.real.get(facts.tensor), stored);
      if (!isInput(program, index)) addGiven(facts, sides.given.get(facts.tensor), stored);
    }
    const wanted = named && classOf(named, answerOf(fused, given === undefined ? sides.real : sides.given));
    if (wanted !== undefined) {
      classes.add(wanted);
      hits += Number(named && classOf(named, sides.stored(at(program.outputs, 0).slot)) === wanted);
    }
    if (runs.length < kept) runs.push(sides);
  }
  return {
    steps: program.steps.map((_, step) => factsOf(outputOf(program, step))),
    inputs: program.inputs.map(({ slot }) => factsOf(slot)),
    tensors,
    runs,
    classes: classes.size,
    ...(classes.size === 0 ? {} : { sameClass: { hits, total: samples.length } }),
  };
}

const stepOf = ({ grid }: TensorFacts): number => grid.step.reduce((most, x) => Math.max(most, x), 0);

export const distanceOf = (facts: TensorFacts): Distance => facts.own.result(stepOf(facts));

export const givenDistanceOf = (facts: TensorFacts): Distance | undefined =>
  facts.given.count === 0 ? undefined : facts.given.result(stepOf(facts));

export function layerErrors({ program }: Build, { steps }: Measured): readonly LayerError[] {
  return steps.map((facts, step) =>
    errorOf(must(program.steps[step], 'a step').kernel.name, facts.slot.name, facts),
  );
}

export function errorOf(kernel: string, tensor: string, facts: TensorFacts): LayerError {
  const given = givenDistanceOf(facts);
  return { kernel, tensor, ...distanceOf(facts), ...(given === undefined ? {} : { given }) };
}
