import { must } from '../../base/errors.ts';
import type { Range } from '../graph/op.ts';
import type { Quant } from '../kernel/stored.ts';

/** The least range that holds the values too. */
export const holding = (range: Range, values: readonly number[]): Range => ({
  lo: Math.min(range.lo, ...values),
  hi: Math.max(range.hi, ...values),
});

/** Extremes of as many values as this are taken as they are. */
export const manyValues = 1000;

/** How far from the mean the largest of n normal values lies, in deviations: Blom's and Hastings' approximations. */
function farthestOf(n: number): number {
  const t = Math.sqrt(-2 * Math.log(0.625 / (n + 0.25)));
  return t - (2.30753 + 0.27061 * t) / (1 + 0.99229 * t + 0.04481 * t * t);
}

/** The extremes of some values, and how often they were met: twice or more is a bound, of pixels or of a clip. */
export interface Seen extends Range {
  readonly count: number;
  readonly timesLo: number;
  readonly timesHi: number;
}

export const nothingSeen: Seen = { lo: Infinity, hi: -Infinity, count: 0, timesLo: 0, timesHi: 0 };

/**
 * The range that a thousand values (or another number) would span of which `count` have been seen, were they normal: 1.3 times that of
 * 75, 1.7 times that of 20, at most twice. An end that was met again stays, and 0 is not crossed: what never was negative may
 * never be.
 */
export function widened({ lo, hi, count, timesLo, timesHi }: Seen, values = manyValues): Range {
  if (count >= values || count < 2) return { lo, hi };
  const wider = Math.min(2, farthestOf(values) / farthestOf(count));
  const more = ((wider - 1) * (hi - lo)) / 2;
  const [below, above] = [timesLo > 1 ? lo : lo - more, timesHi > 1 ? hi : hi + more];
  return { lo: lo >= 0 ? Math.max(0, below) : below, hi: hi <= 0 ? Math.min(0, above) : above };
}

/** In how many places a function is looked at. */
const places = 1024;

/** Places from end to end, the first at which f is more than `half` from what it is at the lower end, and the last of the upper. */
function steepPlaces(f: (x: number) => number, { lo, hi }: Range, half: number) {
  const xs = Array.from({ length: places + 1 }, (_, i) => lo + ((hi - lo) * i) / places);
  const far = (end: number) => (x: number) => !(Math.abs(f(x) - f(end)) <= half);
  return { xs, first: xs.findIndex(far(lo)), last: xs.findLastIndex(far(hi)) };
}

/** Whether f goes from one end's value to the other's within a thousandth of the range: sums of 8-bit weights are not as exact. */
export function isStep(f: (x: number) => number, range: Range, made: Range): boolean {
  const { first, last } = steepPlaces(f, range, (made.hi - made.lo) / 255 / 2);
  return first >= 1 && last < first;
}

/** A range without its ends on which f stays within half a step of what it makes of the ends themselves. @param steps of what is made, in all */
export function steepRange(f: (x: number) => number, { lo, hi }: Range, made: Range, steps = 255): Range {
  const { xs, first, last } = steepPlaces(f, { lo, hi }, (made.hi - made.lo) / steps / 2);
  // Constant, or only its ends are steep: there is nothing to be gained.
  if (first < 1 || last < first) return { lo, hi };
  return { lo: xs[first - 1] ?? lo, hi: xs[last + 1] ?? hi };
}

/** How much wider a range may become so that it holds 0, which unseen inputs may need. */
const cheapZero = 1.25;

/** The range with 0 in it, where that is cheap. */
export function withCheapZero(range: Range): Range {
  const wide = holding(range, [0]);
  return wide.hi - wide.lo <= cheapZero * (range.hi - range.lo) ? wide : range;
}

/** Zero points stay below 2^22, where float32 inputs have two bits left between steps. */
const farthest = 2 ** 22;

/** 16 bits have one to spare for what calibration did not see. */
const roomOf16 = 2;

/**
 * The affine 8-bit grid of a range, or that of 16 bits around 0. Where the range holds 0, 0 is stored exactly, and the zero point is in 0..255;
 * else it is any integer, of at most 2^22.
 */
export function quantOf({ lo, hi }: Range, bits?: 16): Quant {
  if (bits === 16) return { scale: (roomOf16 * (Math.max(-lo, hi) || 1)) / 32767, zeroPoint: 0, bits };
  // A range of nothing but zeros can have any scale.
  if (lo === 0 && hi === 0) return { scale: 1 / 255, zeroPoint: 0 };
  const scale = Math.max((hi - lo) / 255, Math.max(lo, -hi) / farthest);
  // 0 - low: -low would make a zero point of -0.
  return { scale, zeroPoint: Math.round((0 - lo) / scale) };
}

/** The same grid, made coarser where its steps are finer than `step`. */
export function noFinerThan(step: number, range: Range, bits?: 16): Quant {
  const fine = quantOf(range, bits);
  if (fine.scale >= step) return fine;
  if (bits === 16) return { ...fine, scale: step };
  const { lo, hi } = range;
  const middle = Math.round(127.5 - (lo + hi) / 2 / step);
  return { scale: step, zeroPoint: lo <= 0 && hi >= 0 ? fine.zeroPoint : middle };
}

/** For operators that only move values: what the input has. */
export function sameAsInput({
  inputQuants,
}: {
  readonly inputQuants: readonly (Quant | undefined)[];
}): Quant {
  return must(inputQuants[0], 'the input is quantized');
}
