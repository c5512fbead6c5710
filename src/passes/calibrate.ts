/** Calibration: the float network runs on sample inputs, and every activation's range is noted. */
import { at, holds, InputError, must } from '../base/errors.ts';
import { evaluate, inputCount, inputTensors } from '../ir/graph/evaluate.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import type { Range } from '../ir/graph/op.ts';
import { holding, nothingSeen, rangeOfGrid, type Seen, widened } from '../ir/integers/quant.ts';
import { channelCount, countOf, showShape, type Tensor } from '../ir/tensor.ts';
import { channelsLast } from '../plan/orders.ts';
import { requireFiniteActivation } from './finite.ts';
import { boundsOf } from './given-bounds.ts';

/**
 * How a range is chosen: `minmax` takes all values, and room for more where they are fewer than a thousand;
 * `percentile` leaves out 0.01 % at either end; `mse` takes the clipped range with the least squared error of an
 * 8-bit grid.
 */
export type CalibrationMethod = 'minmax' | 'percentile' | 'mse';

/** The observed ranges of activations, in real units. */
export interface Calibration {
  readonly method: CalibrationMethod;
  readonly samples: number;
  /** By tensor name. */
  readonly ranges: ReadonlyMap<string, Range>;
  /** By node name: of what nodes keep inside (`CanonicalOp.inside`), by `minmax`. */
  readonly insideRanges: ReadonlyMap<string, Range>;
  /** By tensor name: what one sample alone decides of a range. */
  readonly alone: ReadonlyMap<string, Alone>;
  /** Mean per channel (axis 1), by tensor name. */
  readonly means: ReadonlyMap<string, Float64Array>;
  /** The same channels' extremes and variances. */
  readonly channels: ReadonlyMap<string, readonly SeenChannel[]>;
}

type Ends = Omit<Seen, 'count'>;

/** A channel's values; `count` of a channel's values in a sample, which are alike, is 1. */
export interface SeenChannel extends Seen {
  readonly variance: number;
}

/** An end of a range that one sample brought. */
interface End {
  readonly sample: number;
  /** By how much the range would be narrower without it; 0 or more. */
  readonly by: number;
}

/** For both ends of a range. */
export interface Alone {
  readonly lo: End;
  readonly hi: End;
}

/** The largest numbers of samples: the most, of which sample that is, and the most of the others. */
interface Largest {
  readonly sample: number;
  readonly most: number;
  readonly next: number;
}

const none: Largest = { sample: -1, most: -Infinity, next: -Infinity };

const withSample = (of: Largest, sample: number, most: number): Largest =>
  most > of.most ? { sample, most, next: of.most } : { ...of, next: Math.max(of.next, most) };

const endOf = ({ sample, most, next }: Largest): End => ({ sample, by: next > -Infinity ? most - next : 0 });

const bins = 2048;

/** What is gathered of one channel. Its sums are of distances from its first value, whose squares would drown a small variance. */
interface GatheredChannel {
  lo: number;
  hi: number;
  timesLo: number;
  timesHi: number;
  origin: number;
  sum: number;
  squares: number;
}

/** What is gathered of one activation. */
interface Gathered {
  lo: number;
  hi: number;
  timesLo: number;
  timesHi: number;
  highs: Largest;
  /** Of the numbers' negatives. */
  lows: Largest;
  readonly sums: Float64Array;
  readonly channels: readonly GatheredChannel[];
  /** Values per channel summed up. */
  count: number;
  readonly histogram: Float64Array;
}

/**
 * Runs a network on samples and notes the range of every tensor.
 * @param samples inputs of the network's own shape, in real units; of several inputs one after the other.
 * @throws InputError for no samples, a wrong length, or numbers that are not finite.
 */
