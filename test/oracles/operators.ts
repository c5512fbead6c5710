/**
 * The integer model: every quantized operator as the plainest loops over row-major (ONNX) order. Nothing here
 * knows of memory, layouts, fusion or C, and nothing is shared with the kernels but the integers themselves.
 */

import type { QuantizedMac } from '../../src/ir/integers/mac.ts';
import type { QuantizedAdd } from '../../src/ir/ops/add.ts';
import type { QuantizedAverage } from '../../src/ir/ops/avg-pool.ts';
import type { Lookup } from '../../src/ir/ops/common/pointwise.ts';
import type { ConvAttrs, QuantizedConv } from '../../src/ir/ops/conv.ts';
import type { AffineSum } from '../../src/ir/ops/kernels/affine-sum.ts';
import type { Curve } from '../../src/ir/ops/kernels/chords.ts';
import type { PoolAttrs } from '../../src/ir/ops/max-pool.ts';
import type { MoveAttrs, QuantizedMove } from '../../src/ir/ops/move.ts';
import { additionOf, averageOf, type Grid } from './cmsis-nn.ts';
import { byteOf } from './requantize.ts';

/** Stored numbers in row-major order: bytes, or of 16 bits; `Int32Array` before they are stored. */
export interface Bytes {
  readonly shape: readonly number[];
  readonly data: Uint8Array | Int16Array | Int32Array;
}

const product = (sizes: readonly number[]): number => sizes.reduce((n, size) => n * size, 1);

/** channels x height x width of an image with one or two spatial axes. */
interface Image {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly data: Bytes['data'];
}

const imageOf = ({ shape, data }: Bytes): Image => ({
  channels: shape[1]!,
  height: shape.length === 4 ? shape[2]! : 1,
  width: shape.at(-1)!,
  data,
});

/** A window operator's lists for two axes; of one axis, the first is the trivial one. */
interface Window {
  readonly kernel: readonly [number, number];
  readonly strides: readonly [number, number];
  readonly dilations: readonly [number, number];
  /** top, left, bottom, right */
  readonly pads: readonly [number, number, number, number];
}

type WindowLists = Pick<PoolAttrs, 'kernel' | 'strides' | 'dilations' | 'pads'>;

function windowOf({ kernel, strides, dilations, pads }: WindowLists): Window {
  if (kernel.length === 2)
    return {
      kernel: [kernel[0]!, kernel[1]!],
      strides: [strides[0]!, strides[1]!],
      dilations: [dilations[0]!, dilations[1]!],
      pads: [pads[0]!, pads[1]!, pads[2]!, pads[3]!],
    };
  return {
    kernel: [1, kernel[0]!],
    strides: [1, strides[0]!],
    dilations: [1, dilations[0]!],
    pads: [0, pads[0]!, 0, pads[1]!],
  };
}

function sizesAfter(w: Window, { height, width }: Image): readonly [number, number] {
  const along = (size: number, before: number, after: number, axis: 0 | 1): number =>
    Math.floor((size + before + after - (w.kernel[axis] - 1) * w.dilations[axis] - 1) / w.strides[axis]) + 1;
  return [along(height, w.pads[0], w.pads[2], 0), along(width, w.pads[1], w.pads[3], 1)];
}

/** Calls `visit` with the input coordinates under each tap of the window at output (y, x). */
function eachTap(
  w: Window,
  y: number,
  x: number,
  visit: (iy: number, ix: number, tap: number) => void,
): void {
  for (let ky = 0; ky < w.kernel[0]; ky++)
    for (let kx = 0; kx < w.kernel[1]; kx++)
      visit(
        y * w.strides[0] - w.pads[0] + ky * w.dilations[0],
        x * w.strides[1] - w.pads[1] + kx * w.dilations[1],
        ky * w.kernel[1] + kx,
      );
}

const inside = (image: Image, iy: number, ix: number): boolean =>
  iy >= 0 && iy < image.height && ix >= 0 && ix < image.width;

const shapeLike = (x: Bytes, channels: number, height: number, width: number): readonly number[] =>
  x.shape.length === 4 ? [1, channels, height, width] : [1, channels, width];

