/** Which removals the whole network can best do without. */
import { at } from '../../base/errors.ts';
import type { Trace } from './removals.ts';

/** The removals of rows that go together, with what a removed weight saves. */
export interface RemovalCurve {
  readonly trace: Trace;
  /** Weights that removal i takes away. */
  readonly sizes: Int32Array;
  /** What one removed weight saves. */
  readonly price: number;
}

/**
 * How many of its first removals each curve has to make so that at least `target` weights go, at least total
 * cost per price. Removals of one trace can only be had in order, so costs are first smoothed to what is never
 * cheaper later than before (pool adjacent violators: the convex minorant of the accumulated costs).
 */
export function allocate(curves: readonly RemovalCurve[], target: number): readonly number[] {
  const counts = curves.map(({ trace }) => trace.forced);
  let gone = curves.reduce((sum, { sizes, trace }) => sum + firstSum(sizes, trace.forced), 0);
  const rest = curves.flatMap((curve, index) => slopes(curve).map((slope, i) => ({ index, slope, i })));
  rest.sort((a, b) => a.slope - b.slope || a.index - b.index || a.i - b.i);
  for (const { index } of rest) {
    if (gone >= target) break;
    const taken = at(counts, index);
    gone += at(at(curves, index).sizes, taken);
    counts[index] = taken + 1;
  }
  return counts;
}

const firstSum = (sizes: Int32Array, count: number): number =>
  sizes.subarray(0, count).reduce((sum, n) => sum + n, 0);

/** A stretch of removals with one mean cost. */
interface Stretch {
  readonly cost: number;
  readonly saving: number;
  readonly steps: number;
}

/** Per removal behind the forced ones: cost per saving, never falling. */
function slopes({ trace, sizes, price }: RemovalCurve): number[] {
  const stretches: Stretch[] = [];
  for (let i = trace.forced; i < sizes.length; i++) {
    let next: Stretch = {
      cost: Math.max(0, at(trace.costs, i)),
      saving: at(sizes, i) * price,
      steps: 1,
    };
    for (let last = stretches.at(-1); last !== undefined && isCheaper(next, last); last = stretches.at(-1)) {
      stretches.pop();
      next = {
        cost: last.cost + next.cost,
        saving: last.saving + next.saving,
        steps: last.steps + next.steps,
      };
    }
    stretches.push(next);
  }
  return stretches.flatMap(({ cost, saving, steps }) => new Array<number>(steps).fill(cost / saving));
}

const isCheaper = (a: Stretch, b: Stretch): boolean => a.cost * b.saving < b.cost * a.saving;
