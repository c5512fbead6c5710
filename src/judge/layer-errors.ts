/** How far an int8 program is from the float network, layer by layer, on samples that did not calibrate it. */

import { type Distance, Distances } from '../base/distance.ts';
import { at, must } from '../base/errors.ts';
import { indexOfLargest } from '../base/extremes.ts';
import { evaluate } from '../ir/graph/evaluate.ts';
import type { Graph } from '../ir/graph/graph.ts';
import { elemBytes } from '../ir/kernel/kernel.ts';
import { channelCount, floats, type Tensor } from '../ir/tensor.ts';
import type { Program, Slot } from '../program/program.ts';
import { argOf, outputSlot, slotAt } from '../program/slots.ts';
import { arrangeInput, decodeSlot, encodeInput, pick } from '../program/values.ts';
import { inference, type RunProgram } from '../runtime/engines.ts';
import type { Build } from './build.ts';

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

/** How one tensor was stored: the network's input, or what a step made. */
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
  /** By step. */
  readonly steps: readonly TensorFacts[];
  readonly input: TensorFacts;
  /** Of the first samples, to look closer at. */
  readonly runs: readonly Run[];
  /** Of samples whose output is a list of classes: how often both sides say the same one. */
  readonly sameClass?: { readonly hits: number; readonly total: number };
  /** How many classes the float network named. */
  readonly classes: number;
}

/** Index of the slot that a step writes. */
export const outputOf = ({ steps }: Program, step: number): number =>
  argOf(must(steps[step], 'a step'), 'out');

/** The float network's tensor that a slot holds: the output under its last name. */
const tensorIn = ({ program, fused }: Build, index: number): string =>
  index === program.output ? at(fused.outputs, 0) : slotAt(program, index).name;

export function gridOf(slot: Slot): SlotGrid {
  const bytes = slot.length * elemBytes[slot.elem];
  const lo = decodeSlot(slot, new Uint8Array(bytes));
  const hi = decodeSlot(slot, new Uint8Array(bytes).fill(255));
  return { lo, hi, step: hi.map((x, i) => (x - at(lo, i)) / 255) };
}

/** Which index along axis 1 a row-major element has. */
export const channelOf = ({ shape, length }: Slot): ((element: number) => number) => {
  const channels = channelCount(shape);
  const inner = Math.max(1, length / channels);
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
  const input = must(graph.inputs[0], 'an input');
  const { shape } = must(graph.tensors.get(input), 'the input has a type');
  const real = new Map<string, Tensor>();
  evaluate(graph, new Map([[input, floats(shape, sample)]]), (name, tensor) => real.set(name, tensor));
  return real;
}

/** @param sample as the fused network takes it: in stored steps where the input is raw or has a grid per channel */
function bothSides(build: Build, run: RunProgram, sample: Float32Array): Run {
  const { program, fused, given } = build;
  const stored = program.rawInput !== undefined || program.inputGrids !== undefined;
  const bytes = stored
    ? arrangeInput(
        program,
        Uint8Array.from(sample, (x) => Math.max(0, Math.min(255, Math.round(x)))),
      )
    : encodeInput(program, sample);
  const { arenas } = run(bytes, { keepArenas: true });
  return {
    real: tensorsOf(fused, sample),
    given: given === undefined ? new Map() : tensorsOf(given, sample),
    stored(index) {
      const slot = slotAt(program, index);
      if (index === program.input) return decodeSlot(slot, bytes);
      const arena = must(arenas[slot.firstStep], 'a slot is written by a step');
      return decodeSlot(
        slot,
        arena.subarray(slot.address, slot.address + slot.length * elemBytes[slot.elem]),
      );
    },
  };
}

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

/** So many samples are kept for a closer look. */
const kept = 8;

/**
 * Cumulative: every layer is fed what the program computed before it.
 * @param build an int8 program
 * @param samples as its fused network takes them
 */
export function measure(build: Build, samples: readonly Float32Array[]): Measured {
  const { program, fused, given } = build;
  const steps = program.steps.map((_, step) => factsFor(build, outputOf(program, step)));
  const input = factsFor(build, program.input);
  const output = outputSlot(program);
  const run = inference(program);
  const runs: Run[] = [];
  const classes = new Set<number>();
  let hits = 0;
  for (const sample of samples) {
    const sides = bothSides(build, run, sample);
    addTensor(input, sides.real.get(input.tensor), sides.stored(program.input));
    steps.forEach((facts, step) => {
      const stored = sides.stored(outputOf(program, step));
      addTensor(facts, sides.real.get(facts.tensor), stored);
      addGiven(facts, sides.given.get(facts.tensor), stored);
    });
    const answers = (given === undefined ? sides.real : sides.given).get(at(fused.outputs, 0));
    const wanted = answers && classOf(output, answers.data);
    if (wanted !== undefined) {
      classes.add(wanted);
      hits += Number(classOf(output, sides.stored(program.output)) === wanted);
    }
    if (runs.length < kept) runs.push(sides);
  }
  return {
    steps,
    input,
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
  return steps.map((facts, step) => {
    const given = givenDistanceOf(facts);
    return {
      kernel: must(program.steps[step], 'a step').kernel.name,
      tensor: facts.slot.name,
      ...distanceOf(facts),
      ...(given === undefined ? {} : { given }),
    };
  });
}