/** Convolution, then (where fused) the max-pool of its stored bytes. */
export function convOracle(attrs: ConvAttrs, q: QuantizedConv, x: Bytes): Bytes {
  const [image, w] = [imageOf(x), windowOf(attrs)];
  const outs = q.bias.length;
  const depth = image.channels / attrs.groups;
  const taps = w.kernel[0] * w.kernel[1];
  const [height, width] = sizesAfter(w, image);
  const data = new Int32Array(outs * height * width);
  for (let oc = 0; oc < outs; oc++) {
    const first = Math.floor(oc / (outs / attrs.groups)) * depth;
    for (let y = 0; y < height; y++)
      for (let ox = 0; ox < width; ox++) {
        let acc = q.bias[oc]!;
        for (let i = 0; i < depth; i++)
          eachTap(w, y, ox, (iy, ix, tap) => {
            const c = first + i;
            const stored = inside(image, iy, ix)
              ? image.data[(c * image.height + iy) * image.width + ix]!
              : q.padding[c]!;
            acc += stored * q.weights[(oc * depth + i) * taps + tap]!;
          });
        data[(oc * height + y) * width + ox] = layerByte(q, acc, oc);
      }
  }
  const made = { shape: shapeLike(x, outs, height, width), data };
  return looked(q, attrs.pool === undefined ? made : maxPoolOracle(attrs.pool, made));
}

/** Of a sum, where those below 0 may be on another slope. */
function layerByte(
  { up = 0, requant, saturation, slopes }: QuantizedMac,
  acc: number,
  channel: number,
): number {
  const [slope, sum] = [slopes?.[channel] ?? 1, acc * 2 ** up];
  if (sum >= 0) return byteOf(sum, requant, channel, saturation);
  const below = {
    ...requant,
    multiplier: requant.multiplier.map((m) => Math.max(1, Math.round(Math.abs(slope) * m))),
    scale: requant.scale.map((s) => Math.abs(slope) * s),
  };
  return byteOf(slope < 0 ? -sum : sum, below, channel, saturation);
}

/** The function behind a layer. */
const looked = ({ table }: QuantizedMac, { shape, data }: Bytes): Bytes => ({
  shape,
  data: table === undefined ? data : Int32Array.from(data, (x) => table[x]!),
});

export function linearOracle(q: QuantizedMac, x: Bytes): Bytes {
  const outs = q.bias.length;
  const features = x.data.length;
  const data = new Int32Array(outs);
  for (let o = 0; o < outs; o++) {
    let acc = q.bias[o]!;
    for (let f = 0; f < features; f++) acc += x.data[f]! * q.weights[o * features + f]!;
    data[o] = layerByte(q, acc, o);
  }
  return looked(q, { shape: [1, outs], data });
}

/** floor((multiplier * stored + bias) / 2^shift), saturated. */
export const clipOracle = (q: AffineSum, { shape, data }: Bytes): Bytes => ({
  shape,
  data: Int32Array.from(data, (byte) =>
    Math.min(q.hi, Math.max(q.lo, Math.floor((q.multipliers[0]! * byte + q.bias) / 2 ** q.shift))),
  ),
});

/** A function of one byte, as it is stored. */
export function lookupOracle(q: Lookup, { shape, data }: Bytes): Bytes {
  if ('curve' in q) return { shape, data: Int32Array.from(data, (x) => onCurve(q.curve, x)) };
  const { table } = q;
  return { shape, data: Int32Array.from(data, (byte) => table[byte]!) };
}

/** Where the entries of a curve stand along one side, by distance from the zero point: [first entry, distance, step]. */
const stretches = [
  [514, 4096, 256],
  [257, 256, 16],
  [0, 0, 1],
] as const;

/** On the straight line between the two entries around a number, halves up twice: in the entries' unit, then in steps. */
function onCurve({ kind, zeroPoint, entries, finer }: Curve, x: number): number {
  const steps = (y: number): number => (finer === 0 ? y : Math.floor(y / 2 ** finer + 0.5));
  const between = (entry: number, part: number): number => {
    const [a, b] = [entries[entry]!, entries[entry + 1]!];
    return steps(a + Math.floor((b - a) * part + 0.5));
  };
  if (kind === 'even') {
    const place = (x + 32768) / 128;
    return between(Math.floor(place), place % 1);
  }
  const distance = Math.min(32767, Math.abs(x - zeroPoint));
  const [first, , step] = stretches.find(([, from]) => distance >= from)!;
  const side = x < zeroPoint ? entries.length / 2 : 0;
  return between(side + first + Math.floor(distance / step), (distance % step) / step);
}

