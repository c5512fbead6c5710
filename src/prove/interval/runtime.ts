/** Functions that the generated interval code calls: quantities, bounds of calls, and followed memory. */

import { at, holds, must } from '../../base/errors.ts';
import { allInts, clampInt, type Interval, maxInt, minInt } from '../../ir/kernel/interval.ts';
import { anyPrimitive } from '../../ir/kernel/prims/index.ts';

/** Joins lo..hi into the range at `place`. */
export function note(ranges: Float64Array, place: number, lo: number, hi: number): void {
  holds(ranges, place + 2);
  if (lo < (ranges[place] as number)) ranges[place] = lo;
  if (hi > (ranges[place + 1] as number)) ranges[place + 1] = hi;
}

/** Adds factor * (lo..hi) to the bounds at `place` of the state, cut to i32, and joins the exact sum at `to`. */
export function addScaled(
  state: Float64Array,
  place: number,
  factor: number,
  lo: number,
  hi: number,
  ranges: Float64Array,
  to: number,
): void {
  holds(state, place + 2);
  const low = (state[place] as number) + factor * (factor < 0 ? hi : lo);
  const high = (state[place + 1] as number) + factor * (factor < 0 ? lo : hi);
  note(ranges, to, low, high);
  state[place] = clampInt(low);
  state[place + 1] = clampInt(high);
}

/** As `addScaled`, for a product that may leave i32: it is joined at `product`, and cut. */
export function addProduct(
  state: Float64Array,
  place: number,
  factor: number,
  lo: number,
  hi: number,
  ranges: Float64Array,
  product: number,
  to: number,
): void {
  const least = factor * (factor < 0 ? hi : lo);
  const most = factor * (factor < 0 ? lo : hi);
  note(ranges, product, least, most);
  addScaled(state, place, 1, clampInt(least), clampInt(most), ranges, to);
}

/** Bounds of the elements `lo..hi` of a table; outside of the table nothing is read. */
export function tableRange(table: ArrayLike<number>, lo: number, hi: number): Interval {
  let [min, max] = [maxInt, minInt];
  const last = Math.min(hi, table.length - 1);
  for (let i = Math.max(lo, 0); i <= last; i++) {
    const x = at(table, i);
    if (x < min) min = x;
    if (x > max) max = x;
  }
  return min > max ? { lo: 0, hi: 0 } : { lo: min, hi: max };
}

/** The last counter of a loop, behind its first pass; `to` or more where that is the only one. */
export const lastBefore = (first: number, to: number, step: number): number =>
  first + Math.max(1, Math.floor((to - 1 - first) / step)) * step;

const cacheSize = 4096;

/** Bounds of a call's result for bounds of its arguments. */
export interface CallRange extends Interval {
  /** lo, hi, lo, hi, ... */
  readonly args: readonly number[];
  readonly violation: string | undefined;
}

type CallBounds = (...args: number[]) => CallRange;

/** By primitive, for all kernels: its forms make the same calls. */
const known = new Map<string, CallBounds>();

/** Bounds of one primitive's calls. `args` are lo, hi, lo, hi, ... */
export function callBounds(name: string): CallBounds {
  const made = known.get(name) ?? cachedBounds(name);
  known.set(name, made);
  return made;
}

/** The same channel's bounds return at every position of an image, so a small direct-mapped cache answers most. */
function cachedBounds(name: string): CallBounds {
  const primitive = must(anyPrimitive(name), `a primitive is called '${name}'`);
  const cache = new Array<CallRange | undefined>(cacheSize);
  return (...args) => {
    const slot = hash(args) % cacheSize;
    const known = cache[slot];
    if (known !== undefined && isSame(known.args, args)) return known;
    const intervals = pairs(args);
    const violation = primitive.violation(...intervals);
    const range =
      violation === undefined || primitive.asserts === true ? primitive.range(...intervals) : allInts;
    const made = { lo: clampInt(range.lo), hi: clampInt(range.hi), args, violation };
    cache[slot] = made;
    return made;
  };
}

