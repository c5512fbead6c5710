/** Calibration: the float network runs on sample inputs, and every activation's range is noted. */
import { at, InputError, must } from '../base/errors.ts';
import { evaluate, inputCount, inputTensors } from '../ir/graph/evaluate.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import type { Range } from '../ir/graph/op.ts';
import { holding, nothingSeen, rangeOfGrid, widened } from '../ir/integers/quant.ts';
import { channelCount, countOf, showShape, type Tensor } from '../ir/tensor.ts';
import { channelsLast } from '../plan/orders.ts';
import { requireFiniteActivation } from './finite.ts';

/**
 * How a range is chosen: `minmax` takes all values, and room for more where they are fewer than a thousand;
 * `percentile` leaves out 0.01 % at either end; `mse` takes the clipped range with the least squared error of an
 * 8-bit grid.
 */
export type CalibrationMethod = 'minmax' | 'percentile' | 'mse';

export interface Calibration {
  readonly method: CalibrationMethod;
  readonly samples: number;
  /** By tensor name. */
  readonly ranges: ReadonlyMap<string, Range>;
  /** By node name: of what nodes keep inside (`CanonicalOp.inside`), by `minmax`. */
  readonly insideRanges: ReadonlyMap<string, Range>;
  /** Mean per channel (axis 1), by tensor name. */
  readonly means: ReadonlyMap<string, Float64Array>;
}

const bins = 2048;

/** What is gathered of one activation. */
interface Gathered {
  lo: number;
  hi: number;
  timesLo: number;
  timesHi: number;
  readonly sums: Float64Array;
  /** Values per channel summed up. */
  count: number;
  readonly histogram: Float64Array;
}

/**
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
        gather(gathered, name, tensor);
      };
      evaluate(graph, inputTensors(graph, sample), note, (node, tensor) => gatherRange(inside, node, tensor));
    });
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
    means: new Map(entries.map(([name, g]) => [name, g.sums.map((sum) => sum / g.count)])),
  };
}

/**
 * The ranges of the grids that the file gives all activations, without a sample.
 * @throws InputError for one without a grid: it names the tensor
 */
export function givenCalibration(graph: Graph<'float'>): Calibration {
  const ranges = new Map<string, Range>();
  for (const name of [...graph.inputs, ...graph.nodes.flatMap(({ outputs }) => outputs)]) {
    const info = graph.tensors.get(name);
    if (info?.dtype !== 'float32') continue;
    const maker = graph.nodes.find(({ outputs }) => outputs.includes(name));
    if (info.grid !== undefined) ranges.set(name, rangeOfGrid(info.grid));
    else if (maker?.op.fixedGrid !== undefined) ranges.set(name, { lo: 0, hi: 1 });
    else throw withoutGrid(name, maker);
  }
  return { method: 'minmax', samples: 0, ranges, insideRanges: new Map(), means: new Map() };
}

const withoutGrid = (name: string, maker: Node | undefined): InputError =>
  new InputError({
    where: maker === undefined ? `input '${name}'` : `node '${maker.name}'`,
    found: `its tensor '${name}' is float32 in the quantized model`,
    supported: 'tensors with a scale and zero point in the file, or ranges of some hundred inputs',
    todo: 'give training inputs with --calibrate FILE: this tensor then gets 8 bits of its own',
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

function gatherRange(all: Map<string, Gathered>, name: string, tensor: Tensor): void {
  const channels = channelCount(tensor.shape);
  let g = all.get(name);
  if (g === undefined) {
    g = {
      ...nothingSeen,
      sums: new Float64Array(channels),
      count: 0,
      histogram: new Float64Array(bins),
    };
    all.set(name, g);
  }
  const inner = countOf(tensor.shape.slice(2));
  g.count += tensor.data.length / channels;
  let { lo, hi, timesLo, timesHi } = g;
  for (let part = 0; part < tensor.data.length / inner; part++) {
    const c = part % channels;
    let sum = 0;
    for (const x of tensor.data.subarray(part * inner, (part + 1) * inner)) {
      sum += x;
      if (x <= lo) [lo, timesLo] = [x, x === lo ? timesLo + 1 : 1];
      if (x >= hi) [hi, timesHi] = [x, x === hi ? timesHi + 1 : 1];
    }
    g.sums[c] = at(g.sums, c) + sum;
  }
  Object.assign(g, { lo, hi, timesLo, timesHi });
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
