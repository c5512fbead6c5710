/**
 * Channels are the indices along axis 1 of activations. What a node does with them decides which can only be taken
 * out together, and says what is left of the node without them.
 */
import { at } from '../../base/errors.ts';
import type { Tensor } from '../tensor.ts';

/**
 * - `made`: those of the output are new, sums over columns of the first input's.
 * - `kept`: the activations that it reads and the one that it makes have the same ones.
 * - `spread`: the input's C become the output's n C, and channel c is c n to c n + n - 1 there.
 * - `opaque`: nothing that it reads or makes can lose any.
 *
 * @typeParam A attributes of the operator
 */
export type Channels<A = unknown> =
  | { readonly flow: 'opaque'; readonly columns?: Columns<A> }
  | ({ readonly flow: 'made'; readonly columns: Columns<A> } & Removal<A>)
  | ({ readonly flow: 'kept' | 'spread'; readonly columns?: Columns<A> } & Removal<A>);

export interface Removal<A = unknown> {
  /** Whether a channel of the output is 0 where all that it is made of is, padding too. */
  isSilent(channel: number): boolean;
  /**
   * Attributes and constants, in the order of its inputs, after some channels went; constants that are left out stay.
   * @param inputs channels of the activations that it reads that stay, ascending; @param outputs of its output
   */
  reduced(
    inputs: readonly number[],
    outputs: readonly number[],
  ): { readonly attrs: A; readonly constants?: readonly (Tensor | undefined)[] };
}

/** A layer's weights, input 1 of its node, by row (output channel) and channel of input 0. Input 2 is its bias, if any. */
export interface Columns<A = unknown> {
  readonly weights: Tensor;
  readonly rows: number;
  readonly channels: number;
  /** The first rows read the first channels, and so on; 1 where each row reads all. */
  readonly groups: number;
  /** Weights of one row and channel; they are neighbours. */
  readonly taps: number;
  /** Where those begin; undefined where the row does not read the channel. */
  start(row: number, channel: number): number | undefined;
  /** Absent where the input is not padded. */
  readonly padding?: Padding<A>;
}

export interface Padding<A = unknown> {
  /** What it stands for, in real units, by channel of the input. */
  readonly values: readonly number[];
  /** The attributes with others. */
  replaced(values: readonly number[]): A;
}

/** The weights of a row for a channel; none where it does not read it. */
export function weightsAt(columns: Columns, row: number, channel: number): Tensor['data'] {
  const start = columns.start(row, channel);
  return columns.weights.data.subarray(start ?? 0, start === undefined ? 0 : start + columns.taps);
}

/** Whether a row has weights for a channel that are not 0. */
export function reads({ weights, taps, start }: Columns, row: number, channel: number): boolean {
  const first = start(row, channel);
  if (first === undefined) return false;
  for (let i = first; i < first + taps; i++) if (at(weights.data, i) !== 0) return true;
  return false;
}

/** Channels whose largest weight is above a limit, given those of all channels that the same rows read, ascending. */
export function largeChannels(
  columns: Columns,
  limit: (sizes: readonly number[]) => number,
): readonly number[] {
  const { rows, channels, groups } = columns;
  const sizes = Array.from({ length: channels }, (_, c) => {
    let most = 0;
    for (let row = 0; row < rows; row++)
      for (const w of weightsAt(columns, row, c)) most = Math.max(most, Math.abs(w));
    return most;
  });
  const depth = channels / groups;
  return Array.from({ length: groups }).flatMap((_, g) => {
    const own = sizes.slice(g * depth, (g + 1) * depth);
    const most = limit(own.toSorted((a, b) => a - b));
    return own.flatMap((size, c) => (size > most ? [g * depth + c] : []));
  });
}
