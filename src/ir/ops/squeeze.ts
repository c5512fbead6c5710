/** Axes of size 1 removed and added. From opset 13 on the axes are an input, before an attribute. */

import { complain, must } from '../../base/errors.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import { type Shape, showShape } from '../tensor.ts';
import { asReshape } from './common/imported.ts';
import { axesIn, constantInts, known, newestOpset, required } from './common/inputs.ts';

interface Attrs {
  readonly axes?: readonly number[];
}

type Reshaper = (shape: Shape, axes: readonly number[] | undefined) => Shape;

function squeezed(shape: Shape, asked: readonly number[] | undefined): Shape {
  if (asked === undefined) return shape.filter((n) => n !== 1);
  const axes = axesIn(asked, shape.length);
  if (axes.some((axis) => shape[axis] !== 1))
    throw complain(`axes ${axes.join(', ')} of ${showShape(shape)}`, 'axes of size 1');
  return shape.filter((_, i) => !axes.includes(i));
}

function unsqueezed(shape: Shape, asked: readonly number[] | undefined): Shape {
  if (asked === undefined) throw complain('no axes');
  const rank = shape.length + asked.length;
  const axes = axesIn(asked, rank);
  const rest = [...shape];
  return Array.from({ length: rank }, (_, i) =>
    axes.includes(i) ? 1 : must(rest.shift(), 'an axis for each that is not new'),
  );
}

function reshaper(kind: string, type: string, change: Reshaper): ImportedOp<Attrs> {
  const shapeOf = (attrs: Attrs, inputs: readonly (InputType | undefined)[]): Shape =>
    change(required(inputs, 0, 'data').shape, attrs.axes ?? constantInts(inputs[1], 'axes'));
  return {
    kind,
    restrictions: 'constant axes',
    onnx: {
      [type]: {
        since: 1,
        upTo: newestOpset,
        parse({ attributes }) {
          const axes = attributes.ints('axes');
          return axes === undefined ? {} : { axes };
        },
      },
    },
    infer: (attrs, inputs) => [{ dtype: required(inputs, 0, 'data').dtype, shape: shapeOf(attrs, inputs) }],
    reference(attrs, inputs) {
      const { dtype, data } = required(inputs, 0, 'data');
      return [{ dtype, shape: shapeOf(attrs, inputs.map(known)), data }];
    },
    canonicalize: asReshape,
  };
}

/** ONNX Squeeze-1, 11, 13, 21. */
export const squeeze = reshaper('squeeze', 'Squeeze', squeezed);
/** ONNX Unsqueeze-1, 11, 13, 21. */
export const unsqueeze = reshaper('unsqueeze', 'Unsqueeze', unsqueezed);
