import { at, complain } from '../../base/errors.ts';
import type { ChannelMap } from '../graph/affine.ts';
import type { CanonicalOp, Hold, NodeView, QuantizeContext } from '../graph/op.ts';
import { clampFloat, saturationOf } from '../integers/mac.ts';
import { noFinerThan } from '../integers/quant.ts';
import type { Saturation } from '../integers/requant.ts';
import { type Clamp, holdsZero } from '../integers/row-clamp.ts';
import { float, sub, add as sum } from '../kernel/builders.ts';
import type { Expr } from '../kernel/kernel.ts';
import type { Quant } from '../kernel/stored.ts';
import { countOf, sameShape } from '../tensor.ts';
import { absorbClip } from './common/absorb.ts';
import { depthwise } from './common/depthwise.ts';
import { inferPair, pairwise } from './common/elementwise.ts';
import { required } from './common/inputs.ts';
import {
  bytesOf,
  type Constants,
  channelNumbers,
  channelsOfPair,
  gridsOf,
  isOfFile,
  type PairChannels,
  type PairValue,
  pairChannelGrids,
  pairChannels,
  pairKernel,
  pairOrder,
  pairValues,
} from './common/pairs.ts';
import {
  type AffineSum,
  affineSumLists,
  affineSumsValue,
  affineSumThatIs,
  affineSumValue,
  finestSumStep,
  nearestAffineSum,
  nearestAffineSums,
} from './kernels/affine-sum.ts';
import { clampWords } from './kernels/doc.ts';
import {
  everyFileSum,
  type FileFloats,
  type FileSum,
  fileFloatsValue,
  fileSumOf,
  fileSumValue,
} from './kernels/file-pairs.ts';
import { everySum, type RescaledSum, rescaledSumOf, rescaledSumValue } from './kernels/rescaled-sum.ts';

export interface AddAttrs {
  /** Applied to the sums. */
  readonly clamp?: Clamp;
  /** a - b instead. */
  readonly minus?: boolean;
}

export type QuantizedAdd = (
  | { readonly kind: 'file'; readonly sum: FileSum; readonly lo: number; readonly hi: number }
  | { readonly kind: 'floats'; readonly floats: FileFloats; readonly lo: number; readonly hi: number }
  | ({ readonly kind: 'affine' } & AffineSum)
  | ({ readonly kind: 'rescaled' } & RescaledSum)
  | { readonly kind: 'channels'; readonly sums: readonly AffineSum[] }
) & { readonly constants: Constants };

/** Which operand is one number for all, or for each stretch of the last axes. */
function scalarOf({ inputTypes, outputTypes }: QuantizeContext<AddAttrs>): 0 | 1 | undefined {
  const shape = outputTypes[0]?.shape ?? [];
  const spread = [0, 1].map((i) => {
    const own = inputTypes[i]?.shape ?? [];
    const aligned = [...shape.map(() => 1), ...own].slice(-shape.length);
    const last = aligned.findLastIndex((n) => n !== 1);
    return countOf(own) < countOf(shape) && aligned.every((n, axis) => axis > last || n === shape[axis]);
  });
  if (spread[1]) return 1;
  return spread[0] ? 0 : undefined;
}

/** onnxruntime's sum; a difference has no kernel of its own there. */
function fileSum(
  c: QuantizeContext<AddAttrs>,
  inputs: readonly Quant[],
  constants: Constants,
  saturation: Saturation,
): QuantizedAdd {
  const output = c.outputQuant;
  const { lo, hi } = saturation;
  if (c.attrs.minus) return { kind: 'floats', constants, floats: { grids: inputs, output }, lo, hi };
  const sum = fileSumOf([at(inputs, 0), at(inputs, 1)], output, saturation, scalarOf(c));
  const wanted = everyFileSum(sum);
  if (wanted === undefined)
    throw complain('scales too far apart for a sum with ort-float', 'scales within 2^20');
  const affine = affineSumThatIs(wanted, inputs, output, saturation);
  return affine === undefined
    ? { kind: 'file', constants, sum, lo, hi }
    : { kind: 'affine', constants, ...affine };
}

/** What is subtracted has a scale below 0. */
const signed = (grids: readonly Quant[], { minus }: AddAttrs): readonly Quant[] =>
  grids.map((grid, i) => (i === 1 && minus ? { ...grid, scale: -grid.scale } : grid));

const channelSums = (channels: PairChannels, attrs: AddAttrs): readonly AffineSum[] =>
  nearestAffineSums(
    channels.map(({ operands, output }) => ({
      operands: signed(operands, attrs),
      output,
      saturation: saturationOf(output, attrs.clamp),
    })),
  );

/**
 * TensorFlow Lite's sums of activations: with its two roundings under tfl-double, else with one. For nearly all grids one
 * multiplication per operand gives the latter too, for every pair of bytes.
 */
