import { at, must } from '../../base/errors.ts';
import { largestOf } from '../../base/extremes.ts';
import type { Taps } from '../geometry/resize-axis.ts';
import { stridedIndex } from '../geometry/strided.ts';
import type { CanonicalOp, InputType, KernelContext } from '../graph/op.ts';
import { saturationOf } from '../integers/mac.ts';
import { noFinerThan, sameAsInput } from '../integers/quant.ts';
import { epilogue, type Requant, requantOf } from '../integers/requant.ts';
import { add, int, shr, sub } from '../kernel/builders.ts';
import type { Expr, Kernel, Table } from '../kernel/kernel.ts';
import { spatialOrder } from '../kernel/memory-order.ts';
import { elemOf, reachOf as farthestStored, type Quant } from '../kernel/stored.ts';
import { countOf, type Shape, stridesOf, type Tensor } from '../tensor.ts';
import { opaqueChannels, sameChannels } from './common/channel-flows.ts';
import { required } from './common/inputs.ts';
import { liesAsImage, strided } from './common/reads.ts';
import { rounded } from './common/round.ts';
import { docOf } from './kernels/doc.ts';
import { resampling, type StoredTaps } from './kernels/resampling.ts';

/** What becomes of one axis. */
export interface AxisTaps extends Taps {
  readonly axis: number;
}

export interface ResampleAttrs {
  /** Those that become others; not empty. */
  readonly axes: readonly AxisTaps[];
  /** What the comment above the kernel says. */
  readonly words: string;
}

const shapeOf = ({ axes }: ResampleAttrs, { shape }: InputType): Shape =>
  axes.reduce((made: Shape, { axis, first }) => made.with(axis, first.length), shape);

/** Elements of the input, each times its weight. */
interface Terms {
  readonly elements: Int32Array;
  readonly weights: Float64Array;
}

/** By element of the output. */
function termsOf({ axes }: ResampleAttrs, input: Shape, output: Shape): (element: number) => Terms {
  const [near, far] = [stridesOf(input), stridesOf(output)];
  const counts = axes.map(({ taps }) => taps);
  const reach = stridedIndex(
    0,
    counts,
    axes.map(({ axis }) => at(near, axis)),
  );
  const digits = stridesOf(counts);
  return (element) => {
    const place = output.map((size, axis) => Math.floor(element / at(far, axis)) % size);
    const from = axes.reduce((p, { axis, first }) => p.with(axis, at(first, at(place, axis))), place);
    const start = from.reduce((sum, index, axis) => sum + index * at(near, axis), 0);
    const weightOf = (term: number): number =>
      axes.reduce((product, { axis, taps, weights }, i) => {
        const tap = Math.floor(term / at(digits, i)) % taps;
        return product * at(weights, at(place, axis) * taps + tap);
      }, 1);
    return {
      elements: reach.map((offset) => start + offset),
      weights: Float64Array.from(reach, (_, term) => weightOf(term)),
    };
  };
}

function resampled(attrs: ResampleAttrs, x: Tensor): Tensor {
  const shape = shapeOf(attrs, x);
  const terms = termsOf(attrs, x.shape, shape);
  const sums = Float64Array.from({ length: countOf(shape) }, (_, i) => {
    const { elements, weights } = terms(i);
    return weights.reduce((sum, weight, k) => sum + weight * at(x.data, at(elements, k)), 0);
  });
  return rounded(x.dtype, shape, sums);
}

/** Whether each sum lies among its inputs: then it needs no other grid than theirs. */
const isMean = ({ axes }: ResampleAttrs): boolean =>
  axes.every(({ weights }) => weights.every((w) => w >= 0));

export interface QuantizedResample {
  readonly input: Quant;
  readonly output: Quant;
  /** The weights of each axis are integers, which sum to 2^bits. */
  readonly bits: number;
  readonly axes: readonly (readonly number[])[];
  /** Absent where the grid stays. */
  readonly requant?: Requant;
}

/** The most size that the weights of one element sum to. */
const reachOf = ({ taps, weights }: Taps): number =>
  largestOf(
    Array.from({ length: weights.length / taps }, (_, i) =>
      weights.slice(i * taps, (i + 1) * taps).reduce((sum, w) => sum + Math.abs(w), 0),
    ),
  );

const mostBits = 11;

/** As many bits as keep the largest number times all weights, and a half, below 2^31; a unit of each weight is for rounding. */
function bitsFor(axes: readonly Taps[], largest: number): number {
  const blurred = axes.filter(({ taps }) => taps > 1);
  const holds = (bits: number): boolean =>
    blurred.reduce(
      (most, axis) => most * (reachOf(axis) * 2 ** bits + (reachOf(axis) > 1 ? axis.taps : 0)),
      largest,
    ) +
      2 ** (bits * blurred.length - 1) <
    2 ** 31;
  let bits = mostBits;
  while (!holds(bits)) bits--;
  return blurred.length === 0 ? 0 : bits;
}

