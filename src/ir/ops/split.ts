import { at, complain } from '../../base/errors.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import { picked } from '../tensor.ts';
import { axisIn, constantInts, known, newestOpset, required } from './common/inputs.ts';
import { alongAxis, asMove } from './common/moves.ts';

interface Attrs {
  readonly axis: number;
  /** Before opset 13; an input from then on. */
  readonly fixed?: readonly number[];
  readonly parts: number;
}

type Inputs = readonly (InputType | undefined)[];

/** The sizes of the parts: given, or equal ones, the last smaller where they cannot be. */
function sizesOf({ axis, fixed, parts }: Attrs, inputs: Inputs): readonly number[] {
  const { shape } = required(inputs, 0, 'input');
  const size = at(shape, axisIn(axis, shape.length));
  const given = fixed ?? constantInts(inputs[1], 'split');
  const each = Math.ceil(size / parts);
  const sizes = given ?? Array.from({ length: parts }, (_, i) => Math.min(each, size - i * each));
  if (sizes.some((n) => n < 0) || sizes.reduce((sum, n) => sum + n, 0) !== size || sizes.length !== parts)
    throw complain(
      `parts of ${sizes.join(', ')} along an axis of ${size}`,
      `${parts} parts that are all of it`,
    );
  return sizes;
}

/** By part: the indices along the axis. */
const indicesOf = (sizes: readonly number[]): readonly (readonly number[])[] =>
  sizes.map((size, part) => {
    const first = sizes.slice(0, part).reduce((sum, n) => sum + n, 0);
    return Array.from({ length: size }, (_, i) => first + i);
  });

/** ONNX Split-1, 2, 11 (attribute), 13 (input), 18 (num_outputs): neighbouring parts along one axis. */
export const split: ImportedOp<Attrs> = {
  kind: 'split',
  restrictions: 'constant sizes',
  onnx: {
    Split: {
      since: 1,
      upTo: newestOpset,
      parse({ attributes, outputs }) {
        const fixed = attributes.ints('split');
        const common = { axis: attributes.int('axis', 0), parts: outputs.length };
        return fixed === undefined ? common : { ...common, fixed };
      },
    },
  },
  infer(attrs, inputs) {
    const { dtype, shape } = required(inputs, 0, 'input');
    const axis = axisIn(attrs.axis, shape.length);
    return sizesOf(attrs, inputs).map((size) => ({ dtype, shape: shape.with(axis, size) }));
  },
  reference(attrs, inputs) {
    const x = required(inputs, 0, 'input');
    return indicesOf(sizesOf(attrs, inputs.map(known))).map((index) =>
      picked(x, axisIn(attrs.axis, x.shape.length), index),
    );
  },
  canonicalize(node) {
    const axis = axisIn(node.attrs.axis, required(node.inputTypes, 0, 'input').shape.length);
    return indicesOf(sizesOf(node.attrs, node.inputTypes)).flatMap((index, output) =>
      node.outputs[output] === ''
        ? []
        : [asMove(node, 'Part of a split', alongAxis(node, axis, index), { output })],
    );
  },
};
