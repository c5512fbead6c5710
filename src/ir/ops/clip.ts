import type { OpDef } from '../op.ts';
import { newestOpset, required } from './common/inputs.ts';
import { type Clamp, clampAll, rounded } from './common/round.ts';

/** `lo` and `hi` may be infinite. */
export type ClipAttrs = Clamp;

/** The largest float32: exporters write it where they mean no bound. */
const largestFloat = (2 - 2 ** -23) * 2 ** 127;

/** min(max(x, lo), hi) is hi everywhere when lo > hi (ONNX Clip-13 says so). */
export const clipAttrs = (lo: number, hi: number): ClipAttrs => ({
  lo: lo <= -largestFloat ? Number.NEGATIVE_INFINITY : Math.min(lo, hi),
  hi: hi >= largestFloat ? Number.POSITIVE_INFINITY : hi,
});

/** min(max(x, lo), hi), element by element. ONNX Relu-1, 6, 13, 14; Clip-1 and 6, which have the bounds as attributes. */
export const clip: OpDef<ClipAttrs> = {
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
};
