/** From a file's samples to a model's input: resize, pad, scale to 0..1, normalize; in this order. */
import { at, InputError } from '../base/errors.ts';
import { seemsChannelsLast } from '../ir/kernel/memory-order.ts';
import type { Shape } from '../ir/tensor.ts';
import type { Port } from '../program/port.ts';
import type { Normalization } from '../program/program.ts';
import { type AxisOrder, layouts } from './axes.ts';
import { type Dataset, datasetFor, type Geometry, sizeAfter } from './dataset.ts';
import { expanded, type Normalize, pixelNormalization, pixelTable } from './normalize.ts';
import { padPlanes, resizePlanes } from './resized.ts';
import type { Samples } from './samples.ts';

export interface PrepareOptions extends Geometry {
  readonly normalize?: Normalize;
  readonly layout?: AxisOrder;
}

/** Samples ready for a model; each is row-major in the model's own sample shape. */
export interface Prepared {
  readonly where: string;
  readonly count: number;
  /** The model's, without the batch axis. */
  readonly sampleShape: Shape;
  /** Sample i as the network computes with it. */
  real(i: number): Float32Array;
  /** Set where the samples are pixels. */
  readonly pixels?: {
    /** Sample i as a sensor gives it: resized and padded, before any scaling. */
    raw(i: number): Uint8Array;
    /** What turns one into the other. */
    readonly normalization: Normalization;
  };
  readonly labels?: Int32Array;
}

/**
 * The shape of a model's sample, without the batch axis: channels first where it has three axes, unless it says
 * `channelsLast` (then it is height, width, channels).
 */
export type SampleShape = Shape | { readonly channelsLast: Shape };

/** Of a program's input: images lie with channels innermost, so that what lies row-major has them last, unless it says else. */
export function sampleShapeOf({ slot, channelsLast }: Pick<Port, 'slot' | 'channelsLast'>): SampleShape {
  const { shape } = slot;
  const last = channelsLast ?? seemsChannelsLast(slot);
  const sample = shape[0] === 1 && shape.length > 1 ? shape.slice(1) : shape;
  return last ? { channelsLast: sample } : sample;
}

/** Channels, height and width, where a sample has three axes; else its own axes. */
export function channelsFirst(sample: SampleShape): Shape {
  if (!('channelsLast' in sample)) return sample;
  const [height = 1, width = 1, channels = 1] = sample.channelsLast;
  return [channels, height, width];
}

/** From planes to pixels: channel, row, column to row, column, channel. */
function interleaved<T extends Uint8Array | Float32Array>(planes: T, channels: number): T {
  const plane = planes.length / channels;
  return planes.map((_, i) => at(planes, (i % channels) * plane + Math.floor(i / channels))) as T;
}

const isUniform = (numbers: readonly number[]): boolean => numbers.every((x) => x === numbers[0]);

/**
 * The same samples in the order of a model with channels last. One normalization for all channels stays with the
 * pixels; one per channel is done here.
 */
function withChannelsLast({ pixels, ...planes }: Prepared, sampleShape: Shape): Prepared {
  const channels = at(sampleShape, 2);
  const common = { ...planes, sampleShape, real: (i: number) => interleaved(planes.real(i), channels) };
  if (pixels === undefined) return common;
  const { mean, std } = pixels.normalization;
  if (!isUniform(mean) || !isUniform(std)) return common;
  const normalization = { mean: mean.slice(0, 1), std: std.slice(0, 1) };
  return { ...common, pixels: { raw: (i) => interleaved(pixels.raw(i), channels), normalization } };
}

function shaped<T extends Uint8Array | Float32Array>(data: T, dataset: Dataset, geometry: Geometry): T {
  const { resize, pad } = geometry;
  const resized = resize ? resizePlanes(data, dataset.sampleShape, resize.height, resize.width) : data;
  const size = sizeAfter(dataset.sampleShape, resize ? { resize } : {});
  return pad ? padPlanes(resized, size, pad) : resized;
}

function scalePixels(pixels: Uint8Array, tables: readonly Float32Array[]): Float32Array {
  const plane = pixels.length / tables.length;
  const out = new Float32Array(pixels.length);
  tables.forEach((table, c) => {
    for (let i = c * plane; i < (c + 1) * plane; i++) out[i] = at(table, pixels[i] as number);
  });
  return out;
}

function normalizeReal(data: Float32Array, { mean, std }: Normalize): Float32Array {
  const plane = data.length / mean.length;
  return data.map((x, i) => {
    const c = Math.floor(i / plane);
    return Math.fround(x - Math.fround(at(mean, c))) / Math.fround(at(std, c));
  });
}

/**
 * Samples for a model whose input has the shape `sample`. Pixels are scaled to
 * 0..1 before they are normalized; real numbers are only normalized, when that is asked for.
 * @throws InputError when the samples do not fit the model, with the option that would make them.
 */
export function prepare(samples: Samples, sample: SampleShape, options: PrepareOptions = {}): Prepared {
  const planes = prepared(samples, channelsFirst(sample), options);
  return 'channelsLast' in sample ? withChannelsLast(planes, sample.channelsLast) : planes;
}

function prepared(samples: Samples, sampleShape: Shape, options: PrepareOptions): Prepared {
  const dataset = datasetFor(samples, sampleShape, options, options.layout);
  const { where, labels } = samples;
  const [channels] = dataset.sampleShape;
  const normalize = options.normalize ? expanded(options.normalize, channels) : undefined;
  const common = { where, count: dataset.count, sampleShape, ...(labels ? { labels } : {}) };
  if (!dataset.raw) {
    const plain = (i: number): Float32Array => shaped(dataset.get(i), dataset, options);
    return { ...common, real: (i) => (normalize ? normalizeReal(plain(i), normalize) : plain(i)) };
  }
  const { mean, std } = expanded(normalize ?? { mean: [0], std: [1] }, channels);
  const tables = mean.map((m, c) => pixelTable(m, at(std, c)));
  const raw = (i: number): Uint8Array => shaped(dataset.get(i), dataset, options);
  const normalization = pixelNormalization(normalize, channels);
  return { ...common, real: (i) => scalePixels(raw(i), tables), pixels: { raw, normalization } };
}

/** `32x48`: rows by columns. @throws InputError for anything else. */
export function parseResize(text: string): { height: number; width: number } {
  const [, height, width] = /^([1-9][0-9]{0,3})x([1-9][0-9]{0,3})$/.exec(text) ?? [];
  if (height !== undefined && width !== undefined) return { height: Number(height), width: Number(width) };
  throw new InputError({
    where: `--resize ${text}`,
    found: 'not a size',
    supported: 'HEIGHTxWIDTH in pixels',
    todo: 'e.g. --resize 32x32',
  });
}

/** @throws InputError for a layout that is not one of `layouts`. */
export function parseLayout(text: string): AxisOrder {
  const found = layouts.find((layout) => layout === text.toLowerCase());
  if (found !== undefined) return found;
  throw new InputError({
    where: `--layout ${text}`,
    found: 'no such layout',
    supported: layouts.join(', '),
    todo: 'n: samples, c: channels, h: rows, w: columns, outermost first',
  });
}
