import { at, atOr0, complain, holds, must } from '../../base/errors.ts';
import {
  channelsOfRows,
  type Shuffle,
  shuffledChannels,
  shufflePiece,
  shuffleSources,
} from '../geometry/shuffle.ts';
import { padInto, type Sweep, sweepOf } from '../geometry/slide.ts';
import {
  explicitWindow,
  parseWindow,
  unitAxis,
  type WindowAttrs,
  type WindowAxis,
  widerPads,
  windowAxes,
} from '../geometry/window.ts';
import type { ChannelMap } from '../graph/affine.ts';
import { is } from '../graph/graph.ts';
import type { CanonicalOp, InputType, KernelContext, NextNode, QuantizeContext } from '../graph/op.ts';
import { fileRowsOf, isFileMac } from '../integers/file-mac.ts';
import type { Arithmetic, QuantizedMac } from '../integers/mac.ts';
import {
  float32Arithmetic,
  int8Arithmetic,
  macOutputQuant,
  quantizeMac,
  weightsOf,
  withSlopes,
  withTable,
} from '../integers/mac.ts';
import { boundAt, clampRows, type RowClamp } from '../integers/row-clamp.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { requireSpatial, spatialOrder } from '../kernel/memory-order.ts';
import { storageOf } from '../kernel/stored.ts';
import { channelCount, countOf, type Numbers, type Tensor, type TensorType } from '../tensor.ts';
import { absorbClip } from './common/absorb.ts';
import { columnsOf, layerChannels } from './common/channel-flows.ts';
import { constantOf, newestOpset, required, requireFloats, requireShape } from './common/inputs.ts';
import { packedKernel, packedRows } from './common/packed-rows.ts';
import { padded } from './common/padding.ts';
import { explicitMaxPool, inferPool, type PoolAttrs, poolAxes } from './common/pool.ts';
import { asImages } from './common/reads.ts';
import { rounded } from './common/round.ts';
import { sumsAfter, sumsBefore } from './common/weighted-sums.ts';
import { convolution } from './kernels/convolution.ts';
import { clampWords, docOf } from './kernels/doc.ts';
import { largestOf, maxPool } from './max-pool.ts';
import { move } from './move.ts';

export interface ConvAttrs extends WindowAttrs {
  readonly groups: number;
  /** Applied to the sums. */
  readonly clamp?: RowClamp;
  /** Max-pool of the clamped sums. */
  readonly pool?: PoolAttrs;
  /** The clamped sums of several channels as pixels of one. Not with a max-pool. */
  readonly shuffle?: Shuffle;
  /** The real value of the padding, per input channel; 0 when absent. */
  readonly padValues?: readonly number[];
}

type Inputs<T> = readonly (T | undefined)[];

/** @throws InputError when x, w, b and the attributes do not fit together. */
function convAxes(attrs: ConvAttrs, inputs: Inputs<TensorType>): WindowAxis[] {
  const [x, w, b] = [required(inputs, 0, 'X').shape, required(inputs, 1, 'W').shape, inputs[2]?.shape];
  const [, channels = 0] = x;
  const [outs = 0, perGroup = 0] = w;
  if (w.length !== x.length) throw complain(`X with ${x.length} axes, W with ${w.length}`, 'as many');
  if (attrs.groups < 1 || perGroup * attrs.groups !== channels || outs % attrs.groups !== 0)
    throw complain(
      `group = ${attrs.groups} for ${channels} input and ${outs} output channels, W of ${perGroup}`,
    );
  if (attrs.kernel.length > 0) requireShape(w.slice(2), attrs.kernel, 'W after its first two axes');
  if (b !== undefined) requireShape(b, [outs], 'B');
  if (attrs.padValues !== undefined)
    requireShape([attrs.padValues.length], [channels], 'list of padding values');
  return windowAxes(attrs, x, w.slice(2));
}

/** Before pooling and shuffling. */
function convType(attrs: ConvAttrs, inputs: Inputs<InputType>): TensorType {
  requireFloats(inputs);
  const [x, w] = [required(inputs, 0, 'X'), required(inputs, 1, 'W')];
  const spatial = convAxes(attrs, inputs).map((axis) => axis.out);
  return { dtype: x.dtype, shape: [at(x.shape, 0), at(w.shape, 0), ...spatial] };
}

