import { at, complain, must } from '../../base/errors.ts';
import { addTap, type Sweep, sweepOf } from '../geometry/slide.ts';
import { extentOf, type WindowAxis, widerPads } from '../geometry/window.ts';
import type { CanonicalOp, KernelContext, RequantMode, ScaleContext } from '../graph/op.ts';
import { saturationOf } from '../integers/mac.ts';
import { noFinerThan } from '../integers/quant.ts';
import { epilogue, type Requant, requantOf } from '../integers/requant.ts';
import { accumulate, add, call, div, float, int, mul, nearestEven, sub } from '../kernel/builders.ts';
import type { Expr, Kernel, PlainStmt } from '../kernel/kernel.ts';
import { spatialOrder } from '../kernel/memory-order.ts';
import { elemOf, type Quant } from '../kernel/stored.ts';
import { channelCount } from '../tensor.ts';
import { sameChannels } from './common/channel-flows.ts';
import { newestOpset, required } from './common/inputs.ts';
import { paddedIndex } from './common/padding.ts';
import {
  explicitPool,
  inferPool,
  type PoolAttrs,
  parsePool,
  poolAxes,
  poolPlane,
  poolTensor,
} from './common/pool.ts';
import { asImages } from './common/reads.ts';
import { docOf } from './kernels/doc.ts';
import { joinSum, pooling } from './kernels/pooling.ts';

/** Elements of each window along one axis that count: the real ones, or with padding those in the padded axis. */
function countsAlong(axis: WindowAxis, includePad: boolean): number[] {
  const [first, end] = includePad ? [-axis.before, axis.in + axis.after] : [0, axis.in];
  return Array.from({ length: axis.out }, (_, i) => {
    const start = i * axis.stride - axis.before;
    return Array.from({ length: axis.kernel }, (_, k) => start + k * axis.dilation).filter(
      (i) => i >= first && i < end,
    ).length;
  });
}

/** What each window's sum is divided by: the product of the counts along the axes. */
const divisors = (axes: readonly WindowAxis[], includePad: boolean): number[] =>
  axes
    .map((axis) => countsAlong(axis, includePad))
    .reduce((all, counts) => all.flatMap((n) => counts.map((m) => n * m)), [1]);

const divisorsOf = ({ attrs, inputTypes }: ScaleContext<PoolAttrs>): number[] =>
  divisors(poolAxes(attrs, required(inputTypes, 0, 'X').shape), attrs.countIncludePad);

/**
 * TensorFlow Lite's average pools have their input's scale and zero point; powers of two have no other way to
 * divide by 3.
 */
const keepsStep = (mode: RequantMode): boolean => mode === 'tfl-double' || mode === 'pow2';

const averageOfTaps =
  (counts: readonly number[]) =>
  (out: Float64Array, padded: Float64Array, sweep: Sweep): void => {
    for (const tap of sweep.taps) addTap(out, padded, tap, 1, sweep);
    out.forEach((sum, i) => {
      out[i] = sum / at(counts, i);
    });
  };

/** The integers of an average. */
export interface QuantizedAverage {
  readonly input: Quant;
  readonly output: Quant;
  /**
   * One requantization for every number of elements that a window can have: channel n - 1 divides by n. Only the
   * last is used where the divisor is always the whole window. Absent where the step stays: an integer average.
   */
  readonly requant?: Requant;
  /** Of grids of the model's file, in float32 as onnxruntime has it: a sum of real numbers, or of integers. */
  readonly floats?: 'reals' | 'integers';
}

/** What a window's sum is divided by: always the whole window, or the inputs that it holds. */
function divisorOf(attrs: PoolAttrs, context: KernelContext): 'window' | 'inputs' {
  const plane = poolPlane(attrs, context);
  const endOf = (a: WindowAxis): number => (a.out - 1) * a.stride + extentOf(a);
  const padded = plane.some((a) => a.before > 0 || endOf(a) > a.before + a.in);
  const beyond = plane.some((a) => endOf(a) > a.before + a.in + a.after);
  if (!padded) return 'window';
  if (!attrs.countIncludePad) return 'inputs';
  if (beyond) throw complain('ceil_mode with count_include_pad', 'either of them');
  return 'window';
}

interface Averaging {
  readonly first: Expr;
  readonly join: (name: string, value: Expr) => PlainStmt;
  readonly finish: (sum: Expr, count: Expr, divisor: 'window' | 'inputs') => Expr;
}

const sumsOf = (elem: 'u8' | 'f32', finish: Averaging['finish']): Averaging => ({
  first: elem === 'f32' ? float(0) : int(0),
  join: joinSum,
  finish,
});

