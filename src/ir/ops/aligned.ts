import { complain } from '../../base/errors.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import { type Shape, sameShape, showShape, type TensorType } from '../tensor.ts';
import { asReshape } from './common/imported.ts';
import { axisIn, required } from './common/inputs.ts';

interface Attrs {
  /** Of the other tensor: that with which the first axis lines up. */
  readonly axis: number;
}

function alignedShape({ axis }: Attrs, inputs: readonly (TensorType | undefined)[]): Shape {
  const [{ shape }, other] = [required(inputs, 0, 'B'), required(inputs, 1, 'A')];
  const behind = other.shape.length - axisIn(axis, other.shape.length) - shape.length;
  if (behind < 0) throw complain(`shape ${showShape(shape)} at axis ${axis} of ${showShape(other.shape)}`);
  return [...shape, ...new Array<number>(behind).fill(1)];
}

/** Input 0 with as many axes behind it that its broadcasting to input 1 is today's: before opset 7 an axis was named. */
export const aligned: ImportedOp<Attrs> = {
  kind: 'aligned',
  infer: (attrs, inputs: readonly (InputType | undefined)[]) => [
    { dtype: required(inputs, 0, 'B').dtype, shape: alignedShape(attrs, inputs) },
  ],
  reference: (attrs, inputs) => [{ ...required(inputs, 0, 'B'), shape: alignedShape(attrs, inputs) }],
  canonicalize: (node) =>
    sameShape(required(node.inputTypes, 0, 'B').shape, required(node.outputTypes, 0, 'B').shape)
      ? []
      : asReshape(node),
};
