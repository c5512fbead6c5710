/** Maps of each channel (axis 1) by itself: gains, shifts and bounds. */
import type { Tensor } from '../tensor.ts';

/** ReLU is 0 to Infinity, ReLU6 0 to 6. */
export interface Clamp {
  readonly lo: number;
  readonly hi: number;
}

/** One number for all output channels, or one each. */
export type Bound = number | readonly number[];

/**
 * Bounds of the sums of a layer. They differ by channel where a batch normalization stands behind the activation:
 * g clip(a, lo, hi) + h = clip(g a + h, g lo + h, g hi + h), and the other way round for g < 0.
 */
export interface RowClamp {
  readonly lo: Bound;
  readonly hi: Bound;
}

/** y = clip(g x + h), with numbers for each channel. */
export interface ChannelMap {
  readonly gain: readonly number[];
  readonly shift: readonly number[];
  /** Absent: no bounds. */
  readonly clamp?: RowClamp;
  /** What x was in training, where that is known: mean and standard deviation. */
  readonly trained?: { readonly mean: readonly number[]; readonly deviation: readonly number[] };
}

/** A node's attributes and constants made anew: all that it reads behind its first input, by role and in order. */
export interface Remade<A> {
  readonly attrs: A;
  readonly constants: Readonly<Record<string, Tensor>>;
}