/** All channels of batch element `n`, padded. */
function paddedInput(attrs: ConvAttrs, x: Tensor, n: number, sweep: Sweep): Float64Array {
  const channels = at(x.shape, 1);
  const padded = new Float64Array(channels * sweep.paddedCount);
  for (let c = 0; c < channels; c++) {
    const to = c * sweep.paddedCount;
    const value = atOr0(attrs.padValues, c);
    if (value !== 0) padded.fill(value, to, to + sweep.paddedCount);
    padInto(padded, to, x.data, (n * channels + c) * sweep.inCount, sweep);
  }
  return padded;
}

/** Output channels that are summed together: enough independent sums to hide the adder's latency. */
const lanes = 4;

/** Weights in float64, with rows of zeros up to a multiple of `lanes`. */
function inLanes(w: Numbers, rows: number): Float64Array {
  const count = w.length / rows;
  const padded = new Float64Array(Math.ceil(rows / lanes) * lanes * count);
  padded.set(w);
  return padded;
}

/** Four rows of `w`, the first of which begins at `from`, each times two patches, which lie one behind the other. */
function dot8(result: Float64Array, w: Float64Array, from: number, patches: Float64Array): void {
  const count = patches.length / 2;
  let [a, b, c, d] = [0, 0, 0, 0];
  let [e, f, g, h] = [0, 0, 0, 0];
  for (let i = 0; i < count; i++) {
    const x = patches[i] as number;
    const y = patches[count + i] as number;
    const p = w[from + i] as number;
    const q = w[from + count + i] as number;
    const r = w[from + 2 * count + i] as number;
    const s = w[from + 3 * count + i] as number;
    a += p * x;
    b += q * x;
    c += r * x;
    d += s * x;
    e += p * y;
    f += q * y;
    g += r * y;
    h += s * y;
  }
  result[0] = a;
  result[1] = b;
  result[2] = c;
  result[3] = d;
  result[4] = e;
  result[5] = f;
  result[6] = g;
  result[7] = h;
}

/** One group of output channels on a padded input that begins with the group's channels. */
interface GroupJob {
  readonly x: Float64Array;
  readonly w: Numbers;
  /** Of the window's elements, over the group's channels. */
  readonly offsets: Int32Array;
  /** The group's sums, which begin with the bias. */
  readonly sums: Float64Array;
}

/** A row of weights, or one window only: each row times each window where both lie, as copies would take longer. */
function addEach({ x, w, offsets, sums }: GroupJob, { starts, outCount }: Sweep): void {
  const count = offsets.length;
  holds(starts, outCount);
  for (let row = 0, to = 0; to < sums.length; row += count)
    for (let pixel = 0; pixel < outCount; pixel++, to++) {
      const start = starts[pixel] as number;
      let sum = 0;
      for (let i = 0; i < count; i++)
        sum += (w[row + i] as number) * (x[start + (offsets[i] as number)] as number);
      sums[to] = (sums[to] as number) + sum;
    }
}

/** Each window is copied out once (im2col, two columns at a time), and multiplied with all weight rows. */
function addRows({ x, w, offsets, sums }: GroupJob, { starts, outCount }: Sweep): void {
  const count = offsets.length;
  const patches = new Float64Array(2 * count);
  const eight = new Float64Array(2 * lanes);
  const rows = sums.length / outCount;
  const weights = inLanes(w, rows);
  for (let pixel = 0; pixel < outCount; pixel += 2) {
    const pixels = Math.min(2, outCount - pixel);
    for (let k = 0; k < pixels; k++) {
      const start = at(starts, pixel + k);
      for (let i = 0; i < count; i++) patches[k * count + i] = x[start + (offsets[i] as number)] as number;
    }
    for (let row = 0; row < rows; row += lanes) {
      dot8(eight, weights, row * count, patches);
      for (let i = 0; i < lanes && row + i < rows; i++) {
        const to = (row + i) * outCount + pixel;
        for (let k = 0; k < pixels; k++)
          sums[to + k] = (sums[to + k] as number) + (eight[k * lanes + i] as number);
      }
    }
  }
}

