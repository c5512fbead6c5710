/** What storing activations in few bits leaves of a float network's outputs, measured on samples. */
import { at, must } from '../base/errors.ts';
import { inputTensors } from '../ir/graph/evaluate.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import type { Range } from '../ir/graph/op.ts';
import { quantOf } from '../ir/integers/quant.ts';
import { storageOf } from '../ir/kernel/stored.ts';
import { countOf, type Tensor, tensorOf } from '../ir/tensor.ts';
import type { Alone, Calibration } from './calibrate.ts';

/** A network with the ranges of its 8-bit grids; `fixedInput`: its input has a grid already. */
export interface Ranged {
  readonly graph: Graph<'float'>;
  readonly rangeOf: (tensor: string) => Range;
  /** Of tensors with a grid for each channel, which keep it. */
  readonly byChannel: ReadonlyMap<string, readonly Range[]>;
  readonly alone: Calibration['alone'];
  readonly fixedInput: boolean;
}

/** 10 bits: of 8 bits the range, and a quarter of the step. */
export type Bits = 8 | 10 | 16;

/** Whether what a sample alone brought is cut off, as of samples to come, or ranges are what calibration found. */
type Ends = 'cut' | 'whole';

type Values = ReadonlyMap<string, Tensor>;
type Change = (name: string, tensor: Tensor) => Tensor;

/** A sample, and what the network makes of it. */
export interface Looked {
  readonly sample: number;
  readonly inputs: Values;
  readonly real: Values;
}

function roundInto(made: Float32Array, range: Range, bits: Bits, from: number, to: number): void {
  const grid = quantOf(range, bits === 16 ? bits : undefined);
  const { scale, zeroPoint } = grid;
  const bounds = storageOf(grid);
  const [lo, hi] = [(bounds.lo - zeroPoint) * scale, (bounds.hi - zeroPoint) * scale];
  const step = bits === 10 ? scale / 4 : scale;
  for (let i = from; i < to; i++) made[i] = Math.max(lo, Math.min(hi, Math.round(at(made, i) / step) * step));
}

/** What a tensor's rounding makes of it. @param ranges one, or those of the indices along axis 1 */
function rounded(tensor: Tensor, ranges: readonly Range[], bits: Bits): Tensor {
  const made = Float32Array.from(tensor.data);
  const size = ranges.length === 1 ? made.length : countOf(tensor.shape.slice(2));
  for (let part = 0; part * size < made.length; part++)
    roundInto(made, at(ranges, part % ranges.length), bits, part * size, (part + 1) * size);
  return tensorOf(tensor, made);
}

/** One sample through some nodes, of which `known` has what nothing changes; `change` is made to some tensors. */
function run(
  graph: Graph<'float'>,
  nodes: readonly Node[],
  inputs: Values,
  changed: ReadonlySet<string>,
  change: Change,
  known: Values = new Map(),
): Values {
  const values = new Map<string, Tensor>();
  const set = (name: string, tensor: Tensor): void => {
    values.set(name, changed.has(name) ? change(name, tensor) : tensor);
  };
  for (const [name, tensor] of inputs) if (changed.has(name) || !known.has(name)) set(name, tensor);
  const tensorAt = (name: string): Tensor | undefined =>
    graph.tensors.get(name)?.constant ?? values.get(name) ?? known.get(name);
  for (const { op, attrs, inputs: from, outputs } of nodes) {
    const isNew = from.some((name) => values.has(name)) || outputs.some((name) => changed.has(name));
    if (known.size > 0 && !isNew) continue;
    const made = op.reference(attrs, from.map(tensorAt));
    outputs.forEach((output, i) => {
      if (output !== '') set(output, at(made, i));
    });
  }
  return values;
}

