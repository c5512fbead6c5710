import { at } from '../../base/errors.ts';
import type { CanonicalOp } from '../graph/op.ts';
import { clampAt, clampRows, holdsZero, pickedClamp, type RowClamp } from '../integers/row-clamp.ts';
import { channelCount, countOf } from '../tensor.ts';
import { depthwise } from './common/depthwise.ts';
import { required } from './common/inputs.ts';
import { rounded } from './common/round.ts';

/** min(max(x, lo[c]), hi[c]) by channel (axis 1): no node is left of it but in layers. */
export const rowClip: CanonicalOp<RowClamp> = {
  kind: 'rowClip',
  infer(_attrs, inputs) {
    const { dtype, shape } = required(inputs, 0, 'input');
    return [{ dtype, shape }];
  },
  reference(attrs, inputs) {
    const { dtype, shape, data } = required(inputs, 0, 'input');
    const values = Float64Array.from(data);
    return [rounded(dtype, shape, clampRows(values, attrs, channelCount(shape), countOf(shape.slice(2))))];
  },
  affine: {
    kind: 'channelwise',
    map({ attrs, outputTypes }) {
      const channels = Array.from({ length: channelCount(at(outputTypes, 0).shape) });
      return { gain: channels.map(() => 1), shift: channels.map(() => 0), clamp: attrs };
    },
    again: undefined,
    alone: depthwise,
  },
  absorb: () => undefined,
  elementwise: false,
  channels: (attrs) => ({
    flow: 'kept',
    isSilent: (c) => holdsZero(clampAt(attrs, c)),
    reduced: (_inputs, kept) => ({ attrs: pickedClamp(attrs, kept) }),
  }),
  rows: undefined,
  gradient: 'none',
};
