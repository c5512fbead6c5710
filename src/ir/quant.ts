import { must } from './errors.ts';
import type { Quant, Range } from './op.ts';

/** The least range that holds the values too. */
export const holding = (range: Range, values: readonly number[]): Range => ({
  lo: Math.min(range.lo, ...values),
  hi: Math.max(range.hi, ...values),
});

/** How much wider a range may become so that it holds 0, which unseen inputs may need. */
const cheapZero = 1.25;

/** The range with 0 in it, where that is cheap. */
export function withCheapZero(range: Range): Range {
  const wide = holding(range, [0]);
  return wide.hi - wide.lo <= cheapZero * (range.hi - range.lo) ? wide : range;
}

/** Zero points stay below 2^22, where float32 inputs have two bits left between steps. */
const farthest = 2 ** 22;

/**
 * The affine 8-bit grid of a range. Where the range holds 0, 0 is stored exactly, and the zero point is in 0..255;
 * else it is any integer, of at most 2^22.
 */
export function quantOf({ lo, hi }: Range): Quant {
  // A range of nothing but zeros can have any scale.
  if (lo === 0 && hi === 0) return { scale: 1 / 255, zeroPoint: 0 };
  const scale = Math.max((hi - lo) / 255, Math.max(lo, -hi) / farthest);
  // 0 - low: -low would make a zero point of -0.
  return { scale, zeroPoint: Math.round((0 - lo) / scale) };
}

/** The same grid, made coarser where its steps are finer than `step`. */
export function noFinerThan(step: number, range: Range): Quant {
  const fine = quantOf(range);
  if (fine.scale >= step) return fine;
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
