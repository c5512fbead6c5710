import { must } from '../errors.ts';
import type { Kernel } from '../kernel.ts';
import { convolution } from '../kernels/convolution.ts';
import { clampWords, docOf } from '../kernels/doc.ts';
import type { Arithmetic, QuantizedMac } from '../mac.ts';
import { finestStep, float32Arithmetic, int8Arithmetic, quantizeMac } from '../mac.ts';
import { requireSpatial, spatialOrder } from '../memory-order.ts';
import type { InputType, KernelContext, OpDef, QuantizeContext } from '../op.ts';
import { noFinerThan } from '../quant.ts';
import { countOf, type Tensor, type TensorType } from '../tensor.ts';
import { complain, constantOf, newestOpset, required, requireFloats, requireShape } from './common/inputs.ts';
import { explicitPool, inferPool, type PoolAttrs } from './common/pool.ts';
import { type Clamp, clampAll, rounded } from './common/round.ts';
import { addTap, padInto, type Sweep, sweepOf } from './common/sweep.ts';
import {
  explicitWindow,
  parseWindow,
  type WindowAttrs,
  type WindowAxis,
  windowAxes,
} from './common/window.ts';
import { maxPool } from './max-pool.ts';

export interface ConvAttrs extends WindowAttrs {
  readonly groups: number;
  /** Applied to the sums. */
  readonly clamp?: Clamp;
  /** Max-pool of the clamped sums. */
  readonly pool?: PoolAttrs;
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
  return windowAxes(attrs, x.slice(2), w.slice(2));
}

/** Before pooling. */
function convType(attrs: ConvAttrs, inputs: Inputs<InputType>): TensorType {
  requireFloats(inputs);
  const [x, w] = [required(inputs, 0, 'X'), required(inputs, 1, 'W')];
  const spatial = convAxes(attrs, inputs).map((axis) => axis.out);
  return { dtype: x.dtype, shape: [x.shape[0] ?? 1, w.shape[0] ?? 1, ...spatial] };
}

/** All channels of batch element `n`, padded. */
function paddedInput(attrs: ConvAttrs, x: Tensor, n: number, sweep: Sweep): Float64Array {
  const channels = x.shape[1] ?? 0;
  const padded = new Float64Array(channels * sweep.paddedCount);
  for (let c = 0; c < channels; c++) {
    const at = c * sweep.paddedCount;
    const value = attrs.padValues?.[c] ?? 0;
    if (value !== 0) padded.fill(value, at, at + sweep.paddedCount);
    padInto(padded, at, x.data, (n * channels + c) * sweep.inCount, sweep);
  }
  return padded;
}

/** Adds the products of one output channel: `channels` input channels from `firstChannel` on. */
function addChannel(
  sums: Float64Array,
  x: Float64Array,
  firstChannel: number,
  w: Float64Array,
  sweep: Sweep,
): void {
  const { taps, paddedCount } = sweep;
  for (let i = 0; i < w.length; i++) {
    const channel = firstChannel + Math.floor(i / taps.length);
    const weight = w[i] as number;
    const tap = channel * paddedCount + (taps[i % taps.length] as number);
    if (weight !== 0) addTap(sums, x, tap, weight, sweep);
  }
}

/** The sums of one batch element, all output channels. */
function convolve(
  attrs: ConvAttrs,
  x: Float64Array,
  w: Tensor,
  b: Tensor | undefined,
  sweep: Sweep,
): Float64Array {
  const [outs = 0, perGroup = 0] = w.shape;
  const count = perGroup * sweep.taps.length;
  const sums = new Float64Array(outs * sweep.outCount);
  for (let oc = 0; oc < outs; oc++) {
    const channel = sums.subarray(oc * sweep.outCount, (oc + 1) * sweep.outCount).fill(b?.data[oc] ?? 0);
    const group = Math.floor((oc * attrs.groups) / outs);
    addChannel(
      channel,
      x,
      group * perGroup,
      Float64Array.from(w.data.subarray(oc * count, (oc + 1) * count)),
      sweep,
    );
  }
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
  return rounded(type.dtype, type.shape, clampAll(values, attrs.clamp));
}

