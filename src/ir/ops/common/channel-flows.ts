/** What most operators do with channels. */
import { at, atOr0 } from '../../../base/errors.ts';
import type { Channels, Columns, Removal } from '../../graph/channels.ts';
import type { InputType } from '../../graph/op.ts';
import { weightsOf } from '../../integers/mac.ts';
import { clampAll, clampAt, pickedClamp, type RowClamp } from '../../integers/row-clamp.ts';
import { countOf, picked, type Tensor } from '../../tensor.ts';

export const opaqueChannels = (): Channels<never> => ({ flow: 'opaque' });

/** Of operators that make each channel of the same one of their inputs, 0 of 0, and know nothing else of it. */
export const sameChannels = <A>(attrs: A): Removal<A> & { readonly flow: 'kept' } => ({
  flow: 'kept',
  isSilent: () => true,
  reduced: () => ({ attrs }),
});

/** Attributes of layers; groups are 1 when absent, and `padValues` 0, one per input channel. */
export interface LayerAttrs {
  readonly clamp?: RowClamp;
  readonly groups?: number;
  readonly pads?: readonly number[];
  readonly padValues?: readonly number[];
}

export function columnsOf<A extends LayerAttrs>(attrs: A, weights: Tensor): Columns<A> {
  const { groups = 1, pads = [], padValues } = attrs;
  const [rows = 1, depth = 1, ...window] = weights.shape;
  const [channels, taps] = [depth * groups, countOf(window)];
  const values = padValues ?? new Array<number>(channels).fill(0);
  const replaced = (others: readonly number[]): A => ({ ...attrs, padValues: others });
  return {
    weights,
    rows,
    channels,
    groups,
    taps,
    start(row, channel) {
      const c = channel - Math.floor((row * groups) / rows) * depth;
      return c < 0 || c >= depth ? undefined : (row * depth + c) * taps;
    },
    ...(pads.every((p) => p === 0) ? {} : { padding: { values, replaced } }),
  };
}

/** Of weights[rows, channels / groups, taps...], with bias[rows] or none: dense, in groups, or one row per channel. */
export function layerChannels<A extends LayerAttrs>(
  attrs: A,
  inputs: readonly (InputType | undefined)[],
): Channels<A> {
  const { clamp, padValues } = attrs;
  const [weights, bias] = [weightsOf(inputs), inputs[2]?.constant];
  const columns = columnsOf(attrs, weights);
  const dense = columns.groups === 1;
  if (!dense && (columns.groups < columns.channels || columns.rows !== columns.channels))
    return { flow: 'opaque', columns };
  return {
    flow: dense ? 'made' : 'kept',
    columns,
    isSilent: (row) =>
      clampAll(Float64Array.of(atOr0(bias?.data, row)), clamp && clampAt(clamp, row))[0] === 0,
    reduced: (channels, rows) => ({
      attrs: {
        ...attrs,
        ...(dense ? {} : { groups: rows.length }),
        ...(clamp === undefined ? {} : { clamp: pickedClamp(clamp, rows) }),
        ...(padValues === undefined ? {} : { padValues: channels.map((c) => at(padValues, c)) }),
      },
      constants: [
        undefined,
        picked(picked(weights, 0, rows), 1, dense ? channels : [0]),
        bias && picked(bias, 0, rows),
      ],
    }),
  };
}
