import { at, complain, must } from '../../base/errors.ts';
import { broadcastIndex, broadcastTo } from '../geometry/broadcast.ts';
import type { ChannelMap } from '../graph/affine.ts';
import type { CanonicalOp, KernelContext, NodeView, QuantizeContext } from '../graph/op.ts';
import { saturationOf } from '../integers/mac.ts';
import { noFinerThan } from '../integers/quant.ts';
import { type Clamp, holdsZero } from '../integers/row-clamp.ts';
import type { Kernel } from '../kernel/kernel.ts';
import type { Quant } from '../kernel/stored.ts';
import { channelCount, countOf, sameShape, showShape } from '../tensor.ts';
import { absorbClip } from './common/absorb.ts';
import { opaqueChannels, sameChannels } from './common/channel-flows.ts';
import { depthwise } from './common/depthwise.ts';
import { checkLegacyBroadcast, inferPair, pairwise } from './common/elementwise.ts';
import { newestOpset, required } from './common/inputs.ts';
import { alike } from './common/reads.ts';
import { type AffineSum, affineSumThatIs, affineSumValue, finestSumStep } from './kernels/affine-sum.ts';
import { clampWords, docOf } from './kernels/doc.ts';
import { elementwise, floatSumValue } from './kernels/elementwise.ts';
import { everySum, type RescaledSum, rescaledSumOf, rescaledSumValue } from './kernels/rescaled-sum.ts';

export interface AddAttrs {
  /** Applied to the sums. */
  readonly clamp?: Clamp;
}

const quantsOf = (quants: readonly (Quant | undefined)[]): Quant[] =>
  quants.map((q) => {
    if (q !== undefined) return q;
    throw complain('an addition of a constant', 'constants of one number per channel');
  });

export type QuantizedAdd =
  | ({ readonly kind: 'affine' } & AffineSum)
  | ({ readonly kind: 'rescaled' } & RescaledSum);

/**
 * TensorFlow Lite's sums: with its two roundings under tfl-double, else with one. For nearly all grids one
 * multiplication per operand gives the latter too, for every pair of bytes.
 */
function quantizeSum(c: QuantizeContext<AddAttrs>): QuantizedAdd {
  const inputs = quantsOf(c.inputQuants);
  const saturation = saturationOf(c.outputQuant, c.attrs.clamp);
  const rounding = c.mode === 'tfl-double' ? c.mode : 'single';
  const rescaled = rescaledSumOf(inputs, c.outputQuant, saturation, rounding);
  const affine =
    rounding === 'single'
      ? affineSumThatIs(everySum(rescaled), inputs, c.outputQuant, saturation)
      : undefined;
  return affine === undefined ? { kind: 'rescaled', ...rescaled } : { kind: 'affine', ...affine };
}

const sumValue = (q: QuantizedAdd) => (q.kind === 'affine' ? affineSumValue(q) : rescaledSumValue(q));

/** @throws InputError for operands of different shapes. */
function kernelOf(
  { clamp }: AddAttrs,
  context: KernelContext,
  elem: 'u8' | 'f32',
  value: Parameters<typeof elementwise>[0]['value'],
): Kernel {
  const [a, b] = context.inputs;
  const output = must(context.outputs[0], 'an output');
  if (a === undefined || b === undefined) throw complain('an addition of a constant', 'two activations');
  if (!sameShape(a.shape, b.shape))
    throw complain(`operands of ${showShape(a.shape)} and ${showShape(b.shape)}`, 'operands of one shape');
  return elementwise({
    name: context.name,
    doc: docOf(`Sum of two${clampWords(clamp)}`, context.inputs, output, elem),
    elem,
    inputs: 2,
    count: countOf(output.shape),
    value,
  });
}

/** x + h, where a constant gives each channel one number. */
function mapOf({ attrs, inputTypes, outputTypes }: NodeView<AddAttrs>): ChannelMap | undefined {
  const constant = inputTypes.find((type) => type?.constant !== undefined)?.constant;
  const input = inputTypes.find((type) => type?.constant === undefined);
  const { shape } = required(outputTypes, 0, 'sums');
  if (constant === undefined || input === undefined || !sameShape(input.shape, shape)) return undefined;
  const whole = broadcastTo(constant, shape).data;
  const [plane, channels] = [countOf(shape.slice(2)), channelCount(shape)];
  const shift = Array.from({ length: channels }, (_, c) => Number(whole[c * plane]));
  const alike = whole.every((x: number, i: number) => x === shift[Math.floor(i / plane) % channels]);
  return alike ? { gain: shift.map(() => 1), shift, ...attrs } : undefined;
}

/** a + b, clamped, with ONNX broadcasting. ONNX Add-1, 6 (no axis), 7, 13, 14. */
export const add: CanonicalOp<AddAttrs, QuantizedAdd> = {
  kind: 'add',
  onnx: {
    Add: {
      since: 1,
      upTo: newestOpset,
      parse(node) {
        checkLegacyBroadcast(node);
        return {};
      },
    },
  },
  infer: (_attrs, inputs) => inferPair(inputs),
  reference({ clamp }, inputs) {
    const { lo, hi } = clamp ?? { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
    return [pairwise(inputs, (a, b) => Math.min(Math.max(a + b, lo), hi))];
  },
  /** A constant or broadcast operand has none of its own. */
  channels(attrs, [a, b]) {
    const alike = a !== undefined && b !== undefined && sameShape(a.shape, b.shape);
    if (!alike || a.constant !== undefined || b.constant !== undefined) return opaqueChannels();
    return { ...sameChannels(attrs), isSilent: () => attrs.clamp === undefined || holdsZero(attrs.clamp) };
  },
  reads: alike,
  affine: { kind: 'channelwise', map: mapOf, again: undefined, alone: depthwise },
  absorb: ({ attrs }, next) => absorbClip(attrs, next),
  elementwise: true,
  outputQuant: (c) => noFinerThan(finestSumStep(quantsOf(c.inputQuants)), c.range),
  quantize: quantizeSum,
  rows: undefined,
  gradient: {
    of({ clamp }, steps) {
      const operands = [0, 1].map((i) => {
        const [constant, { shape }] = [steps.constant(i), required(steps.types, i, 'operand')];
        const value = constant === undefined ? steps.input(i) : undefined;
        return { value, constant, from: broadcastIndex(shape, steps.output) };
      });
      const sums = steps.fixed(
        steps.output,
        (i) => operands.flatMap(({ value, from }) => (value === undefined ? [] : [[value, at(from, i), 1]])),
        (i) =>
          operands.reduce(
            (sum, { constant, from }) => sum + (constant === undefined ? 0 : at(constant.data, at(from, i))),
            0,
          ),
      );
      return steps.clamp(sums, clamp);
    },
  },
  int8: (attrs, q, context) => kernelOf(attrs, context, 'u8', sumValue(q)),
  float32: (attrs, context) => kernelOf(attrs, context, 'f32', floatSumValue(attrs.clamp)),
};