function addGroup(job: GroupJob, sweep: Sweep): void {
  const { x, w, offsets, sums } = job;
  const { starts, outCount } = sweep;
  const rows = sums.length / outCount;
  // Read unchecked, as nearly all of a float run's time goes there.
  holds(x, at(starts, outCount - 1) + at(offsets, offsets.length - 1) + 1); // both ascend
  holds(w, rows * offsets.length);
  (rows === 1 || outCount === 1 ? addEach : addRows)(job, sweep);
}

/** Where the terms of a row, channel by channel, lie behind the first element of the padded input. */
const termOffsets = (perGroup: number, { taps, paddedCount }: Sweep): Int32Array =>
  Int32Array.from({ length: perGroup * taps.length }, (_, i) => {
    return Math.floor(i / taps.length) * paddedCount + at(taps, i % taps.length);
  });

/** The sums of one batch element, all output channels. */
function convolve(
  attrs: ConvAttrs,
  x: Float64Array,
  w: Tensor,
  b: Tensor | undefined,
  sweep: Sweep,
): Float64Array {
  const [outs = 0, perGroup = 0] = w.shape;
  const { paddedCount, outCount } = sweep;
  const offsets = termOffsets(perGroup, sweep);
  const sums = new Float64Array(outs * outCount);
  for (let oc = 0; oc < outs; oc++) sums.fill(atOr0(b?.data, oc), oc * outCount, (oc + 1) * outCount);
  const rows = outs / attrs.groups;
  for (let group = 0; group < attrs.groups; group++)
    addGroup(
      {
        x: x.subarray(group * perGroup * paddedCount),
        w: w.data.subarray(group * rows * offsets.length, (group + 1) * rows * offsets.length),
        offsets,
        sums: sums.subarray(group * rows * outCount, (group + 1) * rows * outCount),
      },
      sweep,
    );
  return sums;
}

function convReference(attrs: ConvAttrs, inputs: Inputs<Tensor>): Tensor {
  const [x, w] = [required(inputs, 0, 'X'), required(inputs, 1, 'W')];
  const type = convType(attrs, inputs);
  const sweep = sweepOf(convAxes(attrs, inputs));
  const values = new Float64Array(countOf(type.shape));
  const [batch = 0, outs = 0] = type.shape;
  for (let n = 0; n < batch; n++)
    values.set(
      convolve(attrs, paddedInput(attrs, x, n, sweep), w, inputs[2], sweep),
      n * outs * sweep.outCount,
    );
  return rounded(type.dtype, type.shape, clampRows(values, attrs.clamp, outs, sweep.outCount));
}

/** What becomes of the sums' channels. */
function shuffledType({ shuffle }: ConvAttrs, { dtype, shape }: TensorType): TensorType {
  if (shuffle === undefined) return { dtype, shape };
  const [batch = 1, rows = 1] = shape;
  return { dtype, shape: [batch, shuffledChannels(shuffle, rows), ...shuffle.size] };
}

function shuffled(attrs: ConvAttrs, sums: Tensor): Tensor {
  if (attrs.shuffle === undefined) return sums;
  const { dtype, shape } = shuffledType(attrs, sums);
  const image = sums.shape.slice(1);
  const [sources, size] = [shuffleSources(attrs.shuffle, image), countOf(image)];
  const values = Float64Array.from({ length: countOf(shape) }, (_, i) => {
    const from = Math.floor(i / sources.length) * size + at(sources, i % sources.length);
    return at(sums.data, from);
  });
  return rounded(dtype, shape, values);
}

/** A map of the output's channels as one of the sums'. */
function rowsOfMap({ shuffle }: ConvAttrs, f: ChannelMap, rows: number): ChannelMap {
  if (shuffle === undefined) return f;
  const channels = channelsOfRows(shuffle, rows);
  const spread = (bound: RowClamp['lo']): number[] => channels.map((c) => boundAt(bound, c));
  const { gain, shift, clamp } = f;
  return {
    gain: spread(gain),
    shift: spread(shift),
    ...(clamp === undefined ? {} : { clamp: { lo: spread(clamp.lo), hi: spread(clamp.hi) } }),
  };
}

const floatsOf = (tensor: Tensor | undefined): Float32Array | undefined =>
  tensor === undefined ? undefined : Float32Array.from(tensor.data);

/** The integers of a convolution, and its padding as stored bytes per input channel. */
export interface QuantizedConv extends QuantizedMac {
  readonly padding: readonly number[];
}