export function calibrate(
  graph: Graph<'float'>,
  samples: readonly Float32Array[],
  method: CalibrationMethod,
  onProgress?: (done: number, total: number) => void,
): Calibration {
  checkSamples(samples, graph);
  const gathered = new Map<string, Gathered>();
  const inside = new Map<string, Gathered>();
  const passes = method === 'minmax' ? [gatherRange] : [gatherRange, gatherHistogram];
  passes.forEach((gather, pass) => {
    samples.forEach((sample, i) => {
      onProgress?.(pass * samples.length + i, passes.length * samples.length);
      const note = (name: string, tensor: Tensor): void => {
        if (graph.tensors.get(name)?.constant !== undefined) return;
        if (pass === 0) requireFiniteActivation(graph, name, tensor);
        gather(gathered, name, tensor, i);
      };
      evaluate(graph, inputTensors(graph, sample), note, (node, tensor) =>
        gatherRange(inside, node, tensor, i),
      );
    });
    for (const g of [...gathered.values(), ...inside.values()]) Object.assign(g, together(g.channels));
  });
  const entries = [...gathered];
  return {
    method,
    samples: samples.length,
    ranges: new Map(
      entries.map(([name, g]) => [name, rangeOf(g, method, samples.length * channelsIn(graph, name))]),
    ),
    insideRanges: new Map(
      [...inside].map(([node, g]) => [node, rangeOf(g, 'minmax', samples.length * g.sums.length)]),
    ),
    alone: new Map(entries.map(([name, g]) => [name, { lo: endOf(g.lows), hi: endOf(g.highs) }])),
    means: new Map(entries.map(([name, g]) => [name, g.sums.map((sum) => sum / g.count)])),
    channels: new Map(
      entries.map(([name, g]) => [
        name,
        g.channels.map((channel) => seenOf(channel, samples.length, g.count)),
      ]),
    ),
  };
}

/**
 * The ranges of the grids that the file gives activations, and of those between the bounds that they have, without a sample.
 * @throws InputError for a tensor without either: it names the tensor
 */
export function givenCalibration(graph: Graph<'float'>): Calibration {
  const ranges = new Map<string, Range>();
  for (const name of [...graph.inputs, ...graph.nodes.flatMap(({ outputs }) => outputs)]) {
    const info = graph.tensors.get(name);
    if (info?.dtype !== 'float32') continue;
    const maker = graph.nodes.find(({ outputs }) => outputs.includes(name));
    // Float32 has no grid that would need a range.
    if (info.real === true) ranges.set(name, { lo: 0, hi: 0 });
    else if (info.grid !== undefined) ranges.set(name, rangeOfGrid(info.grid));
    else if (maker?.op.fixedGrid !== undefined && !readsWide(graph, maker))
      ranges.set(name, { lo: 0, hi: 1 });
    else ranges.set(name, boundsIn(graph, name, maker, ranges));
  }
  const none = new Map<string, never>();
  return {
    method: 'minmax',
    samples: 0,
    ranges,
    insideRanges: none,
    alone: none,
    means: none,
    channels: none,
  };
}

function boundsIn(
  graph: Graph<'float'>,
  name: string,
  maker: Node | undefined,
  known: ReadonlyMap<string, Range>,
): Range {
  const bounds = maker === undefined ? undefined : boundsOf(graph, maker, known);
  if (bounds !== undefined && Number.isFinite(bounds.lo) && Number.isFinite(bounds.hi)) return bounds;
  throw withoutGrid(name, maker);
}

/** Whether its grid depends on how large integers are. */
const readsWide = (graph: Graph<'float'>, { inputs }: Node): boolean =>
  inputs.some((name) => !['float32', 'uint8', 'int8', 'bool'].includes(graph.tensors.get(name)?.dtype ?? ''));

const withoutGrid = (name: string, maker: Node | undefined): InputError =>
  new InputError({
    where: maker === undefined ? `input '${name}'` : `node '${maker.name}'`,
    found: `its tensor '${name}' is float32 in the quantized model`,
    supported: 'tensors with a scale and zero point in the file, or ranges of some hundred inputs',
    todo: 'give training inputs with --calibrate FILE: this tensor then gets 8 bits',
  });

/** @param values of the channel, in all samples */
const seenOf = (
  { lo, hi, timesLo, timesHi, sum, squares }: GatheredChannel,
  count: number,
  values: number,
): SeenChannel => ({
  lo,
  hi,
  timesLo,
  timesHi,
  count,
  variance: Math.max(0, squares / values - (sum / values) ** 2),
});

