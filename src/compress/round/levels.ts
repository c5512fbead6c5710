/** The integers that weights may become, in steps of their row. */

import { largestSize } from '../../base/extremes.ts';

export interface Grid {
  /** In size. */
  readonly largest: number;
  /** Half of the widest gap between neighbours: what is further from the grid lies beyond its ends. */
  readonly halfGap: number;
  nearest(steps: number): number;
}

/** -levels..levels */
export const uniformGrid = (levels: number): Grid => ({
  largest: levels,
  halfGap: 0.5,
  nearest: (steps) => Math.max(-levels, Math.min(levels, Math.round(steps))),
});

/** @param values integers, ascending, at least one; halfway between two the larger is taken */
export function codebookGrid(values: Int8Array): Grid {
  const ends = Float64Array.from(values.subarray(1), (v, i) => (v + (values[i] as number)) / 2);
  return {
    largest: largestSize(values),
    halfGap: ends.reduce((most, end, i) => Math.max(most, end - (values[i] as number)), 0.5),
    nearest(steps) {
      let i = 0;
      while (i < ends.length && steps >= (ends[i] as number)) i++;
      return values[i] as number;
    },
  };
}