function quantizeConv(c: QuantizeContext<ConvAttrs>): QuantizedConv {
  const weight = weightsOf(c.inputTypes);
  const [outs = 1, depth = 1] = weight.shape;
  const input = must(c.inputQuants[0], 'the input is quantized');
  const mean = c.inputMean;
  const taps = weight.data.length / (outs * depth);
  // Rows of one group share their input channels; a depthwise row has one channel of its own.
  const meanOf = (term: number, row: number): number =>
    atOr0(mean, Math.floor((row * c.attrs.groups) / outs) * depth + Math.floor(term / taps));
  const mac = quantizeMac({
    name: c.name,
    mode: c.mode,
    bits: c.weightBits,
    weightSteps: c.weightSteps,
    codebook: c.codebook,
    file: fileRowsOf(weight, c.inputTypes[2]?.constant),
    weight: Float32Array.from(weight.data),
    channels: outs,
    bias: floatsOf(c.inputTypes[2]?.constant),
    input,
    output: c.outputQuant,
    clamp: c.attrs.clamp,
    meanOf: mean === undefined ? undefined : meanOf,
  });
  const { lo, hi } = storageOf(input);
  const padding = Array.from({ length: depth * c.attrs.groups }, (_, channel) => {
    const stored = Math.round(atOr0(c.attrs.padValues, channel) / input.scale + input.zeroPoint);
    return Math.max(lo, Math.min(hi, stored));
  });
  return { ...mac, padding };
}

/** Height and width, with a height of 1 for images of one axis. @throws InputError for three. */
function plane<T>(axes: readonly T[], single: T): readonly [T, T] {
  const [a, b] = axes.length === 1 ? [single, axes[0]] : axes;
  if (axes.length <= 2 && a !== undefined && b !== undefined) return [a, b];
  throw complain(`${axes.length} spatial axes`, '1 or 2', 'only the float reference runs 3-D convolutions');
}

/** Each pixel by itself: a row of channels. */
const isPointwise = ({ kernel, strides, pads, groups, pool, shuffle }: ConvAttrs): boolean =>
  groups === 1 &&
  pool === undefined &&
  shuffle === undefined &&
  [...kernel, ...strides].every((n) => n === 1) &&
  pads.every((n) => n === 0);

function convKernel(
  attrs: ConvAttrs,
  context: KernelContext,
  outChannels: number,
  arithmetic: Arithmetic,
  padding: readonly number[],
  lanes: number,
): Kernel {
  const { backward = false } = context;
  const [input, output] = [must(context.inputs[0], 'an input'), must(context.outputs[0], 'an output')];
  requireSpatial(input);
  const channels = channelCount(input.shape);
  const [y, x] = plane(windowAxes(attrs, input.shape, attrs.kernel), unitAxis);
  const kernel = [y.kernel, x.kernel] as const;
  const { pool, shuffle } = attrs;
  const macs = (y.out * x.out * kernel[0] * kernel[1] * outChannels * channels) / attrs.groups;
  const words = `${kernel.join('x')} ${attrs.groups > 1 ? `convolution in ${attrs.groups} groups` : 'convolution'} ${channels} -> ${outChannels}`;
  const poolWords = pool === undefined ? '' : `, ${pool.kernel.join('x')} max-pool`;
  const shuffleWords = shuffle === undefined ? '' : `, channels as ${shuffle.block.join('x')} pixels`;
  return convolution({
    name: context.name,
    doc: [
      ...docOf(
        words + clampWords(attrs.clamp) + poolWords + shuffleWords,
        [input],
        output,
        arithmetic.elem,
        macs,
      ),
      ...(backward
        ? ['From the last pixel to the first, so that the output may lie a little above the input.']
        : []),
    ],
    window: {
      height: y.in,
      width: x.in,
      channels,
      kernel,
      strides: [y.stride, x.stride],
      dilations: [y.dilation, x.dilation],
      padTop: y.before,
      padLeft: x.before,
      outHeight: y.out,
      outWidth: x.out,
    },
    outChannels,
    groups: attrs.groups,
    ...(pool === undefined
      ? {}
      : { pool: { kernel: plane(pool.kernel, 1), strides: plane(pool.strides, 1) } }),
    ...(shuffle === undefined
      ? {}
      : {
          shuffle: {
            block: plane(shuffle.block, 1),
            neighbours: shuffle.neighbours,
            crop: plane(shuffle.crop, 0),
            size: plane(shuffle.size, 1),
          },
        }),
    padding,
    lanes,
    backward,
    arithmetic,
  });
}

