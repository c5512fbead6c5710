import { complain } from '../../base/errors.ts';
import { broadcastShape } from '../geometry/broadcast.ts';
import type { ImportedOp } from '../graph/op.ts';
import { sameShape, showShape } from '../tensor.ts';
import { constantOf, newestOpset, required } from './common/inputs.ts';
import { leakyRelu } from './linear-units.ts';
import { prelu } from './products.ts';

/** ONNX PRelu-7, 9, 16: slopes that broadcast to the input. One number is a leaky ReLU. */
export const preluSlopes: ImportedOp = {
  kind: 'preluSlopes',
  restrictions: 'constant slopes',
  onnx: { PRelu: { since: 7, upTo: newestOpset, parse: () => ({}) } },
  infer(_attrs, inputs) {
    const [x, slope] = [required(inputs, 0, 'X'), required(inputs, 1, 'slope')];
    if (!sameShape(broadcastShape(x.shape, slope.shape), x.shape))
      throw complain(`slopes of ${showShape(slope.shape)}`, `slopes that broadcast to ${showShape(x.shape)}`);
    return prelu.infer({}, [x, slope]);
  },
  reference: (_attrs, inputs) => prelu.reference({}, inputs),
  canonicalize({ inputs, inputTypes, outputs }) {
    const slopes = constantOf(inputTypes[1], 'slope')?.data ?? [];
    const [alpha] = slopes;
    if (alpha === undefined || slopes.some((x: number) => x !== alpha))
      return [{ op: prelu, attrs: {}, inputs, outputs }];
    return [{ op: leakyRelu, attrs: { alpha }, inputs: inputs.slice(0, 1), outputs }];
  },
};
