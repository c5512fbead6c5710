/** The integers that weights may become, in steps of their row. */

export interface Grid {
  /** In size. */
  readonly largest: number;
  nearest(steps: number): number;
}

/** Largest integer of a symmetric grid: 127, 7 or 1. */
export const levelsOf = (bits: number): number => 2 ** (bits - 1) - 1;

/** -levels..levels */
export const uniformGrid = (levels: number): Grid => ({
  largest: levels,
  nearest: (steps) => Math.max(-levels, Math.min(levels, Math.round(steps))),
});

/** @param values integers, ascending, at least one; halfway between two the larger is taken */
export function codebookGrid(values: Int8Array): Grid {
  const ends = Float64Array.from(values.subarray(1), (v, i) => (v + (values[i] as number)) / 2);
  return {
    largest: values.reduce((most, v) => Math.max(most, Math.abs(v)), 0),
    nearest(steps) {
      let i = 0;
      while (i < ends.length && steps >= (ends[i] as number)) i++;
      return values[i] as number;
    },
  };
}
