import { at, complain } from '../../base/errors.ts';
import { broadcastShape } from '../geometry/broadcast.ts';
import { type AxisIndex, axiswise, movedTo } from '../geometry/strided.ts';
import type { ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import { countOf, largestTensor, numbersFor, type Shape, type Tensor } from '../tensor.ts';
import { constantInts, known, newestOpset, required } from './common/inputs.ts';
import { asMove } from './common/moves.ts';

type Inputs = readonly (InputType | undefined)[];
type Target = (inputs: Inputs) => Shape;

/** With axes of 1 in front, as many as `rank`. */
const withAxes = (shape: Shape, rank: number): Shape => [
  ...new Array<number>(Math.max(0, rank - shape.length)).fill(1),
  ...shape,
];

/** Again from the start at the end of each axis. */
const indicesOf = (own: Shape, target: Shape): readonly AxisIndex[] =>
  target.map((size, axis) => Int32Array.from({ length: size }, (_, i) => i % at(own, axis)));

function repeated(x: Tensor, target: Shape): Tensor {
  const own = withAxes(x.shape, target.length);
  const made = { dtype: x.dtype, shape: target, data: numbersFor(x.dtype, countOf(target)) };
  return movedTo(made, axiswise(0, own, indicesOf(own, target)), [x]);
}

function asRepetition(node: NodeView<unknown>, words: string): readonly Replacement[] {
  const target = at(node.outputTypes, 0).shape;
  const own = withAxes(required(node.inputTypes, 0, 'input').shape, target.length);
  return [asMove(node, words, axiswise(0, own, indicesOf(own, target)))];
}

/** @throws InputError for what only a damaged file asks for */
function modest(shape: Shape): Shape {
  if (countOf(shape) <= largestTensor) return shape;
  throw complain(`${countOf(shape)} elements`, `at most ${largestTensor}`);
}

const repeating = (kind: string, type: string, since: number, target: Target): ImportedOp => ({
  kind,
  restrictions: 'constant sizes',
  onnx: { [type]: { since, upTo: newestOpset, parse: () => ({}) } },
  infer: (_attrs, inputs) => [{ dtype: required(inputs, 0, 'input').dtype, shape: modest(target(inputs)) }],
  reference: (_attrs, inputs) => [repeated(required(inputs, 0, 'input'), modest(target(inputs.map(known))))],
  canonicalize: (node) => asRepetition(node, type),
});

/** ONNX Tile-6, 13: as often as `repeats` says along each axis. */
export const tile = repeating('tile', 'Tile', 6, (inputs) => {
  const { shape } = required(inputs, 0, 'input');
  const repeats = constantInts(required(inputs, 1, 'repeats'), 'repeats') ?? [];
  if (repeats.length !== shape.length || repeats.some((n) => n < 0))
    throw complain(`repeats ${repeats.join(', ')} of ${shape.length} axes`, 'one of 0 or more for each');
  return shape.map((size, axis) => size * at(repeats, axis));
});

/** ONNX Expand-8, 13: broadcast to a shape. */
export const expand = repeating('expand', 'Expand', 8, (inputs) =>
  broadcastShape(
    required(inputs, 0, 'input').shape,
    constantInts(required(inputs, 1, 'shape'), 'shape') ?? [],
  ),
);
