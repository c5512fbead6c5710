import { at } from '../../base/errors.ts';
import type { ChannelMap } from '../graph/affine.ts';
import type { CanonicalOp, NodeView, QuantizeContext } from '../graph/op.ts';
import { clampFloat, saturationOf } from '../integers/mac.ts';
import { noFinerThan } from '../integers/quant.ts';
import { type Clamp, holdsZero } from '../integers/row-clamp.ts';
import { float, sub, add as sum } from '../kernel/builders.ts';
import type { Quant } from '../kernel/stored.ts';
import { sameShape } from '../tensor.ts';
import { absorbClip } from './common/absorb.ts';
import { depthwise } from './common/depthwise.ts';
import { inferPair, pairwise } from './common/elementwise.ts';
import { newestOpset, required } from './common/inputs.ts';
import {
  bytesOf,
  type Constants,
  channelNumbers,
  channelsOfPair,
  gridsOf,
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
import { everySum, type RescaledSum, rescaledSumOf, rescaledSumValue } from './kernels/rescaled-sum.ts';

export interface AddAttrs {
  /** Applied to the sums. */
  readonly clamp?: Clamp;
  /** a - b instead. */
  readonly minus?: boolean;
}

export type QuantizedAdd = (
  | ({ readonly kind: 'affine' } & AffineSum)
  | ({ readonly kind: 'rescaled' } & RescaledSum)
  | { readonly kind: 'channels'; readonly sums: readonly AffineSum[] }
) & { readonly constants: Constants };

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

function sumValue(q: QuantizedAdd): PairValue {
  switch (q.kind) {
    case 'affine':
      return { value: affineSumValue(q) };
    case 'rescaled':
      return { value: rescaledSumValue(q) };
    case 'channels':
      return { value: affineSumsValue(at(q.sums, 0).shift), channels: affineSumLists(q.sums) };
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
  if (constant === undefined || input === undefined || !sameShape(input.shape, shape)) return undefined;
  const numbers = channelNumbers(constant, shape);
  if (numbers === undefined) return undefined;
  const shift = numbers.map((x) => (minus && which === 1 ? -x : x));
  const gain = minus && which === 0 ? -1 : 1;
  return { gain: shift.map(() => gain), shift, ...(clamp === undefined ? {} : { clamp }) };
}

/** a + b, clamped, with ONNX broadcasting. ONNX Add-1, 6, 7, 13, 14. */
export const add: CanonicalOp<AddAttrs, QuantizedAdd> = {
  kind: 'add',
  onnx: { Add: { since: 1, upTo: newestOpset, parse: () => ({}) } },
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
  int8: (attrs, q, context) => pairKernel(titleOf(attrs), context, 'u8', q.constants, sumValue(q)),
  float32: (attrs, context, constants) =>
    pairKernel(titleOf(attrs), context, 'f32', constants, {
      value: ([a = float(0), b = float(0)]) => clampFloat(attrs.minus ? sub(a, b) : sum(a, b), attrs.clamp),
    }),
};
