import { complain } from '../../base/errors.ts';
import type { ImportedOp } from '../graph/op.ts';
import { countOf, type Shape } from '../tensor.ts';
import { asReshape } from './common/imported.ts';
import { newestOpset, required } from './common/inputs.ts';

interface Attrs {
  /** The first axis of the columns; -rank to rank. */
  readonly axis: number;
}

function matrix({ axis }: Attrs, shape: Shape): Shape {
  if (axis < -shape.length || axis > shape.length)
    throw complain(
      `axis ${axis} of a tensor with ${shape.length} axes`,
      `${-shape.length} to ${shape.length}`,
    );
  const split = axis < 0 ? axis + shape.length : axis;
  return [countOf(shape.slice(0, split)), countOf(shape.slice(split))];
}

/** ONNX Flatten-1, 9, 11, 13, 21: to a matrix. */
export const flatten: ImportedOp<Attrs> = {
  kind: 'flatten',
  onlyMoves: true,
  onnx: {
    Flatten: {
      since: 1,
      upTo: newestOpset,
      parse: ({ attributes }) => ({ axis: attributes.int('axis', 1) }),
    },
  },
  infer(attrs, inputs) {
    const { dtype, shape } = required(inputs, 0, 'input');
    return [{ dtype, shape: matrix(attrs, shape) }];
  },
  reference(attrs, inputs) {
    const { dtype, shape, data } = required(inputs, 0, 'input');
    return [{ dtype, shape: matrix(attrs, shape), data }];
  },
  canonicalize: asReshape,
};
