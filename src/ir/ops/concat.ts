import { at, complain } from '../../base/errors.ts';
import { allOf, axiswise, type Piece } from '../geometry/strided.ts';
import type { ImportedOp, InputType, NodeView, Replacement } from '../graph/op.ts';
import { countOf, numbersFor, type Shape, showShape, type Tensor, type TensorType } from '../tensor.ts';
import { axisIn, newestOpset, required } from './common/inputs.ts';
import { asMove } from './common/moves.ts';

interface Attrs {
  readonly axis: number;
}

function typeOf({ axis }: Attrs, inputs: readonly (InputType | undefined)[]): TensorType {
  const all = inputs.map((_, i) => required(inputs, i, 'inputs'));
  const { dtype, shape } = required(inputs, 0, 'inputs');
  const along = axisIn(axis, shape.length);
  for (const other of all) requireJoinable(shape, other.shape, along);
  if (all.some((other) => other.dtype !== dtype)) throw complain('inputs of several types', 'one type');
  return {
    dtype,
    shape: shape.with(
      along,
      all.reduce((sum, x) => sum + at(x.shape, along), 0),
    ),
  };
}

function requireJoinable(a: Shape, b: Shape, axis: number): void {
  if (a.length === b.length && a.every((n, i) => i === axis || n === b[i])) return;
  throw complain(`${showShape(a)} and ${showShape(b)} along axis ${axis}`, 'shapes that differ there only');
}

function joined(inputs: readonly Tensor[], { dtype, shape }: TensorType, axis: number): Tensor {
  const data = numbersFor(dtype, countOf(shape));
  let to = 0;
  for (let o = 0; o < countOf(shape.slice(0, axis)); o++)
    for (const x of inputs) {
      const count = countOf(x.shape.slice(axis));
      data.set(x.data.subarray(o * count, (o + 1) * count), to);
      to += count;
    }
  return { dtype, shape, data };
}

/** The node without those of its inputs that have no elements, where others have. */
function withElements(node: NodeView<Attrs>): NodeView<Attrs> {
  const full = node.inputTypes.map((type) => type === undefined || countOf(type.shape) > 0);
  if (!full.includes(true)) return node;
  const inputs = node.inputs.filter((_, i) => full[i]);
  return { ...node, inputs, inputTypes: node.inputTypes.filter((_, i) => full[i]) };
}

function joinedOnes(node: NodeView<Attrs>): readonly Replacement[] {
  const along = axisIn(node.attrs.axis, at(node.outputTypes, 0).shape.length);
  const { pieces } = node.inputTypes.reduce(
    (done, _, i) => {
      const { shape } = required(node.inputTypes, i, 'inputs');
      const index = new Int32Array(at(at(node.outputTypes, 0).shape, along)).fill(-1);
      index.set(allOf(at(shape, along)), done.end);
      const own = axiswise(
        i,
        shape,
        shape.map((size, axis) => (axis === along ? index : allOf(size))),
      );
      return { pieces: [...done.pieces, ...own], end: done.end + at(shape, along) };
    },
    { pieces: [] as readonly Piece[], end: 0 },
  );
  return [asMove(node, 'Concatenation', pieces, { read: node.inputs.length })];
}

/** ONNX Concat-4, 11, 13. */
export const concat: ImportedOp<Attrs> = {
  kind: 'concat',
  onnx: {
    Concat: { since: 4, upTo: newestOpset, parse: ({ attributes }) => ({ axis: attributes.int('axis', 1) }) },
  },
  infer: (attrs, inputs) => [typeOf(attrs, inputs)],
  reference(attrs, inputs) {
    const type = typeOf(attrs, inputs);
    return [
      joined(
        inputs.flatMap((x) => (x === undefined ? [] : [x])),
        type,
        axisIn(attrs.axis, type.shape.length),
      ),
    ];
  },
  canonicalize: (node) => joinedOnes(withElements(node)),
};
