/** Rewritings that several imported operators share. */

import { type Complaint, InputError } from '../../../base/errors.ts';
import type { NodeView, Replacement } from '../../graph/op.ts';
import type { Shape } from '../../tensor.ts';
import { reshape } from '../reshape.ts';

/** For operators that are fine in the arithmetic of shapes, and have no kernel. @throws InputError */
export const onlyOnConstants = (type: string) => (): readonly Replacement[] => {
  throw new InputError(usedOnActivations(type));
};

export const usedOnActivations = (type: string): Complaint => ({
  found: `${type} of the network's activations`,
  supported: `${type} of constants`,
  todo: 'write the layer with supported operators and export again',
});

/** The node as a reshape of its first input to its output's shape. */
export const asReshape = ({ inputs, outputs, outputTypes }: NodeView<unknown>): readonly Replacement[] => [
  {
    op: reshape,
    attrs: { shape: outputTypes[0]?.shape ?? [] },
    inputs: inputs.slice(0, 1),
    outputs: outputs.slice(0, 1),
  },
];

/** A reshape of one named tensor to another. */
export const reshapeTo = (from: string, to: string, shape: Shape): Replacement => ({
  op: reshape,
  attrs: { shape },
  inputs: [from],
  outputs: [to],
});