/** Along axis 1, or the last axis of an input whose channels are there. */
function channelsIn(graph: Graph<'float'>, name: string): number {
  const { shape } = must(graph.tensors.get(name), `tensor '${name}' is known`);
  const last = graph.inputs.includes(name) && channelsLast(graph, name) !== undefined;
  return shape.at(last ? -1 : 1) ?? 1;
}

/** @throws InputError for no samples, a wrong length, or numbers that are not finite. */
export function checkSamples(samples: readonly Float32Array[], graph: Graph<'float'>): void {
  const count = inputCount(graph);
  if (samples.length === 0)
    throw new InputError({
      where: 'calibration',
      found: 'no samples',
      supported: '1 to a few thousand inputs',
      todo: 'give some of the training inputs with --calibrate',
    });
  samples.forEach((sample, i) => {
    const where = `calibration sample ${i}`;
    if (sample.length !== count)
      throw new InputError({
        where,
        found: `${sample.length} numbers`,
        supported: inputWords(graph, count),
      });
    const odd = sample.findIndex((x) => !Number.isFinite(x));
    if (odd >= 0)
      throw new InputError({
        where,
        found: `a number that is not finite: ${sample[odd]} at element ${odd}`,
        todo: 'remove the sample',
      });
  });
}

/** `1x3x8x8 = 192 numbers, the network's input`, or of several inputs how many each has. */
function inputWords({ inputs, tensors }: Graph<'float'>, count: number): string {
  const shapes = inputs.map((input) => must(tensors.get(input), 'an input has a type').shape);
  if (shapes.length === 1) return `${shapes.map(showShape).join()} = ${count} numbers, the network's input`;
  const each = shapes.map((shape, i) => `${showShape(shape)} of '${inputs[i]}'`);
  return `${count} numbers: ${each.join(', ')}, one after the other`;
}

/** Field by field: a network may have 200,000 channels. */
const nothingGathered = (): GatheredChannel => ({
  lo: Infinity,
  hi: -Infinity,
  timesLo: 0,
  timesHi: 0,
  origin: 0,
  sum: 0,
  squares: 0,
});

function gatherRange(all: Map<string, Gathered>, name: string, tensor: Tensor, sample: number): void {
  const channels = channelCount(tensor.shape);
  let g = all.get(name);
  if (g === undefined) {
    g = {
      ...nothingSeen,
      highs: none,
      lows: none,
      sums: new Float64Array(channels),
      channels: Array.from({ length: channels }, nothingGathered),
      count: 0,
      histogram: new Float64Array(bins),
    };
    all.set(name, g);
  }
  const inner = countOf(tensor.shape.slice(2));
  g.count += tensor.data.length / channels;
  const extremes = { lo: Infinity, hi: -Infinity };
  for (let part = 0; part < tensor.data.length / inner; part++) {
    const c = part % channels;
    const sum = gatherChannel(at(g.channels, c), extremes, tensor.data, part * inner, (part + 1) * inner);
    g.sums[c] = at(g.sums, c) + sum;
  }
  g.highs = withSample(g.highs, sample, extremes.hi);
  g.lows = withSample(g.lows, sample, -extremes.lo);
}

/** Of the values from `from` to `to`, read unchecked and once. @returns their sum */
function gatherChannel(
  g: GatheredChannel,
  extremes: { lo: number; hi: number },
  values: Tensor['data'],
  from: number,
  to: number,
): number {
  holds(values, to);
  if (g.lo > g.hi) g.origin = at(values, from);
  const { origin } = g;
  let { squares } = g;
  let [sum, lo, hi, timesLo, timesHi] = [0, Infinity, -Infinity, 0, 0];
  for (let i = from; i < to; i++) {
    const x = values[i] as number;
    const far = x - origin;
    sum += x;
    squares += far * far;
    if (x <= lo) {
      timesLo = x === lo ? timesLo + 1 : 1;
      lo = x;
    }
    if (x >= hi) {
      timesHi = x === hi ? timesHi + 1 : 1;
      hi = x;
    }
  }
  if (lo <= g.lo) g.timesLo = lo === g.lo ? g.timesLo + timesLo : timesLo;
  if (hi >= g.hi) g.timesHi = hi === g.hi ? g.timesHi + timesHi : timesHi;
  g.lo = Math.min(g.lo, lo);
  g.hi = Math.max(g.hi, hi);
  g.squares = squares;
  g.sum = g.sum + sum - (to - from) * origin;
  extremes.lo = Math.min(extremes.lo, lo);
  extremes.hi = Math.max(extremes.hi, hi);
  return sum;
}