/** Windows that overlap would compute the convolution more than once; padded ones need a value for -infinity. */
function absorbPool(attrs: ConvAttrs, image: TensorType | undefined, next: NextNode): ConvAttrs | undefined {
  if (
    !is(next, maxPool) ||
    attrs.pool !== undefined ||
    attrs.shuffle !== undefined ||
    image?.shape.length !== 4
  )
    return undefined;
  const pool = next.attrs;
  const isInside = poolAxes(pool, image.shape).every(
    (axis) =>
      axis.before + axis.after === 0 &&
      axis.dilation === 1 &&
      axis.kernel <= axis.stride &&
      (axis.out - 1) * axis.stride + axis.kernel <= axis.in,
  );
  return isInside ? { ...attrs, pool } : undefined;
}

/** Behind a DepthToSpace alone. */
function absorbShuffle(
  attrs: ConvAttrs,
  sums: TensorType | undefined,
  next: NextNode,
): ConvAttrs | undefined {
  if (!is(next, move) || attrs.pool !== undefined || attrs.shuffle !== undefined || sums === undefined)
    return undefined;
  const { pieces, shape, fill } = next.attrs;
  const [[, rows = 1, ...spatial], [, channels = 1, ...size]] = [sums.shape, shape];
  const block = size.map((n, i) => n / at(spatial, i));
  if (fill !== undefined || spatial.length !== size.length || channels * countOf(block) !== rows)
    return undefined;
  const orders = attrs.groups === 1 ? (['pixels', 'channels'] as const) : (['pixels'] as const);
  if (rows % (attrs.groups * countOf(block)) !== 0) return undefined;
  const found = orders
    .map((neighbours): Shuffle => ({ block, neighbours, crop: size.map(() => 0), size }))
    .find(
      (shuffle) => JSON.stringify([shufflePiece(shuffle, [rows, ...spatial])]) === JSON.stringify(pieces),
    );
  return found === undefined ? undefined : { ...attrs, shuffle: found };
}

/** A clamp comes before the line behind it; the largest sum is the largest behind it where nothing falls; rows of a shuffle are no channels. */
const meetsSlopes = ({ clamp, pool, shuffle }: ConvAttrs, slopes: readonly number[]): boolean =>
  clamp === undefined &&
  (pool === undefined || slopes.every((slope) => slope >= 0)) &&
  (shuffle === undefined || slopes.length === 1);

/** More accumulators than this are spilled by dense kernels on Cortex-M (13 usable registers). */
const fewLanes = 4;

/**
 * Convolution with an optional clamp behind it, and a max-pool or channels that become pixels. x[N,C,spatial...], w[OC,C/groups,kernel...],
 * optional b[OC]; 1 to 3 spatial axes. The max of rounded sums is the rounded max: pooling after rounding is
 * exact. ONNX Conv-1, 11, 22.
 */
