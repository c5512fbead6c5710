/** Operators that are computed where all that they read is constant; what they are elsewhere, if anything. */
import { complain, DynamicShapeError } from '../../../base/errors.ts';
import type { Attributes } from '../../graph/attributes.ts';
import type { CanonicalOp, ImportedOp, InputType, NodeView, Replacement } from '../../graph/op.ts';
import { countOf, largestTensor, type Shape, showShape, type Tensor, type TensorType } from '../../tensor.ts';
import { onlyOnConstants, usedOnActivations } from './imported.ts';
import { newestOpset, required } from './inputs.ts';

export type Inputs = readonly (Tensor | undefined)[];
export type Types = readonly (InputType | undefined)[];

export interface Meaning {
  readonly type: string;
  readonly restrictions?: string;
  /** The oldest opset with this meaning. */
  readonly since: number;
  readonly value: (inputs: Inputs, attributes: Attributes) => Tensor;
  /** What the output is, where types alone tell; else it is known with the value. */
  readonly infer?: (types: Types, attributes: Attributes) => readonly TensorType[];
  /** What it is on activations. Absent: nothing. */
  readonly canonicalize?: (node: NodeView<Attrs>) => readonly Replacement[];
}

export interface Attrs {
  readonly attributes: Attributes;
}

/** @throws DynamicShapeError where an input is not constant */
function inferByValue({ type, value }: Meaning, types: Types, attributes: Attributes): readonly TensorType[] {
  if (types.some((input) => input !== undefined && input.constant === undefined))
    throw new DynamicShapeError(usedOnActivations(type));
  const { dtype, shape } = value(
    types.map((input) => input?.constant),
    attributes,
  );
  return [{ dtype, shape }];
}

export const onConstants = (meaning: Meaning): ImportedOp<Attrs> => ({
  kind: meaning.type.charAt(0).toLowerCase() + meaning.type.slice(1),
  ...(meaning.restrictions === undefined ? {} : { restrictions: meaning.restrictions }),
  ...(meaning.canonicalize === undefined ? { folds: true } : {}),
  onnx: {
    [meaning.type]: {
      since: meaning.since,
      upTo: newestOpset,
      parse: ({ attributes }) => ({ attributes }),
    },
  },
  infer: ({ attributes }, types) =>
    meaning.infer?.(types, attributes) ?? inferByValue(meaning, types, attributes),
  reference: ({ attributes }, inputs) => [meaning.value(inputs, attributes)],
  canonicalize: meaning.canonicalize ?? onlyOnConstants(meaning.type),
});

/** @throws InputError for a size below 0, or beyond all memory */
export function requireModest(shape: Shape): void {
  const whole = shape.every((n) => Number.isSafeInteger(n) && n >= 0);
  if (whole && countOf(shape) <= largestTensor) return;
  throw complain(
    `an output of shape ${showShape(shape)}`,
    `sizes of 0 or more, up to ${largestTensor} elements`,
  );
}

/** As a canonical operator of the same inputs, which gives its meaning too. */
export const asCanonical = <A>(type: string, since: number, op: CanonicalOp<A>, attrs: A): Meaning => ({
  type,
  since,
  infer: (types) => op.infer(attrs, types),
  value: (inputs) => required(op.reference(attrs, inputs), 0, 'output'),
  canonicalize: ({ inputs, outputs }) => [{ op, attrs, inputs, outputs }],
});
