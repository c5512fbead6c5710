/** Closed intervals of integers, and what the rarer operations make of them. */

export interface Interval<T = number> {
  readonly lo: T;
  readonly hi: T;
}

export const minInt = -2147483648;
export const maxInt = 2147483647;
export const allInts: Interval = { lo: minInt, hi: maxInt };

export const clampInt = (x: number): number => (x < minInt ? minInt : x > maxInt ? maxInt : x);
export const isInt32 = ({ lo, hi }: Interval): boolean => lo >= minInt && hi <= maxInt;

/** Of as many numbers as there are: rows of a layer may be too many for arguments of a call. */
export const hull = (xs: readonly number[]): Interval => ({
  lo: xs.reduce((least, x) => Math.min(least, x), Infinity),
  hi: xs.reduce((most, x) => Math.max(most, x), -Infinity),
});

/** x cut to the limits. */
export const cutTo = (x: Interval, { lo, hi }: Interval): Interval => ({
  lo: Math.min(hi, Math.max(lo, x.lo)),
  hi: Math.min(hi, Math.max(lo, x.hi)),
});

/** |a / b| <= |a| / min |b|; within one sign of b the quotient is monotone in both, so corners bound it. */
export function divRange(a: Interval, b: Interval): Interval {
  const ends: number[] = [];
  if (b.lo < 0) ends.push(b.lo, Math.min(b.hi, -1));
  if (b.hi > 0) ends.push(Math.max(b.lo, 1), b.hi);
  if (ends.length === 0) return allInts;
  return cutTo(hull(ends.flatMap((d) => [Math.trunc(a.lo / d), Math.trunc(a.hi / d)])), allInts);
}

/** The sign is the dividend's; the size is below the divisor's, and not above the dividend's. */
export function modRange(a: Interval, b: Interval): Interval {
  const size = Math.max(Math.abs(b.lo), Math.abs(b.hi)) - 1;
  const lo = a.lo < 0 ? Math.max(a.lo, -size) : 0;
  const hi = a.hi > 0 ? Math.min(a.hi, size) : 0;
  return { lo: Math.min(lo, hi), hi: Math.max(lo, hi) };
}

/** The least k-bit two's complement range that holds both intervals: closed under bit operations. */
function bitHull(a: Interval, b: Interval): Interval {
  const most = Math.max(a.hi, b.hi, -a.lo - 1, -b.lo - 1, 0);
  const size = 2 ** (32 - Math.clz32(most));
  return { lo: -size, hi: size - 1 };
}

export function andRange(a: Interval, b: Interval): Interval {
  if (a.lo >= 0 && b.lo >= 0) return { lo: 0, hi: Math.min(a.hi, b.hi) };
  if (a.lo >= 0) return { lo: 0, hi: a.hi };
  if (b.lo >= 0) return { lo: 0, hi: b.hi };
  return bitHull(a, b);
}

/** Of exclusive ors too. */
export function orRange(a: Interval, b: Interval): Interval {
  const { lo, hi } = bitHull(a, b);
  return { lo: a.lo >= 0 && b.lo >= 0 ? 0 : lo, hi };
}
