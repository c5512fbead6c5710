/** The integers that weights may become, in steps of their row. */

import { at } from '../../base/errors.ts';
import { largestSize } from '../../base/extremes.ts';

export interface Grid {
  /** In size. */
  readonly largest: number;
  nearest(steps: number): number;
}

/** -levels..levels */
export const uniformGrid = (levels: number): Grid => ({
  largest: levels,
  nearest: (steps) => Math.max(-levels, Math.min(levels, Math.round(steps))),
});

/** @param values integers, ascending, at least one; halfway between two the larger is taken */
export function codebookGrid(values: Int8Array): Grid {
  const ends = Float64Array.from(values.subarray(1), (v, i) => (v + at(values, i)) / 2);
  return {
    largest: largestSize(values),
    nearest(steps) {
      let i = 0;
      // Read unchecked, as it runs for every weight of every step that is tried: ends are one fewer than values.
      while (i < ends.length && steps >= (ends[i] as number)) i++;
      return values[i] as number;
    },
  };
}
