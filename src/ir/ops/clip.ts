import { at, must } from '../../base/errors.ts';
import type { CanonicalOp, KernelContext, QuantizeContext } from '../graph/op.ts';
import { saturationOf } from '../integers/mac.ts';
import { noFinerThan } from '../integers/quant.ts';
import type { Saturation } from '../integers/requant.ts';
import { type Clamp, clampAll, holdsZero, largestFloat } from '../integers/row-clamp.ts';
import { float, load, maximum, minimum } from '../kernel/builders.ts';
import type { Expr, Kernel, Table } from '../kernel/kernel.ts';
import { elemOf, type Quant } from '../kernel/stored.ts';
import { channelCount, countOf } from '../tensor.ts';
import { sameChannels } from './common/channel-flows.ts';
import { newestOpset, required } from './common/inputs.ts';
import { tableOf } from './common/pointwise.ts';
import { rounded } from './common/round.ts';
import {
  type AffineSum,
  affineSumThatIs,
  affineSumValue,
  finestSumStep,
  nearestAffineSum,
} from './kernels/affine-sum.ts';
import { clampWords, docOf } from './kernels/doc.ts';
import { elementwise, floatSumValue, inOneOrder } from './kernels/elementwise.ts';

/** `lo` and `hi` may be infinite. */
export type ClipAttrs = Clamp;

/**
 * Exporters write the largest float32 where they mean no bound.
 * min(max(x, lo), hi) is hi everywhere when lo > hi (ONNX Clip-13 says so).
 */
export const clipAttrs = (lo: number, hi: number): ClipAttrs => ({
  lo: lo <= -largestFloat ? Number.NEGATIVE_INFINITY : Math.min(lo, hi),
  hi: hi >= largestFloat ? Number.POSITIVE_INFINITY : hi,
});

function kernelOf(
  attrs: ClipAttrs,
  context: KernelContext,
  elem: 'u8' | 'f32',
  value: Parameters<typeof elementwise>[0]['value'],
  tables: readonly Table[] = [],
): Kernel {
  const [input, output] = [must(context.inputs[0], 'an input'), must(context.outputs[0], 'an output')];
  return elementwise({
    name: context.name,
    doc: docOf(`Activation${clampWords(attrs)}`, context.inputs, output, elem),
    elem: elem === 'f32' ? elem : elemOf(output),
    operands: [{ ...inOneOrder(countOf(output.shape)), elem: elem === 'f32' ? elem : elemOf(input) }],
    count: countOf(output.shape),
    tables,
    value,
  });
}

/** The nearest step to each byte's real value, halves up. */
const everyByte = (input: Quant, output: Quant, { lo, hi }: Saturation): Uint8Array =>
  Uint8Array.from({ length: 256 }, (_, byte) => {
    const steps = ((byte - input.zeroPoint) * input.scale) / output.scale;
    return Math.max(lo, Math.min(hi, Math.floor(steps + 0.5) + output.zeroPoint));
  });

interface ByteTable {
  readonly table: Uint8Array;
}

/** What each byte becomes, as one multiplication where there is one. */
function quantizeClip({
  attrs,
  inputQuants,
  outputQuant,
}: QuantizeContext<ClipAttrs>): AffineSum | ByteTable {
  const input = must(inputQuants[0], 'the input is quantized');
  const saturation = saturationOf(outputQuant, attrs);
  if (input.bits !== undefined || outputQuant.bits !== undefined)
    return nearestAffineSum([input], outputQuant, saturation);
  const isFile = outputQuant.file !== undefined;
  const wanted = isFile
    ? tableOf((x) => Math.min(Math.max(x, attrs.lo), attrs.hi), input, outputQuant, 256)
    : everyByte(input, outputQuant, saturation);
  const exact = affineSumThatIs(wanted, [input], outputQuant, saturation);
  return exact ?? (isFile ? { table: wanted } : nearestAffineSum([input], outputQuant, saturation));
}

function int8Kernel(attrs: ClipAttrs, q: AffineSum | ByteTable, context: KernelContext): Kernel {
  if (!('table' in q)) return kernelOf(attrs, context, 'u8', affineSumValue(q));
  const table = {
    name: `${context.name}_table`,
    elem: 'u8',
    data: q.table,
    says: 'What each byte becomes.',
  } as const;
  const value = ([x]: readonly Expr[]): Expr => load(table.name, 'u8', must(x, 'one input'));
  return kernelOf(attrs, context, 'u8', value, [table]);
}

/** min(max(x, lo), hi), element by element. ONNX Relu-1, 6, 13, 14; Clip-1 and 6, which have the bounds as attributes. */
export const clip: CanonicalOp<ClipAttrs, AffineSum | ByteTable> = {
  kind: 'clip',
  onnx: {
    Relu: { since: 1, upTo: newestOpset, parse: () => ({ lo: 0, hi: Number.POSITIVE_INFINITY }) },
    Clip: {
      since: 1,
      upTo: 10,
      parse: ({ attributes }) =>
        clipAttrs(attributes.float('min', -largestFloat), attributes.float('max', largestFloat)),
    },
  },
  infer: (_attrs, inputs) => {
    const { dtype, shape } = required(inputs, 0, 'input');
    return [{ dtype, shape }];
  },
  reference(attrs, inputs) {
    const { dtype, shape, data } = required(inputs, 0, 'input');
    return [rounded(dtype, shape, clampAll(Float64Array.from(data), attrs))];
  },
  real: {
    value: ({ lo, hi }, x = Number.NaN) => Math.min(Math.max(x, lo), hi),
    float32: (attrs, [x = float(0)], hold) => {
      const above = attrs.lo > -Infinity ? hold('above', maximum(x, float(attrs.lo))) : x;
      return attrs.hi < Infinity ? minimum(above, float(attrs.hi)) : above;
    },
  },
  affine: {
    kind: 'channelwise',
    map: ({ attrs, outputTypes }) => {
      const channels = Array.from({ length: channelCount(at(outputTypes, 0).shape) });
      return { gain: channels.map(() => 1), shift: channels.map(() => 0), clamp: attrs };
    },
    again: undefined,
    alone: undefined,
  },
  absorb: () => undefined,
  elementwise: true,
  channels: (attrs) => ({ ...sameChannels(attrs), isSilent: () => holdsZero(attrs) }),
  outputQuant: (c) =>
    noFinerThan(finestSumStep([must(c.inputQuants[0], 'the input is quantized')]), c.range, c.outputBits),
  servesFile: () => true,
  sixteen: 'both',
  quantize: quantizeClip,
  rows: undefined,
  gradient: { of: (attrs, steps) => steps.clamp(steps.input(0), attrs) },
  int8: int8Kernel,
  float32: (attrs, context) => kernelOf(attrs, context, 'f32', floatSumValue(attrs)),
};