/** What is filled, and over it each piece, axis by axis. */
export function moveOracle(
  { shape, pieces }: MoveAttrs,
  { sources, fill = 0 }: QuantizedMove,
  inputs: readonly Bytes[],
): Bytes {
  const data = new Array<number>(shape.reduce((product, n) => product * n, 1)).fill(fill);
  const given = [...inputs];
  const read = sources.map((source) => {
    if (source.kind === 'constant') return source.data;
    const { data: bytes } = given.shift()!;
    if (source.sum !== undefined) return [...clipOracle(source.sum, { shape: [], data: bytes }).data];
    return Array.from(bytes, (byte) => (source.bytes === undefined ? byte : source.bytes[byte]!));
  });
  for (const { input, counts, from, to } of pieces) {
    const put = (axis: number, source: number, target: number): void => {
      if (axis === counts.length) data[target] = read[input]![source]!;
      else
        for (let i = 0; i < counts[axis]!; i++)
          put(axis + 1, source + i * from.strides[axis]!, target + i * to.strides[axis]!);
    };
    put(0, from.first, to.first);
  }
  return { shape, data: Int32Array.from(data) };
}

/** TensorFlow Lite's sum, from the grids alone: of the quantized operator only how it rounds and saturates. */
export function addOracle(
  q: Exclude<QuantizedAdd, { kind: 'channels' }>,
  grids: readonly [Grid, Grid],
  output: Grid,
  [a, b]: readonly [Bytes, Bytes],
): Bytes {
  const double = q.kind === 'rescaled' && q.rescaling.primitive === 'requantize_double';
  const sum = additionOf(grids, output, double ? 'double' : 'single', [q.lo, q.hi]);
  return { shape: a.shape, data: Int32Array.from(a.data, (x, i) => sum(x, b.data[i]!)) };
}

/** Windows of a pooling operator channel by channel; `value` of the stored bytes inside of the image. */
function pooled(
  attrs: PoolAttrs,
  x: Bytes,
  value: (inImage: readonly number[], inPaddedImage: number) => number,
): Bytes {
  const [image, w] = [imageOf(x), windowOf(attrs)];
  const [height, width] = attrs.ceilMode ? ceilSizes(w, image) : sizesAfter(w, image);
  const data = new Int32Array(image.channels * height * width);
  for (let c = 0; c < image.channels; c++)
    for (let y = 0; y < height; y++)
      for (let ox = 0; ox < width; ox++) {
        const held: number[] = [];
        let padded = 0;
        eachTap(w, y, ox, (iy, ix) => {
          if (inside(image, iy, ix)) held.push(image.data[(c * image.height + iy) * image.width + ix]!);
          if (iy < image.height + w.pads[2] && ix < image.width + w.pads[3]) padded++;
        });
        data[(c * height + y) * width + ox] = value(held, padded);
      }
  return { shape: shapeLike(x, image.channels, height, width), data };
}

/** Ceil mode: one more window where it begins inside of the image or the padding before it. */
function ceilSizes(w: Window, { height, width }: Image): readonly [number, number] {
  const along = (size: number, before: number, after: number, axis: 0 | 1): number => {
    const room = size + before + after - (w.kernel[axis] - 1) * w.dilations[axis] - 1;
    const last = Math.ceil(room / w.strides[axis]);
    return last * w.strides[axis] < size + before ? last + 1 : last;
  };
  return [along(height, w.pads[0], w.pads[2], 0), along(width, w.pads[1], w.pads[3], 1)];
}

export const maxPoolOracle = (attrs: PoolAttrs, x: Bytes): Bytes =>
  pooled(attrs, x, (held) => held.reduce((most, byte) => Math.max(most, byte)));

