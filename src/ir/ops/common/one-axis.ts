/** Operators along one axis, whose output is of their input's type. */
import type { InputType, OnnxNode } from '../../graph/op.ts';
import type { TensorType } from '../../tensor.ts';
import { axisIn, required, requireFloats } from './inputs.ts';

export interface AxisAttrs {
  readonly axis: number;
}

type Inputs = readonly (InputType | undefined)[];

/** What such an operator has of it: from opset 13 on the last axis where none is named. */
export const oneAxis = {
  parse: ({ attributes }: OnnxNode): AxisAttrs => ({ axis: attributes.int('axis', -1) }),
  infer({ axis }: AxisAttrs, inputs: Inputs): readonly TensorType[] {
    requireFloats(inputs);
    const { dtype, shape } = required(inputs, 0, 'input');
    axisIn(axis, shape.length);
    return [{ dtype, shape }];
  },
  explicit: ({ axis }: AxisAttrs, inputs: Inputs): AxisAttrs => ({
    axis: axisIn(axis, required(inputs, 0, 'input').shape.length),
  }),
} as const;
