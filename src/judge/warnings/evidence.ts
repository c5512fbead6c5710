/**
 * Where the noise of one layer comes from: the float operator is run again with one thing at a time as the program
 * has it, and what that changes is a part of the noise.
 */

import { at, must } from '../../base/errors.ts';
import type { Padding } from '../../ir/graph/channels.ts';
import { channelsOf, type Node } from '../../ir/graph/graph.ts';
import { type QuantizedMac, weightStep } from '../../ir/integers/mac.ts';
import type { Bound, RowClamp } from '../../ir/integers/row-clamp.ts';
import { floats, type Tensor, tensorOf } from '../../ir/tensor.ts';
import { argsOf } from '../../program/slots.ts';
import type { Build } from '../build.ts';
import {
  channelOf,
  type Measured,
  outputOf,
  type Run,
  type SlotGrid,
  type TensorFacts,
} from '../layer-errors.ts';

export interface Source {
  /** The step that made it; -1: the network's input. */
  readonly step: number;
  /** Index of its slot. */
  readonly slot: number;
  readonly facts: TensorFacts;
}

/** A layer, and what it was made of. */
export interface Layer {
  readonly step: number;
  readonly kernel: string;
  readonly nodes: readonly string[];
  readonly facts: TensorFacts;
  /** In the graph that was assembled. */
  readonly node: Node;
  /** In the float network: there its weights may be others. */
  readonly real: Node;
  /** What its input is padded with, if it is. */
  readonly padding: Padding | undefined;
  /** What its activations are, in the order of the node's. */
  readonly sources: readonly Source[];
}

export interface Part {
  readonly of: 'input' | 'padding' | 'weights' | 'clipping' | 'rounding';
  /** sum of squares, over the runs that were looked at. */
  readonly noise: number;
  /** The input that it is of. */
  readonly source?: Source;
}

export interface Evidence {
  /** The layer's own, of the same runs. */
  readonly noise: number;
  /** The largest first. */
  readonly parts: readonly Part[];
}

const madeBy = (nodes: readonly Node[], tensor: string): Node =>
  must(
    nodes.find(({ outputs }) => outputs.includes(tensor)),
    `tensor '${tensor}' is made by a node`,
  );

/** The node that makes a tensor, looking through those that only rename memory. */
function makerOf(nodes: readonly Node[], tensor: string): Node {
  const node = madeBy(nodes, tensor);
  return node.op.alias ? makerOf(nodes, at(node.inputs, 0)) : node;
}

export function layerOf({ program, assembled, fused }: Build, measured: Measured, step: number): Layer {
  const { kernel, args, origin } = must(program.steps[step], 'a step');
  const facts = must(measured.steps[step], 'facts of a step');
  const sources = args.flatMap((index, i): Source[] => {
    if (kernel.params[i]?.role !== 'in') return [];
    const facts = must(measured.tensors.get(index), 'a slot is written by a step');
    return [
      { step: program.steps.findIndex((made) => argsOf(made, 'out').includes(index)), slot: index, facts },
    ];
  });
  const node = makerOf(assembled.nodes, facts.tensor);
  const real = fused.nodes.find(({ name }) => name === node.name) ?? node;
  const padding = channelsOf(fused, real).columns?.padding;
  return { step, kernel: kernel.name, nodes: origin, facts, node, real, padding, sources };
}

const isFiniteBound = (bound: Bound): boolean =>
  typeof bound === 'number' ? Number.isFinite(bound) : bound.every(Number.isFinite);

/** Whether an activation that was fused into it bounds its values at both ends. */
export function isClamped({ attrs }: Node): boolean {
  if (typeof attrs !== 'object' || attrs === null || !('clamp' in attrs)) return false;
  const { lo, hi } = { lo: -Infinity, hi: Infinity, ...(attrs.clamp as Partial<RowClamp> | undefined) };
  return isFiniteBound(lo) && isFiniteBound(hi);
}

export const macOf = ({ quantized }: Node): QuantizedMac | undefined =>
  typeof quantized === 'object' && quantized !== null && 'weightScales' in quantized && !('wide' in quantized)
    ? (quantized as QuantizedMac)
    : undefined;

/** What a slot makes of real numbers: cut off at its ends, and rounded to its steps. */
function held(
  real: ArrayLike<number>,
  { lo, hi, step }: SlotGrid,
): { cut: Float32Array; rounded: Float32Array } {
  const cut = Float32Array.from(real, (x, i) => Math.max(at(lo, i), Math.min(at(hi, i), x)));
  const rounded = cut.map((x, i) =>
    at(step, i) > 0 ? at(lo, i) + Math.round((x - at(lo, i)) / at(step, i)) * at(step, i) : x,
  );
  return { cut, rounded };
}

const squares = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (at(a, i) - at(b, i)) ** 2;
  return sum;
};

/** Padding values as the input's slot can hold them. */
export function heldPadding({ padding, sources }: Layer): readonly number[] | undefined {
  const [source] = sources;
  if (padding === undefined || source === undefined) return undefined;
  const { values } = padding;
  const { lo, hi, step } = source.facts.grid;
  const inner = lo.length / values.length;
  const first = (list: Float32Array): Float32Array =>
    Float32Array.from(values, (_, c) => at(list, c * inner));
  return [...held(values, { lo: first(lo), hi: first(hi), step: first(step) }).rounded];
}