/** The mean of squares about the mean. */
function powerOf(runs: readonly Looked[], name: string): number {
  let [count, sum, squares] = [0, 0, 0];
  const all = runs.map(({ real }) => must(real.get(name), 'an output').data);
  for (const { length } of all) count += length;
  for (const data of all) for (const x of data) sum += x;
  const mean = sum / count;
  for (const data of all) for (const x of data) squares += (x - mean) ** 2;
  return squares / count;
}

/** The mean of squares of what a tensor is off. */
function errorOf({ real }: Looked, made: Values, name: string): number {
  const x = must(real.get(name), 'a tensor of the network').data;
  const y = made.get(name)?.data;
  if (y === undefined) return 0;
  let squares = 0;
  for (let i = 0; i < x.length; i++) squares += (at(x, i) - at(y, i)) ** 2;
  return squares / x.length;
}

/** The range that calibration would have found without a sample: what is new in it is cut off, as in samples to come. */
function without({ lo, hi }: Range, sample: number, alone: Alone | undefined): Range {
  const less = (end: Alone['lo'] | undefined): number => (end?.sample === sample ? end.by : 0);
  const [from, to] = [lo + less(alone?.lo), hi - less(alone?.hi)];
  return from < to ? { lo: from, hi: to } : { lo, hi };
}

/** Nodes one after the other, with the tensors that are rounded there. `to`: all that later nodes read of it; absent: the outputs. */
interface Segment {
  readonly nodes: readonly Node[];
  readonly names: readonly string[];
  readonly to?: string;
}

/** Few tensors are told apart by what they do to the outputs, more by what they do to the end of their segment. */
const together = 16;

/** By node: the only tensor that is read behind it; none of them where an output was made before. */
function cutsIn(graph: Graph<'float'>): readonly (string | undefined)[] {
  const last = new Map<string, number>(graph.outputs.map((name) => [name, Infinity]));
  graph.nodes.forEach(({ inputs }, i) => {
    for (const name of inputs) last.set(name, Math.max(i, last.get(name) ?? 0));
  });
  const live = new Set(graph.inputs);
  return graph.nodes.map(({ outputs }, i) => {
    for (const name of outputs) live.add(name);
    for (const name of live) if ((last.get(name) ?? 0) <= i) live.delete(name);
    const [only] = live;
    const isFloat = only !== undefined && graph.tensors.get(only)?.dtype === 'float32';
    return live.size === 1 && isFloat && outputs.includes(only) ? only : undefined;
  });
}

function segmentsIn(graph: Graph<'float'>, names: readonly string[]): readonly Segment[] {
  const cuts = cutsIn(graph);
  const segments: Segment[] = [];
  let [start, inside]: [number, string[]] = [0, names.filter((name) => graph.inputs.includes(name))];
  let left = names.length;
  graph.nodes.forEach(({ outputs }, i) => {
    inside.push(...outputs.filter((name) => names.includes(name)));
    const to = cuts[i];
    if (to === undefined || inside.length < together || left - inside.length < together) return;
    segments.push({ nodes: graph.nodes.slice(start, i + 1), names: inside, to });
    left -= inside.length;
    [start, inside] = [i + 1, []];
  });
  return [...segments, { nodes: graph.nodes.slice(start), names: inside }];
}

type BitsOf = (name: string) => Bits;

/** Which tensors are rounded, to what. `nodes`: those that are run; absent: all. */
interface Rounding {
  readonly changed: ReadonlySet<string>;
  readonly bits: BitsOf;
  readonly ends?: Ends | undefined;
  readonly nodes?: readonly Node[];
}

const meanOf = (numbers: readonly number[]): number =>
  numbers.reduce((sum, x) => sum + x, 0) / numbers.length;

/** What rounding costs the outputs: noise over signal of the output that is farthest off. */
export class RoundingNoise {
  readonly #of: Ranged;
  readonly #known: readonly Looked[];
  readonly #isCut: boolean;
  readonly #segments: readonly Segment[];
  /** Those that vary, and their mean squares about the mean. */
  readonly #outputs: readonly string[];
  readonly #powers: readonly number[];