function kernelOf(
  attrs: PoolAttrs,
  context: KernelContext,
  elem: 'u8' | 'f32',
  { first, join, finish }: Averaging,
  tables: Kernel['tables'],
): Kernel {
  const [input, output] = [must(context.inputs[0], 'an input'), must(context.outputs[0], 'an output')];
  const divisor = divisorOf(attrs, context);
  return pooling({
    name: context.name,
    doc: docOf(`${attrs.kernel.join('x')} average pool`, [input], output, elem),
    plane: poolPlane(attrs, context),
    channels: channelCount(input.shape),
    elem: elem === 'f32' ? elem : elemOf(input),
    outElem: elem === 'f32' ? elem : elemOf(output),
    tables,
    first,
    join,
    finish: (sum, count) => finish(sum, count, divisor),
  });
}

/** sy (y - zy) = sx (sum - inputs zx) / n; elements of the padding that count, count as zeros. */
function int8Kernel(attrs: PoolAttrs, q: QuantizedAverage, context: KernelContext): Kernel {
  if (q.floats !== undefined) return floatAverage(attrs, q, q.floats, context);
  if (q.requant === undefined) return integerAverage(attrs, q, context);
  const taps = q.requant.multiplier.length;
  const used = divisorOf(attrs, context) === 'inputs' ? q.requant : lastOf(q.requant);
  const end = epilogue(context.name, used, saturationOf(q.output, undefined));
  return kernelOf(
    attrs,
    context,
    'u8',
    sumsOf('u8', (sum, count, divisor) => {
      const centred = sub(sum, mul(count, q.input.zeroPoint));
      return end.value(centred, divisor === 'window' ? int(taps - 1) : sub(count, 1));
    }),
    end.tables,
  );
}

/**
 * onnxruntime's kernels: QLinearAveragePool adds up s (x - zx) in float32, row by row, and has the zero point inside of the
 * rounding; QLinearGlobalAveragePool requantizes the sum of integers, as a convolution does.
 */
function floatAverage(
  attrs: PoolAttrs,
  { input, output }: QuantizedAverage,
  of: 'reals' | 'integers',
  context: KernelContext,
): Kernel {
  const taps = attrs.kernel.reduce((n, k) => n * k, 1);
  const lift = output.file === 'int8' ? 128 : 0;
  const toFloat = (value: Expr): Expr => ({ kind: 'toFloat', value });
  const stored = (steps: Expr, above: number): Expr =>
    call('clamp', 'i32', add(nearestEven(steps), above), int(0), int(255));
  const reals = {
    first: float(0),
    join: (name: string, x: Expr) =>
      accumulate(name, mul(toFloat(sub(x, input.zeroPoint)), float(input.scale))),
    finish: (sum: Expr, count: Expr, divisor: 'window' | 'inputs') => {
      const mean = div(sum, divisor === 'window' ? float(taps) : toFloat(count));
      return stored(plus(div(mean, float(output.scale)), float(output.zeroPoint - lift)), lift);
    },
  };
  const scale = Math.fround(input.scale / Math.fround(output.scale * taps));
  const integers = {
    first: int(0),
    join: joinSum,
    finish: (sum: Expr, count: Expr) =>
      stored(mul(toFloat(sub(sum, mul(count, input.zeroPoint))), float(scale)), output.zeroPoint),
  };
  return kernelOf(attrs, context, 'u8', of === 'reals' ? reals : integers, []);
}

/** Of floats. */
const plus = (a: Expr, b: Expr): Expr => ({ kind: 'binary', op: 'add', type: 'f32', a, b });

/**
 * With sx = sy, y - 128 = sum(x - 128 + zy - zx) / n to the nearest, halves away from 0: what TensorFlow Lite and
 * CMSIS-NN do on signed bytes, x - 128.
 */
function integerAverage(
  attrs: PoolAttrs,
  { input, output }: QuantizedAverage,
  context: KernelContext,
): Kernel {
  const taps = attrs.kernel.reduce((n, k) => n * k, 1);
  return kernelOf(
    attrs,
    context,
    'u8',
    sumsOf('u8', (sum, count, divisor) => {
      const n = divisor === 'window' ? int(taps) : count;
      const shifted = add(sub(sum, mul(count, input.zeroPoint)), mul(n, output.zeroPoint - 128));
      return call('clamp', 'i32', add(call('divide_nearest', 'i32', shifted, n), 128), int(0), int(255));
    }),
    [],
  );
}

/** Every divisor is the whole window's: one entry stands for all. */
const lastOf = (r: Requant): Requant => ({
  mode: r.mode,
  multiplier: r.multiplier.slice(-1),
  shift: r.shift.slice(-1),
  scale: r.scale.slice(-1),
});

