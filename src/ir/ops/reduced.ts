/** ONNX's reductions: pools where those do, which convolutions take in, else operators of their own. */
import { at, complain } from '../../base/errors.ts';
import type { CanonicalOp, ImportedOp, InputType, NodeView, OnnxRule, Replacement } from '../graph/op.ts';
import { countOf, floats, type Shape } from '../tensor.ts';
import { avgPool } from './avg-pool.ts';
import { reshapeTo } from './common/imported.ts';
import { axesIn, constantInts, known, newestOpset, required } from './common/inputs.ts';
import { rounded } from './common/round.ts';
import { maxPool } from './max-pool.ts';
import { log } from './powers.ts';
import { type ReduceAttrs, reducedShape } from './reduce.ts';
import * as kinds from './reductions.ts';

export interface ReducedAttrs {
  /** Before opset 13 or 18. */
  readonly axes?: readonly number[];
  readonly keepDims: boolean;
  /** No axes mean none, instead of all. */
  readonly noAxesIsNoop: boolean;
}

type Inputs = readonly (InputType | undefined)[];

/** Its axes, none of them left to the shape. */
export function explicitAxes({ axes, keepDims, noAxesIsNoop }: ReducedAttrs, inputs: Inputs): ReduceAttrs {
  const rank = required(inputs, 0, 'data').shape.length;
  const asked = axes ?? constantInts(inputs[1], 'axes') ?? [];
  const all = noAxesIsNoop ? [] : Array.from({ length: rank }, (_, i) => i);
  return { axes: asked.length > 0 ? axesIn(asked, rank) : all, keepDims };
}

const rule: OnnxRule<ReducedAttrs> = {
  since: 1,
  upTo: newestOpset,
  parse({ attributes }) {
    const axes = attributes.ints('axes');
    return {
      ...(axes === undefined ? {} : { axes }),
      keepDims: attributes.int('keepdims', 1) !== 0,
      noAxesIsNoop: attributes.int('noop_with_empty_axes', 0) !== 0,
    };
  },
};

/** A pool with a window and nothing else. */
const pooled =
  (op: CanonicalOp) =>
  (kernel: readonly number[], from: string, to: string): Replacement => ({
    op,
    attrs: {
      kernel,
      strides: [],
      pads: [],
      autoPad: 'NOTSET',
      dilations: [],
      ceilMode: false,
      countIncludePad: false,
    },
    inputs: [from],
    outputs: [to],
  });

export const averageOf = pooled(avgPool);
export const maximumOf = pooled(maxPool);

/** A reduction over spatial axes as a pool as large as them. */
function asPool(
  pool: typeof averageOf,
  shape: Shape,
  { axes, keepDims }: ReduceAttrs,
  from: string,
  to: string,
): readonly Replacement[] {
  const whole = keepDims ? to : `${to}~pooled`;
  const kernel = shape.slice(2).map((n, i) => (axes.includes(i + 2) ? n : 1));
  const made = pool(kernel, from, whole);
  return keepDims ? [made] : [made, reshapeTo(whole, to, reducedShape(shape, { axes, keepDims }))];
}

/** Whether one number alone becomes itself. */
function keepsSingles({ reference }: CanonicalOp<ReduceAttrs>): boolean {
  const pair = floats([2, 1], Float32Array.of(-2, 3));
  const [made] = reference({ axes: [1], keepDims: true }, [pair]);
  return made !== undefined && pair.data.every((x: number, i: number) => x === made.data[i]);
}

type Reduce = CanonicalOp<ReduceAttrs>;

function canonical(
  op: Reduce,
  pool: typeof averageOf | undefined,
  node: NodeView<ReducedAttrs>,
): readonly Replacement[] {
  const { shape } = required(node.inputTypes, 0, 'data');
  const attrs = explicitAxes(node.attrs, node.inputTypes);
  const [from = '', to = ''] = [node.inputs[0], node.outputs[0]];
  const spatial = shape.length >= 3 && shape.length <= 4 && shape[0] === 1 && attrs.axes.every((a) => a >= 2);
  if (pool !== undefined && spatial) return asPool(pool, shape, attrs, from, to);
  const alone = countOf(attrs.axes.map((axis) => at(shape, axis))) === 1;
  if (alone && keepsSingles(op)) return [reshapeTo(from, to, reducedShape(shape, attrs))];
  if (attrs.axes.length === 0) throw complain('no axes to reduce over', 'at least one axis');
  return [{ op, attrs, inputs: [from], outputs: [to] }];
}

/** Axes are an attribute up to opset 12 or 17, then an input. */
const reduced = (type: string, op: Reduce, pool?: typeof averageOf): ImportedOp<ReducedAttrs> => ({
  kind: type.charAt(0).toLowerCase() + type.slice(1),
  restrictions: ['constant axes, at least one', op.restrictions]
    .filter((text) => text !== undefined)
    .join('; '),
  onnx: { [type]: rule },
  infer(attrs, inputs) {
    const { dtype, shape } = required(inputs, 0, 'data');
    return [{ dtype, shape: reducedShape(shape, explicitAxes(attrs, inputs)) }];
  },
  reference: (attrs, inputs) => op.reference(explicitAxes(attrs, inputs.map(known)), inputs),
  canonicalize: (node) => canonical(op, pool, node),
});

/** ln of the sum. */
const reduceLogSum: ImportedOp<ReducedAttrs> = {
  ...reduced('ReduceLogSum', kinds.sum),
  reference(attrs, inputs) {
    const x = required(inputs, 0, 'data');
    const wide = { ...x, dtype: 'float64', data: Float64Array.from(x.data) } as const;
    return kinds.sum
      .reference(explicitAxes(attrs, inputs.map(known)), [wide])
      .map(({ shape, data }) => rounded(x.dtype, shape, Float64Array.from(data, Math.log)));
  },
  canonicalize(node) {
    const total = `${node.outputs[0]}~sum`;
    return [
      ...canonical(kinds.sum, undefined, { ...node, outputs: [total] }),
      { op: log, attrs: {}, inputs: [total], outputs: node.outputs },
    ];
  },
};

export const reduceMean = reduced('ReduceMean', kinds.mean, averageOf);

/**
 * ONNX ReduceMean-1, 11, 13, 18, ReduceMax-1, 11, 12, 13, 18, 20, ReduceMin (the same), ReduceSum-1, 11, 13, and
 * ReduceProd, ReduceL1, ReduceL2, ReduceSumSquare, ReduceLogSum, ReduceLogSumExp-1, 11, 13, 18.
 */
export const reduceOps: readonly ImportedOp<ReducedAttrs>[] = [
  reduceMean,
  reduced('ReduceMax', kinds.largestElement, maximumOf),
  reduced('ReduceMin', kinds.smallestElement),
  reduced('ReduceSum', kinds.sum),
  reduced('ReduceProd', kinds.product),
  reduced('ReduceL1', kinds.l1),
  reduced('ReduceL2', kinds.l2),
  reduced('ReduceSumSquare', kinds.sumSquare),
  reduced('ReduceLogSumExp', kinds.logSumExp),
  reduceLogSum,
];