/** The extremes of all; an end that several have was met as often as in all of them. */
function together(channels: readonly Ends[]): Ends {
  let { lo, hi, timesLo, timesHi } = nothingSeen;
  for (const c of channels) {
    if (c.lo <= lo) [lo, timesLo] = [Math.min(lo, c.lo), c.lo === lo ? timesLo + c.timesLo : c.timesLo];
    if (c.hi >= hi) [hi, timesHi] = [Math.max(hi, c.hi), c.hi === hi ? timesHi + c.timesHi : c.timesHi];
  }
  return { lo, hi, timesLo, timesHi };
}

function gatherHistogram(all: Map<string, Gathered>, name: string, tensor: Tensor): void {
  const g = must(all.get(name), 'the first pass saw every tensor');
  if (g.hi === g.lo) return;
  const perUnit = bins / (g.hi - g.lo);
  for (const x of tensor.data) {
    const bin = Math.min(bins - 1, Math.floor((x - g.lo) * perUnit));
    g.histogram[bin] = at(g.histogram, bin) + 1;
  }
}

/** @param count of channels in all samples: pixels of one channel of one sample are alike, and count as one value */
function rangeOf(g: Gathered, method: CalibrationMethod, count: number): Range {
  switch (method) {
    case 'minmax':
      return widened({ ...g, count });
    case 'percentile':
      return percentileRange(g, 1e-4);
    case 'mse':
      return leastSquaresRange(g);
    default:
      return method satisfies never;
  }
}

const holdsZero = ({ lo, hi }: Range): boolean => lo <= 0 && hi >= 0;

/** The range without the fraction `tail` of the values at either end; a 0 stays inside. */
function percentileRange(g: Gathered, tail: number): Range {
  const total = g.histogram.reduce((sum, n) => sum + n, 0);
  const width = (g.hi - g.lo) / bins;
  const end = (order: Float64Array): number => {
    let seen = 0;
    const at = order.findIndex((n) => {
      seen += n;
      return seen > total * tail;
    });
    return Math.max(0, at) * width;
  };
  const range = { lo: g.lo + end(g.histogram), hi: g.hi - end(g.histogram.toReversed()) };
  return holdsZero(g) ? holding(range, [0]) : range;
}

/** The largest fraction of the range tried first, so that ties keep it whole. */
const fractions = Array.from({ length: 36 }, (_, i) => 1 - i * 0.02);

function leastSquaresRange(g: Gathered): Range {
  if (g.hi === g.lo) return { lo: g.lo, hi: g.hi };
  let best: Range = { lo: g.lo, hi: g.hi };
  let least = Infinity;
  const fixed = holdsZero(g) ? 0 : (g.lo + g.hi) / 2;
  for (const fraction of fractions) {
    const range = { lo: fixed + (g.lo - fixed) * fraction, hi: fixed + (g.hi - fixed) * fraction };
    const error = squaredError(g, range);
    if (error < least) [best, least] = [range, error];
  }
  return best;
}

/** step^2 / 12 for each value inside, the squared distance for each outside. */
function squaredError(g: Gathered, range: Range): number {
  const width = (g.hi - g.lo) / bins;
  const rounding = ((range.hi - range.lo) / 255) ** 2 / 12;
  let error = 0;
  g.histogram.forEach((n, bin) => {
    const x = g.lo + (bin + 0.5) * width;
    const outside = Math.max(range.lo - x, x - range.hi, 0);
    error += n * (outside > 0 ? outside * outside : rounding);
  });
  return error;
}
