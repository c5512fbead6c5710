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

const mapped = (bound: Bound, f: (x: number) => number): Bound =>
  typeof bound === 'number' ? f(bound) : boundOf(bound.map(f));

/** First `a`, then `b`. */
export function clampedAgain(a: Clamp | undefined, b: Clamp): Clamp;
export function clampedAgain(a: RowClamp | undefined, b: Clamp): RowClamp;
export function clampedAgain(a: RowClamp | undefined, b: Clamp): RowClamp {
  return {
    lo: mapped(a?.lo ?? -Infinity, (lo) => Math.min(Math.max(lo, b.lo), b.hi)),
    hi: mapped(a?.hi ?? Infinity, (hi) => Math.max(Math.min(hi, b.hi), b.lo)),
  };
}

/** g clip(x, lo, hi) + h as bounds of g x + h. */
function movedBounds({ lo, hi }: Clamp, g: number, h: number): Clamp {
  if (g === 0) return { lo: h, hi: h };
  return g > 0 ? { lo: g * lo + h, hi: g * hi + h } : { lo: g * hi + h, hi: g * lo + h };
}

const unbounded: Clamp = { lo: -Infinity, hi: Infinity };

/** The bounds of f(clip(x)) around g x + h, in float32. */
export function boundsBehind(clamp: RowClamp | undefined, f: ChannelMap): RowClamp | undefined {
  if (clamp === undefined && f.clamp === undefined) return undefined;
  const both = f.gain.map((g, c) => {
    const moved = clamp && movedBounds(clampAt(clamp, c), g, boundAt(f.shift, c));
    return clampedAgain(moved, f.clamp === undefined ? unbounded : clampAt(f.clamp, c));
  });
  const rounded = (end: 'lo' | 'hi') => boundOf(both.map((clamp) => Math.fround(clamp[end])));
  return { lo: rounded('lo'), hi: rounded('hi') };
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
    const value = values[i] as number;
    const raised = value < lo ? lo : value;
    values[i] = raised > hi ? hi : raised;
  }
  return values;
}
