import { complain } from '../../base/errors.ts';
import type { CanonicalOp } from '../graph/op.ts';
import { sameAsInput } from '../integers/quant.ts';
import { countOf, type Shape, showShape } from '../tensor.ts';
import { opaqueChannels } from './common/channel-flows.ts';
import { required } from './common/inputs.ts';

export interface ReshapeAttrs {
  /** Of the output; as many elements as the input. */
  readonly shape: Shape;
}

/** The same elements in the same row-major order under another shape. */
export const reshape: CanonicalOp<ReshapeAttrs> = {
  kind: 'reshape',
  alias: true,
  infer({ shape }, inputs) {
    const x = required(inputs, 0, 'x');
    if (countOf(x.shape) !== countOf(shape))
      throw complain(`a reshape of ${showShape(x.shape)} to ${showShape(shape)}`, 'as many elements');
    return [{ dtype: x.dtype, shape }];
  },
  reference({ shape }, inputs) {
    const { dtype, data } = required(inputs, 0, 'x');
    return [{ dtype, shape, data }];
  },
  affine: {
    kind: 'commuting',
    commutes: ({ gain }, { inputTypes, outputTypes }) =>
      [inputTypes[0], outputTypes[0]].every((type) => type?.shape[1] === gain.length),
  },
  absorb: () => undefined,
  elementwise: false,
  channels({ shape }, inputs) {
    const [batch, channels = 1] = required(inputs, 0, 'x').shape;
    const [rows, features = 0] = shape;
    if (batch !== 1 || rows !== 1 || features === 0 || features % channels !== 0) return opaqueChannels();
    return {
      flow: 'spread',
      isSilent: () => true,
      reduced: (_inputs, kept) => ({ attrs: { shape: shape.with(1, kept.length) } }),
    };
  },
  outputQuant: (c) => sameAsInput(c),
  anyZeroPoint: 'moves',
  rows: undefined,
  gradient: { of: ({ shape }, steps) => ({ ...steps.input(0), shape }) },
};
