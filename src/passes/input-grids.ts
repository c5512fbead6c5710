/**
 * Features of very different size in one input (kelvin beside pascal, one of 1e5 beside three of 1) each get a scale
 * and a zero point of their own, if that is worth it: the first layer's columns take the scales, its bias the zero
 * points. What a layer's row makes of rounding its inputs and weights, with steps s of inputs and S of the row:
 *
 *   noise = sum over channels c of  s[c]^2 / 12 |w[c]|^2  +  S^2 / 12 n[c] var[c] / s[c]^2,   S = max |w[c]| s[c] / 127
 *
 * for n[c] weights w[c] of a channel of variance var[c]; its signal is the sum of var[c] |w[c]|^2.
 */
import { at, must } from '../base/errors.ts';
import { type Columns, weightsAt } from '../ir/graph/channels.ts';
import { channelsOf, type Graph } from '../ir/graph/graph.ts';
import type { Range } from '../ir/graph/op.ts';
import { holding, nothingSeen, quantOf, type Seen, widened, withCheapZero } from '../ir/integers/quant.ts';
import type { Quant } from '../ir/kernel/stored.ts';
import { channelCount, countOf } from '../ir/tensor.ts';
import { channelsLast } from '../plan/orders.ts';

interface Channel extends Seen {
  readonly variance: number;
}

/** By index along axis 1. */
function seenIn(samples: readonly Float32Array[], channels: number): readonly Channel[] {
  return Array.from({ length: channels }, (_, c) => {
    let { lo, hi, count, timesLo, timesHi } = nothingSeen;
    let [sum, squares] = [0, 0];
    const [first] = samples;
    const origin = first === undefined ? 0 : at(first, (c * first.length) / channels);
    for (const sample of samples) {
      const plane = sample.length / channels;
      for (const x of sample.subarray(c * plane, (c + 1) * plane)) {
        if (x <= lo) [lo, timesLo] = [x, x === lo ? timesLo + 1 : 1];
        if (x >= hi) [hi, timesHi] = [x, x === hi ? timesHi + 1 : 1];
        // About the first value: squares of 1e5 would drown a variance of 1.
        sum += x - origin;
        squares += (x - origin) ** 2;
        count++;
      }
    }
    const variance = Math.max(0, squares / count - (sum / count) ** 2);
    return { lo, hi, count: samples.length, timesLo, timesHi, variance };
  });
}

/** The weights of one row for some neighbouring channels of a layer's own input; `power` is the sum of squares. */
function weightsIn(columns: Columns, row: number, first: number, end: number) {
  let [count, largest, power] = [0, 0, 0];
  for (let c = first; c < end; c++)
    for (const w of weightsAt(columns, row, c)) {
      count++;
      power += w * w;
      largest = Math.max(largest, Math.abs(w));
    }
  return { count, largest, power };
}

/** A layer that reads the input. */
interface Reader {
  /** By row and channel of the input. */
  readonly rows: readonly (readonly ReturnType<typeof weightsIn>[])[];
  /** What it pads each channel with. */
  readonly padding: readonly number[] | undefined;
}

/** @param channels of the network's input: a linear layer may read as many features of each */
function readerOf(columns: Columns, channels: number): Reader | undefined {
  const each = columns.channels / channels;
  // A reshape in between made an image of other channels.
  if (each > 1 && columns.weights.shape.length > 2) return undefined;
  const rows = Array.from({ length: columns.rows }, (_, row) =>
    Array.from({ length: channels }, (_, c) => weightsIn(columns, row, c * each, (c + 1) * each)),
  );
  return { rows, padding: columns.padding?.values };
}

/** All that read the tensor, through reshapes; undefined where one is no layer. */
function readersOf(graph: Graph<'float'>, name: string, channels: number): readonly Reader[] | undefined {
  const made: Reader[] = [];
  if (graph.outputs.includes(name)) return undefined;
  for (const node of graph.nodes.filter(({ inputs }) => inputs.includes(name))) {
    const { flow, columns } = channelsOf(graph, node);
    const reader = columns && readerOf(columns, channels);
    const more = flow === 'spread' ? readersOf(graph, at(node.outputs, 0), channels) : reader && [reader];
    if (more === undefined) return undefined;
    made.push(...more);
  }
  return made;
}

/** Noise over signal of a layer's rows, on average; rows without a signal do not count. */
function relativeNoise(
  readers: readonly Reader[],
  channels: readonly Channel[],
  steps: readonly number[],
): number {
  let [sum, count] = [0, 0];
  for (const row of readers.flatMap(({ rows }) => rows)) {
    const step = Math.max(...row.map(({ largest }, c) => largest * at(steps, c))) / 127;
    let [noise, signal] = [0, 0];
    row.forEach(({ count, power }, c) => {
      const { variance } = must(channels[c], 'a channel');
      const s = must(steps[c], 'a step per channel');
      signal += variance * power;
      if (variance > 0) noise += (s ** 2 * power + ((step ** 2 * variance) / s ** 2) * count) / 12;
    });
    if (signal > 0) [sum, count] = [sum + noise / signal, count + 1];
  }
  return count === 0 ? 0 : sum / count;
}

/** A scale per channel must save 6 dB, and only where one for all leaves less than 35 dB. */
const worthwhile = 4;
const goodEnough = 10 ** -3.5;

/** Fewer samples say too little of each channel. */
const fewest = 8;

/** Of what never changes: so fine a step that its weights take no bits; a power of two. */
const constantZero = 2 ** 30;

function gridOf({ lo, hi }: Range): Quant {
  if (lo !== hi || lo === 0) return quantOf(withCheapZero({ lo, hi }));
  return { scale: Math.abs(lo) / constantZero, zeroPoint: -Math.sign(lo) * constantZero };
}

/** Scales that float32 can square, and their inverses. */
const isOrdinary = ({ scale }: Quant): boolean => scale > 1e-15 && scale < 1e15;

/**
 * A grid for each index along axis 1 of the only input, or undefined where one for all serves nearly as well, and
 * where axis 1 is not that of the channels, or not the first above 1.
 * @param graph fused; @param samples of the input, in real units, finite
 */
export function inputGrids(
  graph: Graph<'float'>,
  samples: readonly Float32Array[],
): readonly Quant[] | undefined {
  const input = must(graph.inputs[0], 'a float graph has an input');
  const { shape } = must(graph.tensors.get(input), 'the input has a type');
  const count = channelCount(shape);
  if (count === 1 || samples.length < fewest || samples.some(({ length }) => length !== countOf(shape)))
    return undefined;
  if (graph.inputs.length > 1 || shape[0] !== 1 || channelsLast(graph) !== undefined) return undefined;
  const readers = readersOf(graph, input, count);
  if (readers === undefined || readers.length === 0) return undefined;
  const channels = seenIn(samples, count);
  const padded = channels.map((channel, c) => {
    const padding = readers.flatMap((reader) => reader.padding?.[c] ?? []);
    return holding(widened(channel), padding);
  });
  const whole = padded.reduce((all, { lo, hi }) => holding(all, [lo, hi]));
  const together = quantOf(withCheapZero(whole)).scale;
  const grids = padded.map(gridOf);
  const noise = (steps: readonly number[]): number => relativeNoise(readers, channels, steps);
  const [one, own] = [noise(channels.map(() => together)), noise(grids.map(({ scale }) => scale))];
  return one > goodEnough && one > worthwhile * own && grids.every(isOrdinary) ? grids : undefined;
}