const float32Kernel = (attrs: PoolAttrs, context: KernelContext): Kernel => {
  const taps = attrs.kernel.reduce((n, k) => n * k, 1);
  return kernelOf(
    attrs,
    context,
    'f32',
    sumsOf('f32', (sum, count, divisor) =>
      div(sum, divisor === 'window' ? float(taps) : { kind: 'toFloat', value: count }),
    ),
    [],
  );
};

/**
 * Mean of each window. x[N,C,spatial...], 1 to 3 spatial axes. What ceil mode adds at the end is never
 * counted. ONNX AveragePool-1, 7, 10, 11, 19, 22.
 */
export const avgPool: CanonicalOp<PoolAttrs, QuantizedAverage> = {
  kind: 'avgPool',
  restrictions: 'one or two spatial axes; no counted padding where ceil_mode lets a window reach beyond it',
  onnx: { AveragePool: { since: 1, upTo: newestOpset, parse: parsePool } },
  infer: inferPool,
  reference(attrs, inputs) {
    const x = required(inputs, 0, 'X');
    const counts = divisors(poolAxes(attrs, x.shape), attrs.countIncludePad);
    return [poolTensor(attrs, x, 0, averageOfTaps(counts))];
  },
  explicit: explicitPool,
  channels: sameChannels,
  padded(attrs, { pads: more, value }) {
    const counted = attrs.countIncludePad || attrs.pads.every((p) => p === 0);
    const pads = counted && value === 0 && !attrs.ceilMode ? widerPads(attrs.pads, more) : undefined;
    const rank = attrs.kernel.length;
    const fits = pads?.every(
      (pad, i) =>
        pad < extentOf({ kernel: at(attrs.kernel, i % rank), dilation: attrs.dilations[i % rank] ?? 1 }),
    );
    return pads === undefined || fits === false ? undefined : { ...attrs, pads, countIncludePad: true };
  },
  reads: asImages,
  order: (_attrs, _inputs, output) => spatialOrder(output),
  sixteen: 'both',
  affine: {
    kind: 'commuting',
    commutes: ({ clamp }, { attrs }) =>
      clamp === undefined && (!attrs.countIncludePad || attrs.pads.every((p) => p === 0)),
  },
  absorb: () => undefined,
  elementwise: false,
  servesFile: ({ mode, inputQuants }) => mode === 'ort-float' && inputQuants[0]?.file !== undefined,
  outputQuant: (c) => {
    const input = must(c.inputQuants[0], 'the input is quantized');
    if (keepsStep(c.mode) && c.outputBits === input.bits) return input;
    // sx / (sy n) is at most 1 for the least n: the means of many inputs may have steps far finer than theirs.
    const least = Math.min(...divisorsOf(c));
    return noFinerThan(input.scale / least, c.range, c.outputBits);
  },
  quantize: (c) => {
    const input = must(c.inputQuants[0], 'the input is quantized');
    const output = c.outputQuant;
    if (c.mode === 'ort-float' && input.file !== undefined && output.file !== undefined)
      return { input, output, floats: c.attrs.global ? 'integers' : 'reals' };
    if (input.scale === output.scale && input.bits === undefined && output.bits === undefined)
      return { input, output };
    const taps = c.attrs.kernel.reduce((n, k) => n * k, 1);
    // Fewer inputs than the least window has never stand under one.
    const scales = Array.from({ length: taps }, (_, i) =>
      Math.min(1, input.scale / (output.scale * (i + 1))),
    );
    // Powers of two cannot divide by 3.
    const mode = c.mode === 'compact' || c.mode === 'pow2' ? 'single' : c.mode;
    return { input, output, requant: requantOf(mode, scales) };
  },
  rows: undefined,
  gradient: {
    of(attrs, steps) {
      const x = steps.input(0);
      const axes = poolAxes(attrs, x.shape);
      const sweep = sweepOf(axes);
      const { taps, starts, inCount, outCount } = sweep;
      const index = paddedIndex(sweep);
      const counts = divisors(axes, attrs.countIncludePad);
      return steps.fixed(steps.output, (i) => {
        const [channel, pixel] = [Math.floor(i / outCount), i % outCount];
        const inside = Array.from(taps, (tap) => at(index, at(starts, pixel) + tap));
        const share = 1 / at(counts, pixel);
        return inside.filter((i) => i >= 0).map((i) => [x, channel * inCount + i, share] as const);
      });
    },
  },
  int8: int8Kernel,
  float32: float32Kernel,
};
