import { at } from '../../base/errors.ts';
/** Bounds that an activation function puts around a value, in real units. */

/** The largest float32. */
export const largestFloat = (2 - 2 ** -23) * 2 ** 127;

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

export const boundAt = (bound: Bound, channel: number): number => {
  if (typeof bound === 'number') return bound;
  const value = bound[channel];
  if (value === undefined) throw new RangeError(`channel ${channel} has no bound`);
  return value;
};

export const clampAt = ({ lo, hi }: RowClamp, channel: number): Clamp => ({
  lo: boundAt(lo, channel),
  hi: boundAt(hi, channel),
});

/** One number where all channels have the same. */
export function boundOf(values: readonly number[]): Bound {
  const [first] = values;
  return first !== undefined && values.every((x) => x === first) ? first : values;
}

const mapped = (bound: Bound, f: (x: number) => number): Bound =>
  typeof bound === 'number' ? f(bound) : boundOf(bound.map(f));

/** First `a`, then `b`. */
export const clampedAgain = (a: RowClamp | undefined, b: Clamp): RowClamp => ({
  lo: mapped(a?.lo ?? -Infinity, (lo) => Math.min(Math.max(lo, b.lo), b.hi)),
  hi: mapped(a?.hi ?? Infinity, (hi) => Math.max(Math.min(hi, b.hi), b.lo)),
});

/** Whether 0 stays 0. */
export const holdsZero = ({ lo, hi }: Clamp): boolean => lo <= 0 && hi >= 0;

/** Of some channels, in the order given. */
export const pickedClamp = ({ lo, hi }: RowClamp, rows: readonly number[]): RowClamp => ({
  lo: typeof lo === 'number' ? lo : boundOf(rows.map((row) => boundAt(lo, row))),
  hi: typeof hi === 'number' ? hi : boundOf(rows.map((row) => boundAt(hi, row))),
});

/** min(max(x, lo), hi), in place, of channels x inner values, as often as they repeat. */
export function clampRows(
  values: Float64Array,
  clamp: RowClamp | undefined,
  channels: number,
  inner: number,
): Float64Array {
  if (clamp === undefined) return values;
  for (let start = 0; start < values.length; start += inner) {
    const { lo, hi } = clampAt(clamp, (start / inner) % channels);
    clampAll(values.subarray(start, start + inner), { lo, hi });
  }
  return values;
}

/** min(max(x, lo), hi), in place. */
export function clampAll(values: Float64Array, clamp: Clamp | undefined): Float64Array {
  if (clamp === undefined) return values;
  const { lo, hi } = clamp;
  for (let i = 0; i < values.length; i++) {
    const value = at(values, i);
    if (value < lo) values[i] = lo;
    if (at(values, i) > hi) values[i] = hi;
  }
  return values;
}
