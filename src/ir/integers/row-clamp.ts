/** Bounds that an activation function puts around a value, in real units. */
import type { Bound, ChannelMap, Clamp, RowClamp } from '../graph/affine.ts';

export type { Bound, Clamp, RowClamp };

/** The largest float32. */
export const largestFloat = (2 - 2 ** -23) * 2 ** 127;

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

/** f of what two bounds are for each channel. */
const paired = (a: Bound, b: Bound, f: (x: number, y: number) => number): Bound => {
  if (typeof a === 'number' && typeof b === 'number') return f(a, b);
  const channels = Math.max(...[a, b].map((x) => (typeof x === 'number' ? 1 : x.length)));
  return boundOf(Array.from({ length: channels }, (_, c) => f(boundAt(a, c), boundAt(b, c))));
};

/** First `a`, then `b`. */
export function clampedAgain(a: Clamp | undefined, b: Clamp): Clamp;
export function clampedAgain(a: RowClamp | undefined, b: RowClamp): RowClamp;
export function clampedAgain(a: RowClamp | undefined, b: RowClamp): RowClamp {
  return {
    lo: paired(paired(a?.lo ?? -Infinity, b.lo, Math.max), b.hi, Math.min),
    hi: paired(paired(a?.hi ?? Infinity, b.hi, Math.min), b.lo, Math.max),
  };
}

/** g clip(x, lo, hi) + h as bounds of g x + h. */
function movedBounds(clamp: RowClamp, { gain, shift }: ChannelMap): RowClamp {
  const moved = gain.map((g, c): Clamp => {
    const { lo, hi } = clampAt(clamp, c);
    const h = boundAt(shift, c);
    if (g === 0) return { lo: h, hi: h };
    return g > 0 ? { lo: g * lo + h, hi: g * hi + h } : { lo: g * hi + h, hi: g * lo + h };
  });
  return { lo: boundOf(moved.map(({ lo }) => lo)), hi: boundOf(moved.map(({ hi }) => hi)) };
}

/** The bounds of f(clip(x)) around g x + h. */
export function boundsBehind(clamp: RowClamp | undefined, f: ChannelMap): RowClamp | undefined {
  const moved = clamp && movedBounds(clamp, f);
  return f.clamp === undefined ? moved : clampedAgain(moved, f.clamp);
}

/** First `a`, then `b`. */
export function composed(a: ChannelMap, b: ChannelMap): ChannelMap {
  const clamp = boundsBehind(a.clamp, b);
  return {
    gain: b.gain.map((g, c) => g * boundAt(a.gain, c)),
    shift: b.gain.map((g, c) => g * boundAt(a.shift, c) + boundAt(b.shift, c)),
    ...(clamp === undefined ? {} : { clamp }),
  };
}

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
    const value = values[i] as number;
    if (value < lo) values[i] = lo;
    if ((values[i] as number) > hi) values[i] = hi;
  }
  return values;
}