export const conv: CanonicalOp<ConvAttrs, QuantizedConv> = {
  kind: 'conv',
  restrictions: 'one or two spatial axes; constant weights',
  onnx: {
    Conv: {
      since: 1,
      upTo: newestOpset,
      parse: (node) => ({ ...parseWindow(node.attributes), groups: node.attributes.int('group', 1) }),
    },
  },
  infer(attrs, inputs) {
    const sums = convType(attrs, inputs);
    return attrs.pool === undefined ? [shuffledType(attrs, sums)] : inferPool(attrs.pool, [sums]);
  },
  reference(attrs, inputs) {
    const sums = convReference(attrs, inputs);
    return attrs.pool === undefined ? [shuffled(attrs, sums)] : maxPool.reference(attrs.pool, [sums]);
  },
  explicit(attrs, inputs) {
    constantOf(required(inputs, 1, 'W'), 'weight tensor W');
    constantOf(inputs[2], 'bias B');
    const pool =
      attrs.pool === undefined ? {} : { pool: explicitMaxPool(attrs.pool, [convType(attrs, inputs)]) };
    return { ...attrs, ...explicitWindow(convAxes(attrs, inputs)), ...pool };
  },
  padded(attrs, { pads: more, value }, input) {
    const pads = attrs.autoPad === 'NOTSET' ? widerPads(attrs.pads, more) : undefined;
    const own = attrs.pads.some((p) => p > 0) ? (attrs.padValues ?? [0]) : [value];
    if (pads === undefined || own.some((other) => other !== value)) return undefined;
    const { padValues: _, ...rest } = attrs;
    return {
      ...rest,
      pads,
      ...(value === 0 ? {} : { padValues: new Array(at(input.shape, 1)).fill(value) }),
    };
  },
  reads: asImages,
  order: (_attrs, _inputs, output) => spatialOrder(output),
  affine: {
    kind: 'weighted',
    // What falls does not pass the maximum behind the sums.
    after: (f, node) =>
      node.attrs.pool !== undefined && f.gain.some((g) => g < 0)
        ? undefined
        : sumsAfter(rowsOfMap(node.attrs, f, at(weightsOf(node.inputTypes).shape, 0)), node),
    before: sumsBefore,
  },
  absorb: ({ attrs, outputTypes }, next) =>
    absorbClip(attrs, next) ??
    absorbPool(attrs, outputTypes[0], next) ??
    absorbShuffle(attrs, outputTypes[0], next),
  elementwise: false,
  outputQuant: macOutputQuant,
  servesFile: isFileMac,
  sixteen: 'both',
  anyZeroPoint: 'computes',
  channels: (attrs, inputs) =>
    attrs.shuffle === undefined
      ? layerChannels(attrs, inputs)
      : { flow: 'opaque', columns: columnsOf(attrs, weightsOf(inputs)) },
  turns: true,
  quantize: quantizeConv,
  rows: {
    of(attrs, inputs) {
      const sweep = sweepOf(convAxes(attrs, inputs));
      const perGroup = at(required(inputs, 1, 'W').shape, 1);
      return {
        groups: attrs.groups,
        groupStride: perGroup * sweep.paddedCount,
        starts: sweep.starts,
        offsets: termOffsets(perGroup, sweep),
        order: spatialOrder([1, perGroup, sweep.taps.length]),
        padded: (x) => paddedInput(attrs, x, 0, sweep),
      };
    },
    scaled: ({ padValues, ...attrs }, factor) =>
      padValues === undefined ? attrs : { ...attrs, padValues: padValues.map((x) => x * factor) },
  },
  gradient: {
    of(attrs, steps) {
      const sweep = sweepOf(convAxes(attrs, steps.types));
      const x = padded(steps, steps.input(0), sweep, (channel) => atOr0(attrs.padValues, channel));
      const sums = steps.learned(x, convType(attrs, steps.types).shape);
      const clamped = steps.clamp(sums, attrs.clamp);
      if (attrs.pool !== undefined) return largestOf(steps, attrs.pool, clamped);
      if (attrs.shuffle === undefined) return clamped;
      const sources = shuffleSources(attrs.shuffle, clamped.shape.slice(1));
      return steps.fixed(steps.output, (i) => [[clamped, at(sources, i), 1]]);
    },
  },
  withTable,
  withSlopes: (attrs, q, bend) => (meetsSlopes(attrs, bend.slopes) ? withSlopes(q, bend) : undefined),
  int8: (attrs, q, context) =>
    convKernel(
      attrs,
      context,
      q.bias.length,
      int8Arithmetic(context.name, q, context),
      q.padding,
      q.lanes ?? fewLanes,
    ),
  float32(attrs, context, [, weight, bias]) {
    const w = must(weight, 'a convolution to be compiled has constant weights');
    const [outs = 1, depth = 1] = w.shape;
    const arithmetic = float32Arithmetic(
      context.name,
      Float32Array.from(w.data),
      outs,
      floatsOf(bias),
      attrs.clamp,
    );
    const packed = isPointwise(attrs) ? packedRows(w, outs) : undefined;
    if (packed !== undefined) {
      for (const image of [...context.inputs, ...context.outputs]) requireSpatial(image);
      return packedKernel(packed, context, arithmetic, clampWords(attrs.clamp));
    }
    const padding = attrs.padValues ?? new Array<number>(depth * attrs.groups).fill(0);
    return convKernel(attrs, context, outs, arithmetic, padding.map(Math.fround), fewLanes);
  },
};
