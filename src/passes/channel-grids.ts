/**
 * Which activations have a scale and a zero point for each channel: those whose makers and readers all can, and whose
 * readers gain by it. A layer that makes one requantizes each row by itself anyway; one that reads it takes the
 * scales into its columns.
 */
import { at, must } from '../base/errors.ts';
import type { ChannelMap } from '../ir/graph/affine.ts';
import { type Columns, weightsAt } from '../ir/graph/channels.ts';
import { channelsOf, type Graph, type Node } from '../ir/graph/graph.ts';
import type { ChannelSource, Range } from '../ir/graph/op.ts';
import { holding, manyValues, quantOf, widened, withCheapZero } from '../ir/integers/quant.ts';
import { channelCount } from '../ir/tensor.ts';
import type { Calibration, SeenChannel } from './calibrate.ts';
import { viewOf } from './rewrite.ts';
import { wideGridOf } from './wide-grids.ts';

type Floats = Graph<'float'>;

const typeOf = (graph: Floats, name: string) => must(graph.tensors.get(name), `tensor '${name}' is known`);

const makerOf = (graph: Floats, name: string): Node | undefined =>
  graph.nodes.find(({ outputs }) => outputs.includes(name));

const readersOf = (graph: Floats, name: string): readonly Node[] =>
  graph.nodes.filter(({ inputs }) => inputs.includes(name));

const constantsOf = (x: number, count: number): number[] => new Array<number>(count).fill(x);

/** A map that shifts: what takes it, takes every one with gains above 0. */
const someMap = (count: number): ChannelMap => ({
  gain: constantsOf(1, count),
  shift: constantsOf(1, count),
});

const channelsIn = (graph: Floats, name: string): number => channelCount(typeOf(graph, name).shape);

const upTo = (count: number, source: (c: number) => ChannelSource): readonly ChannelSource[] =>
  Array.from({ length: count }, (_, c) => source(c));

/** Where a node makes each channel of one channel that it reads, on that channel's grid; undefined where it does not. */
export function handedOn(graph: Floats, node: Node): readonly ChannelSource[] | undefined {
  const view = viewOf(graph, node);
  const { op, attrs } = node;
  if (op.channelSources !== undefined) return op.channelSources(attrs, view.inputTypes);
  const [from, to] = [at(node.inputs, 0), at(node.outputs, 0)];
  if (op.affine.kind !== 'commuting' || node.outputs.length > 1) return undefined;
  const [count, made] = [channelsIn(graph, from), channelsIn(graph, to)];
  const { flow } = channelsOf(graph, node);
  if (flow === 'spread' && op.alias === true)
    return upTo(made, (c) => ({ input: 0, channel: Math.floor((c * count) / made) }));
  if (flow !== 'kept' || made !== count || !op.affine.commutes(someMap(count), view)) return undefined;
  return upTo(made, (channel) => ({ input: 0, channel }));
}

/** Whether what a node makes can have a grid per channel, when these can. */
function canMake(graph: Floats, node: Node, name: string, can: ReadonlySet<string>): boolean {
  const { op, attrs, inputs, outputs } = node;
  const view = viewOf(graph, node);
  if (outputs.length > 1) return false;
  if (op.affine.kind === 'weighted')
    return op.affine.after(someMap(channelsIn(graph, name)), view) !== undefined;
  if (op.channelGrids?.(attrs, view.inputTypes)) return true;
  return handedOn(graph, node) !== undefined && inputs.some((input) => can.has(input));
}

/** Whether the tensor's zero points may lie between stored numbers: averages have steps of their own. */
function isAveraged(graph: Floats, name: string): boolean {
  const maker = makerOf(graph, name);
  if (maker === undefined || maker.op.affine.kind === 'weighted' || maker.op.channelGrids !== undefined)
    return false;
  return maker.op.anyZeroPoint !== 'moves' || maker.inputs.some((input) => isAveraged(graph, input));
}

function canRead(graph: Floats, node: Node, name: string, can: ReadonlySet<string>): boolean {
  const { op, attrs, inputs, outputs } = node;
  const view = viewOf(graph, node);
  if (op.affine.kind === 'weighted') {
    const { columns } = channelsOf(graph, node);
    const count = channelsIn(graph, name);
    if (columns?.channels !== count || inputs.indexOf(name) !== 0) return false;
    return op.affine.before(someMap(count), view) !== undefined;
  }
  if (op.channelGrids?.(attrs, view.inputTypes)) return !isAveraged(graph, name);
  return handedOn(graph, node) !== undefined && outputs.every((output) => can.has(output));
}

