import type { ImportedOp } from '../graph/op.ts';
import type { Shape } from '../tensor.ts';
import { onlyOnConstants } from './common/imported.ts';
import { newestOpset, required } from './common/inputs.ts';

interface Attrs {
  readonly start: number;
  readonly end: number;
}

/** Array.slice clamps and counts from the end just as Shape-15 does. */
const part = ({ start, end }: Attrs, shape: Shape): Shape => shape.slice(start, end);

/** ONNX Shape-1, 13, 15, 19, 21. */
export const shape: ImportedOp<Attrs> = {
  kind: 'shape',
  folds: true,
  typesOnly: true,
  onnx: {
    Shape: {
      since: 1,
      upTo: newestOpset,
      parse: ({ attributes }) => ({
        start: attributes.int('start', 0),
        end: attributes.int('end', Number.MAX_SAFE_INTEGER),
      }),
    },
  },
  infer: (attrs, inputs) => [
    { dtype: 'int64', shape: [part(attrs, required(inputs, 0, 'data').shape).length] },
  ],
  reference(attrs, inputs) {
    const sizes = part(attrs, required(inputs, 0, 'data').shape);
    return [{ dtype: 'int64', shape: [sizes.length], data: Float64Array.from(sizes) }];
  },
  canonicalize: onlyOnConstants('Shape'),
};
