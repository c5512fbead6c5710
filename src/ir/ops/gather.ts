import { at, complain } from '../../base/errors.ts';
import { indexIn } from '../geometry/index-in.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import { picked, type Shape, type Tensor, type TensorType } from '../tensor.ts';
import { axisIn, constantInts, newestOpset, required } from './common/inputs.ts';
import { alongAxis, asMove } from './common/moves.ts';
import { embedding } from './embedding.ts';
import { pick } from './pick.ts';

interface Attrs {
  readonly axis: number;
}

function typeOf({ axis }: Attrs, inputs: readonly (InputType | undefined)[]): TensorType {
  const [data, indices] = [required(inputs, 0, 'data'), required(inputs, 1, 'indices')];
  const at = axisIn(axis, data.shape.length);
  return { dtype: data.dtype, shape: gathered(data.shape, at, indices.shape) };
}

const gathered = (shape: Shape, axis: number, indices: Shape): Shape => [
  ...shape.slice(0, axis),
  ...indices,
  ...shape.slice(axis + 1),
];

function slicesOf(x: Tensor, axis: number, { shape, data }: Tensor): Tensor {
  const size = at(x.shape, axis);
  const index = Array.from(data, (i) => indexIn(i, size));
  return { ...picked(x, axis, index), shape: gathered(x.shape, axis, shape) };
}

/** ONNX Gather-1, 11, 13: whole slices along one axis; negative indices count from the end. */
export const gather: ImportedOp<Attrs> = {
  kind: 'gather',
  onlyMoves: true,
  restrictions: 'of a constant by computed indices rows (axis 0)',
  onnx: {
    Gather: { since: 1, upTo: newestOpset, parse: ({ attributes }) => ({ axis: attributes.int('axis', 0) }) },
  },
  infer: (attrs, inputs) => [typeOf(attrs, inputs)],
  reference({ axis }, inputs) {
    const x = required(inputs, 0, 'data');
    return [slicesOf(x, axisIn(axis, x.shape.length), required(inputs, 1, 'indices'))];
  },
  canonicalize(node) {
    const { shape, constant } = required(node.inputTypes, 0, 'data');
    const axis = axisIn(node.attrs.axis, shape.length);
    const [data = '', chosen = ''] = node.inputs;
    if (axis === 0 && constant !== undefined)
      return [{ op: embedding, attrs: {}, inputs: [chosen, data], outputs: node.outputs }];
    if (node.inputTypes[1]?.constant === undefined && constant === undefined)
      return [{ op: pick, attrs: { how: 'slices', axis }, inputs: node.inputs, outputs: node.outputs }];
    if (node.inputTypes[1]?.constant === undefined)
      throw complain(
        `Gather of a constant along axis ${axis} by indices that are computed from the network's input`,
        'rows (axis 0) of a constant table',
        'transpose the table first',
      );
    const indices = constantInts(node.inputTypes[1], 'indices') ?? [];
    const index = indices.map((i) => indexIn(i, at(shape, axis)));
    return [asMove(node, 'Gather', alongAxis(node, axis, index))];
  },
};