  /** @param isCut whether what one sample alone brought of a range is cut off of it @param names what is rounded by itself */
  constructor(of: Ranged, samples: readonly Float32Array[], isCut: boolean, names: readonly string[]) {
    const { graph } = of;
    this.#of = of;
    this.#isCut = isCut;
    this.#segments = segmentsIn(graph, names);
    this.#known = samples.map((sample, i) => {
      const inputs = inputTensors(graph, sample);
      return { sample: i, inputs, real: run(graph, graph.nodes, inputs, new Set(), (_, tensor) => tensor) };
    });
    const isSignal = (name: string): boolean =>
      graph.tensors.get(name)?.dtype === 'float32' && !graph.tensors.get(name)?.constant;
    const power = (name: string): number => powerOf(this.#known, name);
    this.#outputs = graph.outputs.filter((name) => isSignal(name) && power(name) > 0);
    this.#powers = this.#outputs.map(power);
  }

  /** Of tensors that are rounded together; and the samples, those that it costs most first. */
  of(
    changed: ReadonlySet<string>,
    bits: BitsOf,
  ): { readonly noise: number; readonly worst: readonly Looked[] } {
    const each = this.#known.map((one) => ({ one, errors: this.#errors(one, { changed, bits }) }));
    const noise = this.#noise(each.map(({ errors }) => errors));
    const worst = each
      .map(({ one, errors }) => ({ one, cost: this.#noise([errors]) }))
      .sort((a, b) => b.cost - a.cost)
      .map(({ one }) => one);
    return { noise, worst };
  }

  /**
   * Of one that is rounded by itself. Where tensors are many, what it does to the end of its segment is told to the outputs
   * by what the segment's tensors do together: the network is not run to its end for each.
   */
  alone(some: readonly Looked[]): (name: string, bits: Bits, ends?: Ends) => number {
    const gains = new Map<Segment, number>();
    return (name, bits, ends) => {
      const segment = must(
        this.#segments.find(({ names }) => names.includes(name)),
        'a tensor of a segment',
      );
      const { nodes, to } = segment;
      const rounding = { changed: new Set([name]), bits: () => bits, ends, nodes };
      if (to === undefined) return this.#noise(some.map((one) => this.#errors(one, rounding)));
      const gain = gains.get(segment) ?? this.#gainOf(some, segment.names, to);
      gains.set(segment, gain);
      return gain * meanOf(some.map((one) => at(this.#errors(one, rounding, [to]), 0)));
    };
  }

  /** Noise over signal at the outputs, by the error at the end of a segment. */
  #gainOf(some: readonly Looked[], names: readonly string[], to: string): number {
    const rounding = { changed: new Set(names), bits: () => 8 as const };
    const all = some.map((one) => this.#errors(one, rounding, [...this.#outputs, to]));
    const error = meanOf(all.map((errors) => must(errors.at(-1), 'of the end')));
    return error > 0 ? this.#noise(all) / error : 0;
  }

  /** @param errors of each sample, at each output */
  #noise(errors: readonly (readonly number[])[]): number {
    const ratios = this.#powers.map((power, i) => meanOf(errors.map((one) => at(one, i))) / power);
    return Math.max(0, ...ratios);
  }

  /** Mean squares of what rounding makes of some tensors of a sample. */
  #errors(one: Looked, rounding: Rounding, names = this.#outputs): readonly number[] {
    const { graph, rangeOf, byChannel, alone } = this.#of;
    const { changed, bits, ends = 'cut', nodes = graph.nodes } = rounding;
    const { sample, inputs, real } = one;
    const change: Change = (name, tensor) => {
      const known = this.#isCut && ends === 'cut' ? alone.get(name) : undefined;
      return rounded(tensor, byChannel.get(name) ?? [without(rangeOf(name), sample, known)], bits(name));
    };
    const made = run(graph, nodes, inputs, changed, change, real);
    return names.map((name) => errorOf(one, made, name));
  }
}