function hash(args: readonly number[]): number {
  let sum = 7;
  for (const x of args) sum = (Math.imul(sum, 31) + x) | 0;
  return sum >>> 0;
}

function isSame(a: ArrayLike<number>, b: ArrayLike<number>): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function pairs(args: readonly number[]): Interval[] {
  const found: Interval[] = [];
  for (let i = 0; i < args.length; i += 2) found.push({ lo: at(args, i), hi: at(args, i + 1) });
  return found;
}

/** Of each element. */
export interface Bounds {
  readonly lo: Int32Array;
  readonly hi: Int32Array;
}

/** Bounds of the elements of a parameter that the kernel writes and reads. */
export interface Followed extends Bounds {
  /** What the element type can hold: the bounds of elements that were not written yet. */
  readonly all: Interval;
  /** Bounds of all elements that were met, by a number that no other bounds have; and the number of those of now. */
  readonly known: Map<number, Bounds>;
  content: number | undefined;
  contents: number;
}

export const follow = (length: number, all: Interval): Followed => ({
  lo: new Int32Array(length).fill(all.lo),
  hi: new Int32Array(length).fill(all.hi),
  all,
  known: new Map(),
  content: undefined,
  contents: 0,
});

/** Beyond that, bounds that come again get a new number. */
const mostKnown = 64;

/** A number for the bounds of all elements: memory with the same number has the same bounds. */
export function contentOf(memory: Followed): number {
  if (memory.content !== undefined) return memory.content;
  for (const [number, { lo, hi }] of memory.known)
    if (isSame(lo, memory.lo) && isSame(hi, memory.hi)) {
      memory.content = number;
      return number;
    }
  if (memory.known.size === mostKnown) memory.known.clear();
  memory.content = memory.contents++;
  memory.known.set(memory.content, { lo: memory.lo.slice(), hi: memory.hi.slice() });
  return memory.content;
}

/** Whether each element's bounds lie within the others. */
export function covers(wide: Bounds, { lo, hi }: Bounds): boolean {
  holds(wide.lo, lo.length);
  for (let i = 0; i < lo.length; i++)
    if ((wide.lo[i] as number) > (lo[i] as number) || (wide.hi[i] as number) < (hi[i] as number))
      return false;
  return true;
}

/** Writes bounds to the elements from..to; `certain`: these are written in every run, and no others. */
export function writeFollowed(
  memory: Followed,
  from: number,
  to: number,
  value: Interval,
  certain: boolean,
): void {
  const first = Math.max(from, 0);
  const last = Math.min(to, memory.lo.length - 1);
  memory.content = undefined;
  if (certain) {
    const end = Math.max(first, last + 1);
    memory.lo.fill(value.lo, first, end);
    memory.hi.fill(value.hi, first, end);
    return;
  }
  for (let i = first; i <= last; i++) {
    memory.lo[i] = Math.min(at(memory.lo, i), value.lo);
    memory.hi[i] = Math.max(at(memory.hi, i), value.hi);
  }
}

/** Bounds of the elements from..to; outside of the array nothing is read. */
export function readFollowed(memory: Followed, from: number, to: number): Interval {
  let [lo, hi] = [maxInt, minInt];
  const last = Math.min(to, memory.lo.length - 1);
  for (let i = Math.max(from, 0); i <= last; i++) {
    lo = Math.min(lo, at(memory.lo, i));
    hi = Math.max(hi, at(memory.hi, i));
  }
  return lo > hi ? memory.all : { lo, hi };
}

export function copyFollowed(to: Followed, from: Followed, t: number, f: number, n: number): void {
  for (let i = 0; i < n; i++) {
    const { lo, hi } = readFollowed(from, f + i, f + i);
    writeFollowed(to, t + i, t + i, { lo, hi }, true);
  }
}

/** Notes the time of a write in elements that have not been written before. */
export function firstWrite(times: Int32Array, from: number, count: number, now: number): void {
  const last = Math.min(from + count, times.length);
  for (let i = Math.max(0, from); i < last; i++) if (at(times, i) > now) times[i] = now;
}
