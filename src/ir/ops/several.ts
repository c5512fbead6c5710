/** Sums, means, maxima and minima of any number of tensors, pair by pair. */
import { at } from '../../base/errors.ts';
import { broadcastShape } from '../geometry/broadcast.ts';
import type { CanonicalOp, ImportedOp, NodeView, Replacement } from '../graph/op.ts';
import { channelCount, type Shape, sameShape, type Tensor } from '../tensor.ts';
import { add } from './add.ts';
import { clip } from './clip.ts';
import { pairwise } from './common/elementwise.ts';
import { required } from './common/inputs.ts';
import { plain } from './common/onnx-rules.ts';
import { channelNumbers } from './common/pairs.ts';
import { rounded } from './common/round.ts';
import { largerOf, smallerOf } from './products.ts';
import { rowClip } from './row-clip.ts';
import { scaleShiftOf } from './scale-shift.ts';

interface Several {
  readonly value: (x: number, y: number) => number;
  readonly pair: CanonicalOp;
  /** Of a constant of one number, or of one for each channel, as bounds; absent: as any other. */
  readonly bounds?: <B extends number | readonly number[]>(c: B) => { lo: B | number; hi: B | number };
  /** The values are divided by how many there are. */
  readonly mean?: true;
}

/**
 * Of what was made so far and the next tensor.
 * @param shape of both, where what was made has all axes
 */
function next(
  { pair, bounds }: Several,
  [made, name]: readonly [string, string],
  constant: Tensor | undefined,
  shape: Shape | undefined,
) {
  const pairwise = { op: pair, attrs: {}, inputs: [made, name] };
  if (bounds === undefined || constant === undefined) return pairwise;
  if (constant.data.length === 1) return { op: clip, attrs: bounds(at(constant.data, 0)), inputs: [made] };
  const isPlain = shape !== undefined && constant.integers === undefined && shape.length > 1;
  const numbers = isPlain ? channelNumbers(constant, shape) : undefined;
  return numbers === undefined ? pairwise : { op: rowClip, attrs: bounds(numbers), inputs: [made] };
}

/** Activations first. */
function chained(f: Several, node: NodeView<unknown>): readonly Replacement[] {
  const { inputs, inputTypes, outputs } = node;
  const output = at(outputs, 0);
  const order = [...inputs.keys()].sort(
    (i, j) => Number(inputTypes[i]?.constant !== undefined) - Number(inputTypes[j]?.constant !== undefined),
  );
  let made = at(inputs, at(order, 0));
  const { shape } = required(node.outputTypes, 0, 'results');
  const first = inputTypes[at(order, 0)];
  const whole = first !== undefined && sameShape(first.shape, shape) ? shape : undefined;
  return order.slice(1).map((i, k) => {
    const last = k === order.length - 2 && !f.mean;
    const replacement = next(f, [made, at(inputs, i)], inputTypes[i]?.constant, whole);
    made = last ? output : `${output}~${k}`;
    return { ...replacement, outputs: [made] };
  });
}

function canonicalize(f: Several, node: NodeView<unknown>): readonly Replacement[] {
  if (node.inputs.length === 1) return [];
  const parts = chained(f, node);
  if (!f.mean) return parts;
  const gain = Array.from(
    { length: channelCount(required(node.outputTypes, 0, 'means').shape) },
    () => 1 / node.inputs.length,
  );
  const shift = gain.map(() => 0);
  const sum = at(at(parts, parts.length - 1).outputs, 0);
  return [...parts, scaleShiftOf({ gain, shift }, [node.name, sum, at(node.outputs, 0)])];
}

const shapeOf = (inputs: readonly ({ readonly shape: Shape } | undefined)[]): Shape =>
  inputs.map((_, i) => required(inputs, i, 'data').shape).reduce(broadcastShape);

/** In float64, rounded once. */
function combined({ value, mean }: Several, inputs: readonly (Tensor | undefined)[]): Tensor {
  const wide = inputs.map((_, i): Tensor => {
    const tensor = required(inputs, i, 'data');
    return { ...tensor, dtype: 'float64', data: Float64Array.from(tensor.data) };
  });
  const { shape, data } = wide.reduce((x, y) => pairwise([x, y], value));
  const values = Float64Array.from(data, (x) => (mean ? x / inputs.length : x));
  return rounded(required(inputs, 0, 'data').dtype, shape, values);
}

const several = (kind: string, type: string, f: Several): ImportedOp => ({
  kind,
  onnx: plain(type, 1),
  infer: (_attrs, inputs) => [{ dtype: required(inputs, 0, 'data').dtype, shape: shapeOf(inputs) }],
  reference: (_attrs, inputs) => [combined(f, inputs)],
  canonicalize: (node) => canonicalize(f, node),
});

const plus = (x: number, y: number): number => x + y;
const sum = add;

/** ONNX Sum-1, 6, 8, 13. */
export const sumOf = several('sum', 'Sum', { value: plus, pair: sum });
/** ONNX Mean-1, 6, 8, 13. */
export const meanOf = several('mean', 'Mean', { value: plus, pair: sum, mean: true });
/** ONNX Max-1, 6, 8, 12, 13. */
export const maxOf = several('max', 'Max', {
  value: Math.max,
  pair: largerOf,
  bounds: (lo) => ({ lo, hi: Number.POSITIVE_INFINITY }),
});
/** ONNX Min-1, 6, 8, 12, 13. */
export const minOf = several('min', 'Min', {
  value: Math.min,
  pair: smallerOf,
  bounds: (hi) => ({ lo: Number.NEGATIVE_INFINITY, hi }),
});
