import { type Clamp, clampAll, largestFloat } from '../clamp.ts';
import { must } from '../errors.ts';
import type { Kernel } from '../kernel.ts';
import { clampWords, docOf } from '../kernels/doc.ts';
import {
  type AffineSum,
  affineSumOf,
  affineSumValue,
  elementwise,
  finestSumStep,
  floatSumValue,
} from '../kernels/elementwise.ts';
import type { KernelContext, OpDef } from '../op.ts';
import { noFinerThan } from '../quant.ts';
import { countOf } from '../tensor.ts';
import { newestOpset, required } from './common/inputs.ts';
import { rounded } from './common/round.ts';

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
): Kernel {
  const output = must(context.outputs[0], 'an output');
  return elementwise({
    name: context.name,
    doc: docOf(`Activation${clampWords(attrs)}`, context.inputs, output, elem),
    elem,
    inputs: 1,
    count: countOf(output.shape),
    value,
  });
}

/** min(max(x, lo), hi), element by element. ONNX Relu-1, 6, 13, 14; Clip-1 and 6, which have the bounds as attributes. */
export const clip: OpDef<ClipAttrs, AffineSum> = {
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
  outputQuant: (c) => noFinerThan(finestSumStep([must(c.inputQuants[0], 'the input is quantized')]), c.range),
  quantize: (c) => affineSumOf([must(c.inputQuants[0], 'the input is quantized')], c.outputQuant, c.attrs),
  int8: (attrs, q, context) => kernelOf(attrs, context, 'u8', affineSumValue(q)),
  float32: (attrs, context) => kernelOf(attrs, context, 'f32', floatSumValue(attrs)),
};