/** Integers that sum to `unit` for each element: what rounding leaves goes to the largest weight. */
function integersOf({ taps, weights }: Taps, unit: number): readonly number[] {
  const made = weights.map((w) => Math.round(w * unit));
  for (let i = 0; i < made.length; i += taps) {
    const own = made.slice(i, i + taps);
    const rest = unit - own.reduce((sum, w) => sum + w, 0);
    const largest = i + own.indexOf(Math.max(...own));
    made[largest] = at(made, largest) + rest;
  }
  return made;
}

/** Bits below a step of the sums. */
const shiftOf = ({ axes }: ResampleAttrs, bits: number): number =>
  bits * axes.filter(({ taps }) => taps > 1).length;

function kernelOf(
  { axes, words }: ResampleAttrs,
  { name, inputs, outputs }: KernelContext,
  elem: 'u8' | 'f32',
  weights: readonly (readonly number[])[],
  finish: (sum: Expr) => Expr,
  tables: readonly Table[] = [],
): Kernel {
  const [input, output] = [must(inputs[0], 'an input'), must(outputs[0], 'an output')];
  const stored = axes.map(({ axis, taps, first }, i): StoredTaps => {
    return { axis, taps, first, weights: at(weights, i) };
  });
  const kernel = resampling({
    name,
    doc: docOf(words, [input], output, elem),
    elem: elem === 'f32' ? elem : elemOf(input),
    input,
    output,
    axes: stored,
    finish,
  });
  return { ...kernel, tables: [...kernel.tables, ...tables] };
}

function int8Kernel(attrs: ResampleAttrs, q: QuantizedResample, context: KernelContext): Kernel {
  const shift = shiftOf(attrs, q.bits);
  if (q.requant === undefined) {
    const nearest = (sum: Expr): Expr => (shift === 0 ? sum : shr(add(sum, 2 ** (shift - 1)), shift));
    return kernelOf(attrs, context, 'u8', q.axes, nearest);
  }
  const end = epilogue(context.name, q.requant, saturationOf(q.output, undefined));
  const finish = (sum: Expr): Expr => end.value(sub(sum, q.input.zeroPoint * 2 ** shift), int(0));
  return kernelOf(attrs, context, 'u8', q.axes, finish, end.tables);
}

/**
 * Each element from neighbours along some axes: upsampling and downsampling. The weights of an axis sum to 1, so that
 * what is the same everywhere stays. Where none is negative the output has the input's 8-bit grid.
 */
export const resample: CanonicalOp<ResampleAttrs, QuantizedResample> = {
  kind: 'resample',
  infer(attrs, inputs) {
    const x = required(inputs, 0, 'X');
    return [{ dtype: x.dtype, shape: shapeOf(attrs, x) }];
  },
  reference: (attrs, inputs) => [resampled(attrs, required(inputs, 0, 'X'))],
  channels: (attrs) => (attrs.axes.some(({ axis }) => axis === 1) ? opaqueChannels() : sameChannels(attrs)),
  reads: strided,
  order: (_attrs, [input], output) =>
    input !== undefined && liesAsImage(input) && input.order !== undefined ? spatialOrder(output) : undefined,
  affine: {
    kind: 'commuting',
    commutes: ({ clamp }, { attrs }) => clamp === undefined && attrs.axes.every(({ axis }) => axis !== 1),
  },
  absorb: () => undefined,
  elementwise: false,
  anyZeroPoint: 'moves',
  sixteen: 'both',
  outputQuant(c) {
    const input = sameAsInput(c);
    return isMean(c.attrs) ? input : noFinerThan(input.scale, c.range, c.outputBits);
  },
  quantize({ attrs, inputQuants, outputQuant, mode }) {
    const input = must(inputQuants[0], 'the input is quantized');
    const bits = bitsFor(attrs.axes, farthestStored(input));
    const axes = attrs.axes.map((axis) => (axis.taps === 1 ? axis.weights : integersOf(axis, 2 ** bits)));
    const q = { input, output: outputQuant, bits, axes };
    if (isMean(attrs)) return q;
    const scale = input.scale / (outputQuant.scale * 2 ** shiftOf(attrs, bits));
    return { ...q, requant: requantOf(mode === 'ort-float' ? mode : 'single', [scale]) };
  },
  rows: undefined,
  gradient: {
    of(attrs, steps) {
      const x = steps.input(0);
      const terms = termsOf(attrs, x.shape, steps.output);
      return steps.fixed(steps.output, (i) => {
        const { elements, weights } = terms(i);
        return Array.from(elements, (element, k) => [x, element, at(weights, k)] as const);
      });
    },
  },
  int8: int8Kernel,
  float32: (attrs, context) =>
    kernelOf(
      attrs,
      context,
      'f32',
      attrs.axes.map(({ weights }) => weights.map(Math.fround)),
      (sum) => sum,
    ),
};