function quantizeSum(c: QuantizeContext<AddAttrs>): QuantizedAdd {
  const inputs = gridsOf(c);
  const constants = bytesOf(c, inputs);
  const channels = channelsOfPair(c);
  if (channels !== undefined) return { kind: 'channels', constants, sums: channelSums(channels, c.attrs) };
  const saturation = saturationOf(c.outputQuant, c.attrs.clamp);
  if (isOfFile(c.mode, [...inputs, c.outputQuant])) return fileSum(c, inputs, constants, saturation);
  const isWide = [...inputs, c.outputQuant].some(({ bits }) => bits !== undefined);
  // There is none to be equal to.
  if (isWide || c.attrs.minus || constants.some((constant) => constant !== undefined)) {
    return {
      kind: 'affine',
      constants,
      ...nearestAffineSum(signed(inputs, c.attrs), c.outputQuant, saturation),
    };
  }
  const rounding = c.mode === 'tfl-double' ? c.mode : 'single';
  const rescaled = rescaledSumOf(inputs, c.outputQuant, saturation, rounding);
  const affine =
    rounding === 'single'
      ? affineSumThatIs(everySum(rescaled), inputs, c.outputQuant, saturation)
      : undefined;
  return affine === undefined
    ? { kind: 'rescaled', constants, ...rescaled }
    : { kind: 'affine', constants, ...affine };
}

function sumValue(q: QuantizedAdd, { clamp }: AddAttrs): PairValue {
  switch (q.kind) {
    case 'affine':
      return { value: affineSumValue(q) };
    case 'rescaled':
      return { value: rescaledSumValue(q) };
    case 'channels':
      return { value: affineSumsValue(at(q.sums, 0).shift), channels: affineSumLists(q.sums) };
    case 'file':
      return { value: (inputs) => fileSumValue(q.sum, inputs) };
    case 'floats': {
      const difference = ([a = float(0), b = float(0)]: readonly Expr[], hold: Hold): Expr =>
        clampFloat(hold('sum', sub(a, b)), clamp);
      return { value: (inputs, hold) => fileFloatsValue(q.floats, difference, inputs, hold) };
    }
    default:
      return q satisfies never;
  }
}

const titleOf = ({ clamp, minus }: AddAttrs): string =>
  `${minus ? 'Difference' : 'Sum'} of two${clampWords(clamp)}`;

/** x + h, where a constant gives each channel one number; x - h and h - x too. */
function mapOf({
  attrs: { clamp, minus },
  inputTypes,
  outputTypes,
}: NodeView<AddAttrs>): ChannelMap | undefined {
  const which = inputTypes.findIndex((type) => type?.constant !== undefined);
  const input = inputTypes[1 - which];
  const { shape } = required(outputTypes, 0, 'sums');
  const constant = inputTypes[which]?.constant;
  // A constant that the file has as integers is added as they are.
  if (
    constant === undefined ||
    constant.integers !== undefined ||
    input === undefined ||
    !sameShape(input.shape, shape)
  )
    return undefined;
  const numbers = channelNumbers(constant, shape);
  if (numbers === undefined) return undefined;
  const shift = numbers.map((x) => (minus && which === 1 ? -x : x));
  const gain = minus && which === 0 ? -1 : 1;
  return { gain: shift.map(() => gain), shift, ...(clamp === undefined ? {} : { clamp }) };
}

/** a + b, clamped, with ONNX broadcasting. */
export const add: CanonicalOp<AddAttrs, QuantizedAdd> = {
  kind: 'add',
  infer: (_attrs, inputs) => inferPair(inputs),
  reference({ clamp, minus }, inputs) {
    const { lo, hi } = clamp ?? { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
    return [pairwise(inputs, (a, b) => Math.min(Math.max(minus ? a - b : a + b, lo), hi))];
  },
  real: {
    value({ clamp, minus }, a = Number.NaN, b = Number.NaN) {
      const value = minus ? a - b : a + b;
      return clamp === undefined ? value : Math.min(Math.max(value, clamp.lo), clamp.hi);
    },
    float32: ({ clamp, minus }, [a = float(0), b = float(0)], hold) =>
      clampFloat(hold('sum', minus ? sub(a, b) : sum(a, b)), clamp),
  },
  channels(attrs, inputs) {
    const channels = pairChannels(attrs, inputs);
    if (channels.flow === 'opaque') return channels;
    return { ...channels, isSilent: () => attrs.clamp === undefined || holdsZero(attrs.clamp) };
  },
  order: pairOrder,
  affine: { kind: 'channelwise', map: mapOf, again: undefined, alone: depthwise },
  absorb: ({ attrs }, next) => absorbClip(attrs, next),
  elementwise: true,
  outputQuant: (c) => noFinerThan(finestSumStep(gridsOf(c)), c.range, c.outputBits),
  servesFile: (c) => isOfFile(c.mode, gridsOf(c)),
  channelGrids: pairChannelGrids,
  sixteen: 'both',
  quantize: quantizeSum,
  rows: undefined,
  gradient: {
    of({ clamp, minus }, steps) {
      const [a, b] = pairValues(steps);
      const sums = steps.fixed(steps.output, (i) => [
        [a, i, 1],
        [b, i, minus ? -1 : 1],
      ]);
      return steps.clamp(sums, clamp);
    },
  },
  int8: (attrs, q, context) => pairKernel(titleOf(attrs), context, 'u8', q.constants, sumValue(q, attrs)),
  float32: (attrs, context, constants) =>
    pairKernel(titleOf(attrs), context, 'f32', constants, {
      value: ([a = float(0), b = float(0)]) => clampFloat(attrs.minus ? sub(a, b) : sum(a, b), attrs.clamp),
    }),
};