const isCandidate = (graph: Floats, name: string): boolean => {
  const { shape, dtype, constant, real } = typeOf(graph, name);
  if (constant !== undefined || real || dtype !== 'float32' || shape.length < 2 || shape[0] !== 1)
    return false;
  if (channelCount(shape) < 2 || graph.inputs.includes(name) || graph.outputs.includes(name)) return false;
  return wideGridOf(graph, name) === undefined;
};

const besides = ({ inputs, outputs }: Node): readonly string[] => [...inputs, ...outputs];

/** All that could have one. @param fixed nodes that are to know none */
function possible(graph: Floats, fixed: (node: Node) => boolean): ReadonlySet<string> {
  const can = new Set([...graph.tensors.keys()].filter((name) => isCandidate(graph, name)));
  const holds = (name: string): boolean => {
    const [maker, readers] = [makerOf(graph, name), readersOf(graph, name)];
    if (maker === undefined || [maker, ...readers].some(fixed)) return false;
    return canMake(graph, maker, name, can) && readers.every((node) => canRead(graph, node, name, can));
  };
  for (let before = -1; before !== can.size; ) {
    before = can.size;
    for (const name of [...can]) if (!holds(name)) can.delete(name);
  }
  return can;
}

/** Tensors that nodes read or make beside each other: they have grids per channel together, or none of them has. */
function familiesOf(graph: Floats, can: ReadonlySet<string>): readonly ReadonlySet<string>[] {
  const families = new Map([...can].map((name) => [name, new Set([name])]));
  for (const node of graph.nodes) {
    if (node.op.affine.kind === 'weighted') continue;
    const [first, ...others] = [...node.inputs, ...node.outputs].flatMap((name) => families.get(name) ?? []);
    for (const other of others)
      for (const name of other) families.set(name, must(first, 'a family').add(name));
  }
  return [...new Set(families.values())];
}

/**
 * As `widened`, so far out that all `channels` together are left as seldom as one. Where ReLU cut a side off, the other
 * end moves as if that side were there.
 */
function widenedChannel(seen: SeenChannel, channels: number): Range {
  const { lo, hi, timesLo } = seen;
  const values = manyValues * channels;
  if (lo < 0 || timesLo < 2) return widened(seen, values);
  return { lo, hi: widened({ ...seen, lo: -hi, timesLo: 1 }, values).hi };
}

/** What the values of a channel span: with what readers pad it with, and 0 where some operator needs it. */
function rangesOf(graph: Floats, name: string, { channels }: Calibration): readonly Range[] {
  const seen = must(channels.get(name), `tensor '${name}' was calibrated`);
  const maker = makerOf(graph, name);
  const held = heldBy(graph, name);
  return seen.map((channel, c) => {
    const zero = maker?.op.anyZeroPoint === undefined ? [0] : [];
    return withCheapZero(holding(widenedChannel(channel, seen.length), [...zero, ...at(held, c)]));
  });
}

/** What readers need each channel to hold. */
function heldBy(graph: Floats, name: string): readonly (readonly number[])[] {
  const held = Array.from({ length: channelsIn(graph, name) }, (): number[] => []);
  for (const node of readersOf(graph, name)) {
    const isLayer = node.op.affine.kind === 'weighted';
    const sources = isLayer ? undefined : handedOn(graph, node);
    if (sources === undefined) {
      const needed = isLayer ? channelsOf(graph, node).columns?.padding?.values : constantsOf(0, held.length);
      for (const [c, value] of (needed ?? []).entries()) held[c]?.push(value);
      continue;
    }
    const behind = heldBy(graph, at(node.outputs, 0));
    sources.forEach(({ input, channel }, c) => {
      if (node.inputs[input] === name) held[channel]?.push(...at(behind, c));
    });
  }
  return held;
}

/**
 * How much finer a channel's steps are at most than those of one grid for all. One that ReLU lets through now and then
 * may be much larger in unseen inputs: the fewer samples there are, the less is known of it.
 */
const finest = ({ lo, timesLo }: SeenChannel, samples: number): number =>
  lo === 0 && timesLo > 1 ? Math.max(4, samples / 4) : 2 ** 10;

/** The ranges of a tensor's channels, none of them far below the largest. */
function steadyRanges(graph: Floats, name: string, calibration: Calibration): readonly Range[] {
  const ranges = rangesOf(graph, name, calibration);
  const width = ({ lo, hi }: Range): number => hi - lo;
  const most = Math.max(...ranges.map(width));
  const seen = must(calibration.channels.get(name), `tensor '${name}' was calibrated`);
  return ranges.map((range, c) => {
    const { lo, hi } = range;
    const more = Math.max(0, most / finest(at(seen, c), calibration.samples) - width(range));
    // Away from 0 on its own side.
    const below = lo >= 0 ? 0 : hi <= 0 ? more : more / 2;
    return { lo: lo - below, hi: hi + more - below };
  });
}

