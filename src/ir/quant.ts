import { must } from './errors.ts';
import type { Quant, Range } from './op.ts';

/** The affine 8-bit grid of a range widened to hold 0, which is stored exactly. */
export function quantOf({ lo, hi }: Range): Quant {
  const [low, high] = [Math.min(0, lo), Math.max(0, hi)];
  // A range of nothing but zeros can have any scale.
  if (high === low) return { scale: 1 / 255, zeroPoint: 0 };
  const scale = (high - low) / 255;
  // 0 - low: -low would make a zero point of -0.
  return { scale, zeroPoint: Math.round((0 - low) / scale) };
}

/** The same grid, made coarser where its steps are finer than `step`. */
export function noFinerThan(step: number, range: Range): Quant {
  const { scale, zeroPoint } = quantOf(range);
  return { scale: Math.max(scale, step), zeroPoint };
}

/** For operators that only move values: what the input has. */
export function sameAsInput({
  inputQuants,
}: {
  readonly inputQuants: readonly (Quant | undefined)[];
}): Quant {
  return must(inputQuants[0], 'the input is quantized');
}
