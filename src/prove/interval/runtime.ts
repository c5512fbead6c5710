/** Functions that the generated interval code calls: bounds of the rarer operations, and followed memory. */

import type { Interval } from '../../ir/kernel/interval.ts';
import type { BinaryOp } from '../../ir/kernel/operations.ts';
import { primitiveOf } from '../../ir/kernel/prims/index.ts';
import { allInts, maxInt, minInt } from './bounds.ts';

export const clampInt = (x: number): number => (x < minInt ? minInt : x > maxInt ? maxInt : x);

/** Joins lo..hi into the range at `at`. */
export function note(ranges: Float64Array, at: number, lo: number, hi: number): void {
  if (lo < (ranges[at] as number)) ranges[at] = lo;
  if (hi > (ranges[at + 1] as number)) ranges[at + 1] = hi;
}

/** Adds factor * (lo..hi) to the bounds at `at` of the state, cut to i32, and joins the exact sum at `to`. */
export function addScaled(
  state: Float64Array,
  at: number,
  factor: number,
  lo: number,
  hi: number,
  ranges: Float64Array,
  to: number,
): void {
  const low = (state[at] as number) + factor * (factor < 0 ? hi : lo);
  const high = (state[at + 1] as number) + factor * (factor < 0 ? lo : hi);
  note(ranges, to, low, high);
  state[at] = clampInt(low);
  state[at + 1] = clampInt(high);
}

type Rare = Exclude<BinaryOp, 'add' | 'sub' | 'mul'>;

/** Bounds of `a op b` over all pairs for which C defines it. */
export function rareRange(op: Rare, a: Interval, b: Interval): Interval {
  switch (op) {
    case 'div':
      return divRange(a, b);
    case 'mod':
      return modRange(a, b);
    case 'shl':
      return shlRange(a, clampShift(b));
    case 'shr':
      return shrRange(a, clampShift(b));
    case 'and':
      return andRange(a, b);
    case 'or':
    case 'xor':
      return orRange(a, b);
    default:
      return op satisfies never;
  }
}

const hull = (...xs: number[]): Interval => ({
  lo: clampInt(Math.min(...xs)),
  hi: clampInt(Math.max(...xs)),
});

/** |a / b| <= |a| / min |b|; within one sign of b the quotient is monotone in both, so corners bound it. */
function divRange(a: Interval, b: Interval): Interval {
  const ends: number[] = [];
  if (b.lo < 0) ends.push(b.lo, Math.min(b.hi, -1));
  if (b.hi > 0) ends.push(Math.max(b.lo, 1), b.hi);
  if (ends.length === 0) return allInts;
  return hull(...ends.flatMap((d) => [Math.trunc(a.lo / d), Math.trunc(a.hi / d)]));
}

/** The sign is the dividend's; the size is below the divisor's, and not above the dividend's. */
function modRange(a: Interval, b: Interval): Interval {
  const size = Math.max(Math.abs(b.lo), Math.abs(b.hi)) - 1;
  const lo = a.lo < 0 ? Math.max(a.lo, -size) : 0;
  const hi = a.hi > 0 ? Math.min(a.hi, size) : 0;
  return { lo: Math.min(lo, hi), hi: Math.max(lo, hi) };
}

const clampShift = (n: Interval): Interval => ({
  lo: Math.min(31, Math.max(0, n.lo)),
  hi: Math.min(31, Math.max(0, n.hi)),
});

const shlRange = (a: Interval, n: Interval): Interval =>
  hull(Math.max(0, a.lo) * 2 ** n.lo, Math.max(0, a.hi) * 2 ** n.hi);

const shrRange = (a: Interval, n: Interval): Interval =>
  hull(a.lo >> n.lo, a.lo >> n.hi, a.hi >> n.lo, a.hi >> n.hi);

/** The least k-bit two's complement range that holds both intervals: closed under bit operations. */
function bitHull(a: Interval, b: Interval): Interval {
  const most = Math.max(a.hi, b.hi, -a.lo - 1, -b.lo - 1, 0);
  const size = 2 ** (32 - Math.clz32(most));
  return { lo: -size, hi: size - 1 };
}

function andRange(a: Interval, b: Interval): Interval {
  if (a.lo >= 0 && b.lo >= 0) return { lo: 0, hi: Math.min(a.hi, b.hi) };
  if (a.lo >= 0) return { lo: 0, hi: a.hi };
  if (b.lo >= 0) return { lo: 0, hi: b.hi };
  return bitHull(a, b);
}

