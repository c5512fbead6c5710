import { complain } from '../../base/errors.ts';
import type { ImportedOp, InputType } from '../graph/op.ts';
import { countOf, type Shape, showShape } from '../tensor.ts';
import { asReshape } from './common/imported.ts';
import { constantInts, known, newestOpset, required } from './common/inputs.ts';

interface Attrs {
  /** A 0 is a size, not "as in the input". */
  readonly allowZero: boolean;
}

function target({ allowZero }: Attrs, inputs: readonly (InputType | undefined)[]): Shape {
  const from = required(inputs, 0, 'data').shape;
  const asked = constantInts(required(inputs, 1, 'shape'), 'shape') ?? [];
  const copied = asked.map((n, i) => (n === 0 && !allowZero ? copiedSize(from, i) : n));
  const free = copied.indexOf(-1);
  if (free === -1) return checked(copied, from, asked);
  const rest = countOf(copied.with(free, 1));
  return checked(copied.with(free, rest === 0 ? 0 : countOf(from) / rest), from, asked);
}

function copiedSize(from: Shape, axis: number): number {
  const size = from[axis];
  if (size === undefined) throw complain(`0 ("as in the input") at axis ${axis} of ${showShape(from)}`);
  return size;
}

function checked(shape: Shape, from: Shape, asked: Shape): Shape {
  if (shape.every((n) => Number.isSafeInteger(n) && n >= 0) && countOf(shape) === countOf(from)) return shape;
  throw complain(
    `a reshape of ${showShape(from)} to [${asked.join(', ')}]`,
    'as many elements, at most one -1',
  );
}

/** ONNX Reshape-5, 13, 14, 19, 21: the shape is an input; -1 is what remains, 0 as in the input. */
export const reshapeInput: ImportedOp<Attrs> = {
  kind: 'reshapeInput',
  onlyMoves: true,
  restrictions: 'a constant shape',
  onnx: {
    Reshape: {
      since: 5,
      upTo: newestOpset,
      parse: ({ attributes }) => ({ allowZero: attributes.int('allowzero', 0) !== 0 }),
    },
  },
  infer: (attrs, inputs) => [{ dtype: required(inputs, 0, 'data').dtype, shape: target(attrs, inputs) }],
  reference(attrs, inputs) {
    const { dtype, data } = required(inputs, 0, 'data');
    return [{ dtype, shape: target(attrs, inputs.map(known)), data }];
  },
  canonicalize: asReshape,
};
