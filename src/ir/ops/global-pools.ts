/** Pools as large as an image. */
import { at, complain } from '../../base/errors.ts';
import type { CanonicalOp, ImportedOp, OnnxRule, Replacement } from '../graph/op.ts';
import type { Shape } from '../tensor.ts';
import { newestOpset, required } from './common/inputs.ts';
import type { ReduceAttrs } from './reduce.ts';
import { globalAverageOf, maximumOf } from './reduced.ts';
import { l1, l2, largestElement, mean } from './reductions.ts';

/** All spatial axes. */
const spatial = ({ length }: Shape): ReduceAttrs => ({
  axes: Array.from({ length: Math.max(0, length - 2) }, (_, i) => i + 2),
  keepDims: true,
});

type Reduce = CanonicalOp<ReduceAttrs>;

/** The reduction of each channel that `op` makes; `as`: what it becomes. */
const globalPool = <A>(
  kind: string,
  onnx: Readonly<Record<string, OnnxRule<A>>>,
  op: (attrs: A) => Reduce,
  as?: (kernel: Shape, from: string, to: string) => Replacement,
): ImportedOp<A> => ({
  kind,
  restrictions:
    'GlobalLpPool: p = 1 or 2; GlobalAveragePool: one or two spatial axes; GlobalMaxPool: one or two spatial axes',
  onnx,
  infer(attrs, inputs) {
    const x = required(inputs, 0, 'X');
    return op(attrs).infer(spatial(x.shape), [x]);
  },
  reference(attrs, inputs) {
    const x = required(inputs, 0, 'X');
    return op(attrs).reference(spatial(x.shape), [x]);
  },
  canonicalize({ attrs, inputs, outputs, inputTypes }) {
    const { shape } = required(inputTypes, 0, 'X');
    const [from, to] = [at(inputs, 0), at(outputs, 0)];
    return [
      as?.(shape.slice(2), from, to) ?? {
        op: op(attrs),
        attrs: spatial(shape),
        inputs: [from],
        outputs: [to],
      },
    ];
  },
});

/** ONNX GlobalAveragePool-1, 22: the mean of each channel. */
export const globalAvgPool = globalPool(
  'globalAvgPool',
  { GlobalAveragePool: { since: 1, upTo: newestOpset, parse: () => ({}) } },
  () => mean,
  globalAverageOf,
);

/** ONNX GlobalMaxPool-1, 22: the largest element of each channel. */
export const globalMaxPool = globalPool(
  'globalMaxPool',
  { GlobalMaxPool: { since: 1, upTo: newestOpset, parse: () => ({}) } },
  () => largestElement,
  maximumOf,
);

function normOf({ p }: { readonly p: number }): Reduce {
  if (p === 1) return l1;
  if (p === 2) return l2;
  throw complain(`p = ${p}`, 'p = 1 and p = 2');
}

/** ONNX GlobalLpPool-2, 22: a norm of each channel. */
export const globalLpPool = globalPool(
  'globalLpPool',
  {
    GlobalLpPool: { since: 2, upTo: newestOpset, parse: ({ attributes }) => ({ p: attributes.int('p', 2) }) },
  },
  normOf,
);