interface Noise {
  readonly one: number;
  readonly own: number;
}

function sizesOf(weights: Iterable<number>) {
  let [count, largest, power] = [0, 0, 0];
  for (const w of weights) {
    count++;
    power += w * w;
    largest = Math.max(largest, Math.abs(w));
  }
  return { count, largest, power };
}

/** The square of what rounding the inputs and the weights makes of a row's sum. */
function rowNoise(
  columns: Columns,
  row: number,
  channels: readonly SeenChannel[],
  steps: readonly number[],
): number {
  const own = channels.map((_, c) => sizesOf(weightsAt(columns, row, c)));
  const step = Math.max(...own.map(({ largest }, c) => largest * at(steps, c))) / 127;
  return own.reduce((noise, { largest, power, count }, c) => {
    if (largest === 0) return noise;
    const { variance } = at(channels, c);
    return noise + (at(steps, c) ** 2 * power + ((step ** 2 * variance) / at(steps, c) ** 2) * count) / 12;
  }, 0);
}

/** Mean square of what a layer made. */
function powerOf(name: string, { channels, means }: Calibration): number {
  const [seen, mean] = [must(channels.get(name), 'a calibrated tensor'), must(means.get(name), 'its means')];
  return seen.reduce((sum, { variance }, c) => sum + variance + at(mean, c) ** 2, 0) / seen.length;
}

/** Of all layers that read a tensor of a family, relative to what they make. */
function noises(
  graph: Floats,
  family: ReadonlySet<string>,
  calibration: Calibration,
  bits: 16 | undefined,
): readonly Noise[] {
  return [...family].flatMap((name) => {
    const ranges = steadyRanges(graph, name, calibration);
    const whole = ranges.reduce((all, { lo, hi }) => holding(all, [lo, hi]));
    const together = quantOf(withCheapZero(whole), bits).scale;
    const own = ranges.map((range) => quantOf(range).scale);
    const seen = must(calibration.channels.get(name), `tensor '${name}' was calibrated`);
    return readersOf(graph, name).flatMap((node): readonly Noise[] => {
      const { columns } = channelsOf(graph, node);
      const power = powerOf(at(node.outputs, 0), calibration);
      if (node.op.affine.kind !== 'weighted' || columns === undefined || power === 0) return [];
      const rows = Array.from({ length: columns.rows }, (_, row) => row);
      const noise = (steps: readonly number[]): number =>
        rows.reduce((sum, row) => sum + rowNoise(columns, row, seen, steps), 0) / (rows.length * power);
      return [{ one: noise(own.map(() => together)), own: noise(own) }];
    });
  });
}

/**
 * A scale per channel must save 6 dB, only where one for all leaves less than 31 dB, and leave 20 dB itself. Of seven
 * networks with 31 to 35 dB in some tensor the outputs changed by -0.5 to 0.6 dB: other tensors' rounding is more.
 */
const worthwhile = 4;
const goodEnough = 10 ** -3.1;
const hopeless = 10 ** -2;
/** Fewer samples say too little of each channel. */
const fewest = 8;

const pays = ({ one, own }: Noise): boolean => one > goodEnough && one > worthwhile * own && own < hopeless;

export interface ChannelChoice {
  /** Whether a layer's weights lie on grids already, which gains of columns would leave. */
  readonly isFixed: (node: string) => boolean;
  /** Whether a tensor has 16 bits or a grid of the model's file: operators know one of the two beside each other. */
  readonly isWide: (tensor: string) => boolean;
  /** Wherever it can be, worth it or not. */
  readonly all: boolean;
  /** Of one grid for all; absent: 8. With 16, weights alone gain by grids of channels. */
  readonly bits?: 16 | undefined;
}

/** The ranges of each channel, by the tensors that have a grid for each. */
export function channelRanges(
  graph: Floats,
  calibration: Calibration,
  { isFixed, isWide, all, bits }: ChannelChoice,
): ReadonlyMap<string, readonly Range[]> {
  if (!all && (calibration.samples < fewest || calibration.method !== 'minmax')) return new Map();
  const chosen = familiesOf(
    graph,
    possible(graph, (node) => isFixed(node.name) || besides(node).some(isWide)),
  ).filter((family) => all || noises(graph, family, calibration, bits).some(pays));
  const names = chosen.flatMap((family) => [...family]);
  return new Map(names.map((name) => [name, steadyRanges(graph, name, calibration)]));
}