/** The stored weights, as real numbers in the shape of the float ones. */
const storedWeights = (mac: QuantizedMac, like: Tensor): Tensor =>
  floats(
    like.shape,
    Float32Array.from(mac.weights, (q, i) => q * weightStep(mac, i)),
  );

/** Asks one layer in one run. */
class Trial {
  readonly #build: Build;
  readonly #layer: Layer;
  readonly #real: ArrayLike<number>;
  readonly #inputs: readonly (Tensor | undefined)[];

  constructor(build: Build, layer: Layer, run: Run) {
    const { fused } = build;
    this.#build = build;
    this.#layer = layer;
    this.#inputs = layer.real.inputs.map((name) => fused.tensors.get(name)?.constant ?? run.real.get(name));
    this.#real = this.#made(layer.real.attrs, this.#inputs);
  }

  #made(attrs: unknown, inputs: readonly (Tensor | undefined)[]): ArrayLike<number> {
    const [made] = this.#layer.real.op.reference(attrs, inputs);
    return must(made, 'an operator has an output').data as ArrayLike<number>;
  }

  #with(index: number, other: Tensor): number {
    const inputs = this.#inputs.map((input, i) => (i === index ? other : input));
    return squares(this.#made(this.#layer.real.attrs, inputs), this.#real);
  }

  /** With an activation as the program had it. @param index of the node's inputs */
  input(index: number, source: string, stored: Float32Array): number {
    const name = at(this.#layer.real.inputs, index);
    return this.#with(index, this.#renamed(name, source, stored));
  }

  /** What `name` is where `source`, which it is another name of, holds `stored`. */
  #renamed(name: string, source: string, stored: Float32Array): Tensor {
    const { tensors, nodes } = this.#build.fused;
    if (name === source) return tensorOf(must(tensors.get(name), `tensor '${name}' has a type`), stored);
    const { op, attrs, inputs } = madeBy(nodes, name);
    const [made] = op.reference(attrs, [this.#renamed(at(inputs, 0), source, stored)]);
    return must(made, 'an alias has an output');
  }

  weights(): number {
    const { node, real } = this.#layer;
    const [mac, like] = [macOf(node), this.#inputs[1]];
    if (mac === undefined || like === undefined) return 0;
    // The bias that makes up for rounding belongs to the weights.
    const bias = this.#build.assembled.tensors.get(node.inputs[2] ?? '')?.constant;
    const inputs = [this.#inputs[0], storedWeights(mac, like), bias ?? this.#inputs[2]];
    return squares(this.#made(real.attrs, inputs), this.#real);
  }

  padding(): number {
    const values = heldPadding(this.#layer);
    const attrs = values && this.#layer.padding?.replaced(values);
    return attrs === undefined ? 0 : squares(this.#made(attrs, this.#inputs), this.#real);
  }

  output(): { readonly clipping: number; readonly rounding: number } {
    const { cut, rounded } = held(this.#real, this.#layer.facts.grid);
    return { clipping: squares(this.#real, cut), rounding: squares(cut, rounded) };
  }
}

export function evidenceOf(build: Build, measured: Measured, layer: Layer): Evidence {
  const { program, fused } = build;
  const activations = layer.real.inputs.flatMap((name, i) =>
    fused.tensors.get(name)?.constant === undefined && name !== '' ? [i] : [],
  );
  const sums = { padding: 0, weights: 0, clipping: 0, rounding: 0 };
  const inherited = layer.sources.map(() => 0);
  let noise = 0;
  for (const run of measured.runs) {
    const trial = new Trial(build, layer, run);
    const real = must(run.real.get(layer.facts.tensor), 'each tensor was computed');
    noise += squares(run.stored(outputOf(program, layer.step)), real.data as ArrayLike<number>);
    layer.sources.forEach((source, i) => {
      const stored = run.stored(source.slot);
      inherited[i] = at(inherited, i) + trial.input(at(activations, i), source.facts.tensor, stored);
    });
    sums.padding += trial.padding();
    sums.weights += trial.weights();
    const { clipping, rounding } = trial.output();
    sums.clipping += clipping;
    sums.rounding += rounding;
  }
  const own = Object.entries(sums).map(([of, sum]) => ({ of: of as keyof typeof sums, noise: sum }));
  const inputs = layer.sources.map((source, i) => ({
    of: 'input' as const,
    noise: at(inherited, i),
    source,
  }));
  return { noise, parts: [...own, ...inputs].toSorted((a, b) => b.noise - a.noise) };
}

/** Indices along axis 1 whose float values vary, but by less than one stored step. */
export function lostChannels({ slot, grid, channels }: TensorFacts): readonly number[] {
  const channel = channelOf(slot);
  const steps = new Float64Array(channels.length);
  grid.step.forEach((step, i) => {
    steps[channel(i)] = Math.max(at(steps, channel(i)), step);
  });
  return channels.flatMap(({ deviation }, c) => (deviation > 0 && deviation < at(steps, c) ? [c] : []));
}
