import type { ImportedOp, InputType } from '../graph/op.ts';
import { clip, clipAttrs } from './clip.ts';
import { constantScalar, known, newestOpset, required } from './common/inputs.ts';

const bounds = (inputs: readonly (InputType | undefined)[]) =>
  clipAttrs(
    constantScalar(inputs[1], 'min') ?? Number.NEGATIVE_INFINITY,
    constantScalar(inputs[2], 'max') ?? Number.POSITIVE_INFINITY,
  );

/** ONNX Clip-11, 12, 13: the bounds are optional inputs. */
export const clipInputs: ImportedOp = {
  kind: 'clipInputs',
  restrictions: 'constant bounds',
  onnx: { Clip: { since: 11, upTo: newestOpset, parse: () => ({}) } },
  infer: (_attrs, inputs) => clip.infer(clipAttrs(0, 0), [required(inputs, 0, 'input')]),
  reference: (_attrs, inputs) => clip.reference(bounds(inputs.map(known)), inputs),
  canonicalize: ({ inputs, inputTypes, outputs }) => [
    { op: clip, attrs: bounds(inputTypes), inputs: inputs.slice(0, 1), outputs },
  ],
};