function orRange(a: Interval, b: Interval): Interval {
  const { lo, hi } = bitHull(a, b);
  return { lo: a.lo >= 0 && b.lo >= 0 ? 0 : lo, hi };
}

/** Bounds of the elements `lo..hi` of a table; outside of the table nothing is read. */
export function tableRange(table: ArrayLike<number>, lo: number, hi: number): Interval {
  let [min, max] = [maxInt, minInt];
  const last = Math.min(hi, table.length - 1);
  for (let i = Math.max(lo, 0); i <= last; i++) {
    const x = table[i] as number;
    if (x < min) min = x;
    if (x > max) max = x;
  }
  return min > max ? { lo: 0, hi: 0 } : { lo: min, hi: max };
}

const cacheSize = 256;

export interface CallRange {
  readonly args: readonly number[];
  readonly range: Interval;
  readonly violation: string | undefined;
}

/**
 * Bounds of one primitive's calls. `args` are lo, hi, lo, hi, ...; the same channel's bounds return at every
 * position of an image, so a small direct-mapped cache answers most.
 */
export function callBounds(name: string): (...args: number[]) => CallRange {
  const primitive = primitiveOf(name);
  const cache = new Array<CallRange | undefined>(cacheSize);
  return (...args) => {
    const slot = hash(args) % cacheSize;
    const known = cache[slot];
    if (known?.args.every((x, i) => x === args[i])) return known;
    const intervals = pairs(args);
    const violation = primitive.violation(...intervals);
    const range = violation === undefined ? primitive.range(...intervals) : allInts;
    const made = { args, violation, range: { lo: clampInt(range.lo), hi: clampInt(range.hi) } };
    cache[slot] = made;
    return made;
  };
}

const hash = (args: readonly number[]): number =>
  args.reduce((sum, x) => Math.imul(sum, 31) + (x | 0), 7) >>> 0;

function pairs(args: readonly number[]): Interval[] {
  return args.flatMap((lo, i) => (i % 2 === 0 ? [{ lo, hi: args[i + 1] ?? lo }] : []));
}

/** Bounds of each element of a parameter that the kernel writes and reads. */
export interface Followed {
  readonly lo: Int32Array;
  readonly hi: Int32Array;
  /** What the element type can hold: the bounds of elements that were not written yet. */
  readonly all: Interval;
}

export const follow = (length: number, all: Interval): Followed => ({
  lo: new Int32Array(length).fill(all.lo),
  hi: new Int32Array(length).fill(all.hi),
  all,
});

/** Writes bounds to the elements from..to; `certain`: the one element is written in every run. */
export function writeFollowed(
  memory: Followed,
  from: number,
  to: number,
  value: Interval,
  certain: boolean,
): void {
  const last = Math.min(to, memory.lo.length - 1);
  for (let i = Math.max(from, 0); i <= last; i++) {
    memory.lo[i] = certain ? value.lo : Math.min(memory.lo[i] as number, value.lo);
    memory.hi[i] = certain ? value.hi : Math.max(memory.hi[i] as number, value.hi);
  }
}

/** Bounds of the elements from..to; outside of the array nothing is read. */
export function readFollowed(memory: Followed, from: number, to: number): Interval {
  let [lo, hi] = [maxInt, minInt];
  const last = Math.min(to, memory.lo.length - 1);
  for (let i = Math.max(from, 0); i <= last; i++) {
    if ((memory.lo[i] as number) < lo) lo = memory.lo[i] as number;
    if ((memory.hi[i] as number) > hi) hi = memory.hi[i] as number;
  }
  return lo > hi ? memory.all : { lo, hi };
}

/** What remains of a value after a store that may not lose bits. */
export const clampTo = ({ all }: Followed, lo: number, hi: number): Interval => ({
  lo: Math.max(lo, all.lo),
  hi: Math.min(hi, all.hi),
});

export function copyFollowed(to: Followed, from: Followed, t: number, f: number, n: number): void {
  for (let i = 0; i < n; i++) {
    const { lo, hi } = readFollowed(from, f + i, f + i);
    writeFollowed(to, t + i, t + i, { lo, hi }, true);
  }
}

/** Notes the time of a write in elements that have not been written before. */
export function firstWrite(times: Int32Array, from: number, count: number, now: number): void {
  const last = Math.min(from + count, times.length);
  for (let i = Math.max(0, from); i < last; i++) if ((times[i] as number) > now) times[i] = now;
}