const weightsOf = (inputs: Inputs<InputType>): Tensor =>
  must(inputs[1]?.constant, 'a convolution to be compiled has constant weights');
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
    mean?.[Math.floor((row * c.attrs.groups) / outs) * depth + Math.floor(term / taps)] ?? 0;
  const mac = quantizeMac({
    name: c.name,
    mode: c.mode,
    bits: c.weightBits,
    weight: Float32Array.from(weight.data),
    channels: outs,
    bias: floatsOf(c.inputTypes[2]?.constant),
    input,
    output: c.outputQuant,
    clamp: c.attrs.clamp,
    meanOf: mean === undefined ? undefined : meanOf,
  });
  const padding = Array.from({ length: depth * c.attrs.groups }, (_, channel) => {
    const stored = Math.round((c.attrs.padValues?.[channel] ?? 0) / input.scale + input.zeroPoint);
    return Math.max(0, Math.min(255, stored));
  });
  return { ...mac, padding };
}

/** Height and width, with a height of 1 for images of one axis. @throws InputError for three. */
function plane<T>(axes: readonly T[], single: T): readonly [T, T] {
  const [a, b] = axes.length === 1 ? [single, axes[0]] : axes;
  if (axes.length <= 2 && a !== undefined && b !== undefined) return [a, b];
  throw complain(`${axes.length} spatial axes`, '1 or 2', 'only the float reference runs 3-D convolutions');
}

function convKernel(
  attrs: ConvAttrs,
  context: KernelContext,
  outChannels: number,
  arithmetic: Arithmetic,
  padding: readonly number[],
): Kernel {
  const [input, output] = [must(context.inputs[0], 'an input'), must(context.outputs[0], 'an output')];
  requireSpatial(input);
  const [, channels = 1, ...spatial] = input.shape;
  const [y, x] = plane(windowAxes(attrs, spatial, attrs.kernel), unitAxis);
  const kernel = [y.kernel, x.kernel] as const;
  const pool = attrs.pool;
  const macs = (y.out * x.out * kernel[0] * kernel[1] * outChannels * channels) / attrs.groups;
  const words = `${kernel.join('x')} ${attrs.groups > 1 ? `convolution in ${attrs.groups} groups` : 'convolution'} ${channels} -> ${outChannels}`;
  const poolWords = pool === undefined ? '' : `, ${pool.kernel.join('x')} max-pool`;
  return convolution({
    name: context.name,
    doc: docOf(words + clampWords(attrs.clamp) + poolWords, [input], output, arithmetic.elem, macs),
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
    padding,
    arithmetic,
  });
}

const unitAxis: WindowAxis = { in: 1, out: 1, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0 };

/**
 * Convolution with an optional clamp and max-pool behind it. x[N,C,spatial...], w[OC,C/groups,kernel...],
 * optional b[OC]; 1 to 3 spatial axes. The max of rounded sums is the rounded max: pooling after rounding is
 * exact. ONNX Conv-1, 11, 22.
 */
export const conv: OpDef<ConvAttrs, QuantizedConv> = {
  kind: 'conv',
  onnx: {
    Conv: {
      since: 1,
      upTo: newestOpset,
      parse: (node) => ({ ...parseWindow(node.attributes), groups: node.attributes.int('group', 1) }),
    },
  },
  infer(attrs, inputs) {
    const sums = convType(attrs, inputs);
    return attrs.pool === undefined ? [sums] : inferPool(attrs.pool, [sums]);
  },
  reference(attrs, inputs) {
    const sums = convReference(attrs, inputs);
    return attrs.pool === undefined ? [sums] : maxPool.reference(attrs.pool, [sums]);
  },
  explicit(attrs, inputs) {
    constantOf(required(inputs, 1, 'W'), 'weight tensor W');
    constantOf(inputs[2], 'bias B');
    const pool =
      attrs.pool === undefined ? {} : { pool: explicitPool(attrs.pool, [convType(attrs, inputs)]) };
    return { ...attrs, ...explicitWindow(convAxes(attrs, inputs)), ...pool };
  },
  order: (_attrs, inputs, output) => {
    requireSpatial(inputs[0]);
    return spatialOrder(output);
  },
  outputQuant: (c) =>
    noFinerThan(
      finestStep(
        c.mode,
        c.weightBits,
        Float32Array.from(weightsOf(c.inputTypes).data),
        must(c.inputQuants[0], 'the input is quantized'),
      ),
      c.range,
    ),
  quantize: quantizeConv,
  int8: (attrs, q, context) =>
    convKernel(attrs, context, q.bias.length, int8Arithmetic(context.name, q), q.padding),
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
    const padding = attrs.padValues ?? new Array<number>(depth * attrs.groups).fill(0);
    return convKernel(attrs, context, outs, arithmetic, padding.map(Math.fround));
  },
};