/** The sum of (stored - zero point) over the image, divided by what counts; padding stands for real zeros. */
export function avgPoolOracle(attrs: PoolAttrs, q: QuantizedAverage, x: Bytes): Bytes {
  const { input, output, requant } = q;
  const [lo, hi] = output.bits === 16 ? [-32767, 32767] : [0, 255];
  const saturation = { zeroPoint: output.zeroPoint, lo, hi };
  return pooled(attrs, x, (held, padded) => {
    const counted = attrs.countIncludePad ? padded : held.length;
    if (requant === undefined) {
      // The output's byte for each real number of the window, a 0 for each that is padding.
      const bytes = held.map((byte) => byte - input.zeroPoint + output.zeroPoint);
      const padding = new Array<number>(counted - held.length).fill(output.zeroPoint);
      return Math.min(255, Math.max(0, averageOf([...bytes, ...padding])));
    }
    const centred = held.reduce((sum, byte) => sum + byte - input.zeroPoint, 0);
    return byteOf(centred, requant, counted - 1, saturation);
  });
}

/** round(256 e / sum), halves up, at most 255, with e = round(unit exp(-difference to the largest)). */
export function softmaxOracle(axis: number, inputScale: number, { shape, data }: Bytes): Bytes {
  const out = new Uint8Array(data.length);
  const length = shape[axis]!;
  const stride = product(shape.slice(axis + 1));
  const unit = Math.min(4194304, Math.floor(2147483647 / length));
  for (let line = 0; line < data.length / length; line++) {
    const start = Math.floor(line / stride) * length * stride + (line % stride);
    const at = Array.from({ length }, (_, i) => start + i * stride);
    const largest = Math.max(...at.map((i) => data[i]!));
    const powers = at.map((i) => Math.round(Math.exp(-(largest - data[i]!) * inputScale) * unit));
    const sum = powers.reduce((total, e) => total + e, 0);
    at.forEach((i, k) => {
      out[i] = Math.min(255, Math.floor((256 * powers[k]! + Math.floor(sum / 2)) / sum));
    });
  }
  return { shape, data: out };
}

/**
 * Of 16 bits: differences to the largest in 256ths of a power of two, times a factor of 15 bits; powers of 2^15, or as many as
 * a sum has room for; shares of 2^15, or of 256 where bytes are made.
 */
export function wideSoftmaxOracle(
  axis: number,
  inputScale: number,
  ofBytes: boolean,
  { shape, data }: Bytes,
): Bytes {
  const out = new Int32Array(data.length);
  const length = shape[axis]!;
  const stride = product(shape.slice(axis + 1));
  const unit = Math.min(32768, Math.floor(2147483647 / length));
  const scale = (inputScale * 256) / Math.LN2;
  let bits = 30;
  while (bits > 1 && scale * 2 ** bits >= 32768) bits--;
  const factor = Math.min(32767, Math.max(1, Math.round(scale * 2 ** bits)));
  const [one, most] = ofBytes ? [256, 255] : [32768, 32767];
  for (let line = 0; line < data.length / length; line++) {
    const start = Math.floor(line / stride) * length * stride + (line % stride);
    const at = Array.from({ length }, (_, i) => start + i * stride);
    const largest = Math.max(...at.map((i) => data[i]!));
    const powers = at.map((i) => {
      const d = Math.min(4095, Math.floor(((largest - data[i]!) * factor) / 2 ** bits + 0.5));
      return Math.floor(Math.round(unit * 2 ** (-(d % 256) / 256)) / 2 ** Math.floor(d / 256));
    });
    const sum = powers.reduce((total, e) => total + e, 0);
    at.forEach((i, k) => {
      out[i] = Math.min(most, Math.floor((one * powers[k]! + Math.floor(sum / 2)) / sum));
    });
  }
  return { shape, data: out };
}

/** Output index (i0, i1, ...) is input index with i_k at axis perm[k]. */
export function transposeOracle(perm: readonly number[], { shape, data }: Bytes): Bytes {
  const target = perm.map((axis) => shape[axis]!);
  const out = data.map((_, position) => {
    const index = new Array<number>(shape.length).fill(0);
    let rest = position;
    for (let k = target.length - 1; k >= 0; k--) {
      index[perm[k]!] = rest % target[k]!;
      rest = Math.floor(rest / target[k]!);
    }
    return data[index.reduce((at, i, axis) => at * shape[axis]! + i, 0)]!;
  });
  return { shape: target, data: out };
}
