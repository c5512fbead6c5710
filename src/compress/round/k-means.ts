/**
 * Weighted k-means of numbers, solved exactly over the integers -127..127: the centres that leave the least
 * sum of weight * (number - nearest centre)^2.
 *
 * On a line each centre's numbers lie between halfway to the one below and halfway to the one above. So the cost
 * of a set of centres is a sum over neighbours a < b of what lies between them, and a dynamic program finds the
 * least one (Wang and Song, "Ckmeans.1d.dp", 2011). Han, Mao and Dally ("Deep Compression", 2016, section 3) start
 * Lloyd's iteration from evenly spaced centres instead, which ends in a local minimum.
 */
import { at, holds } from '../../base/errors.ts';

/** Numbers and what an error of each costs, squared; of equal length. */
export interface Points {
  readonly values: Float64Array;
  readonly weights: Float64Array;
}

const reach = 127;
const integers = 2 * reach + 1;

/** Sums of w, w x and w x^2 over the numbers below half-integer h / 2, at h + 2 reach. */
interface Moments {
  readonly w: Float64Array;
  readonly wx: Float64Array;
  readonly wxx: Float64Array;
}

/** One more than 2 * 2 reach + 1: the last holds everything. */
const borders = 4 * reach + 2;

function momentsOf({ values, weights }: Points): Moments {
  const sums = [0, 1, 2].map(() => new Float64Array(borders)) as [Float64Array, Float64Array, Float64Array];
  values.forEach((x, i) => {
    // The first border h / 2 that is above x.
    const border = Math.max(0, Math.min(borders - 1, Math.floor(2 * x) + 1 + 2 * reach));
    const w = at(weights, i);
    [w, w * x, w * x * x].forEach((term, power) => {
      const sum = at(sums, power);
      sum[border] = (sum[border] as number) + term;
    });
  });
  for (const sum of sums) for (let h = 1; h < borders; h++) sum[h] = at(sum, h) + at(sum, h - 1);
  const [w, wx, wxx] = sums;
  return { w, wx, wxx };
}

/**
 * sum w (x - centre)^2 = sum w x^2 - 2 centre sum w x + centre^2 sum w, over the numbers between two borders, which
 * are read unchecked: 65,000 pairs of centres ask.
 */
function costBetween({ w, wx, wxx }: Moments, from: number, to: number, centre: number): number {
  const part = (sums: Float64Array): number => (sums[to] as number) - (from < 0 ? 0 : (sums[from] as number));
  return Math.max(0, part(wxx) - 2 * centre * part(wx) + centre * centre * part(w));
}

/** Of all numbers below the centre a, of those between a and the next centre b, and of those above b. */
interface Costs {
  readonly below: (a: number) => number;
  readonly between: (a: number, b: number) => number;
  readonly above: (b: number) => number;
}

/** Where 0 must be a centre, passing over it is forbidden. */
function costsOf(points: Points, withZero: boolean): Costs {
  const m = momentsOf(points);
  const border = (halves: number): number => halves + 2 * reach;
  const skips = (a: number, b: number): boolean => withZero && a < 0 && b > 0;
  return {
    below: (a) => (skips(-Infinity, a) ? Infinity : costBetween(m, -1, border(2 * a), a)),
    between: (a, b) =>
      skips(a, b)
        ? Infinity
        : costBetween(m, border(2 * a), border(a + b), a) + costBetween(m, border(a + b), border(2 * b), b),
    above: (b) => (skips(b, Infinity) ? Infinity : costBetween(m, border(2 * b), borders - 1, b)),
  };
}

/** Of `count` centres whose last is b: the least cost of everything below b, and the centre before it. */
interface Stage {
  readonly cost: Float64Array;
  readonly before: Int16Array;
}

/** Read unchecked: 32 000 pairs a stage. */
function nextStage({ cost }: Stage, between: Float64Array): Stage {
  holds(cost, integers);
  holds(between, integers ** 2);
  const made = { cost: new Float64Array(integers).fill(Infinity), before: new Int16Array(integers) };
  for (let b = 1; b < integers; b++)
    for (let a = 0; a < b; a++) {
      const sum = (cost[a] as number) + (between[a * integers + b] as number);
      if (sum >= (made.cost[b] as number)) continue;
      made.cost[b] = sum;
      made.before[b] = a;
    }
  return made;
}

function stagesOf({ below, between }: Costs, count: number): readonly Stage[] {
  const pairs = new Float64Array(integers * integers);
  for (let a = 0; a < integers; a++)
    for (let b = a + 1; b < integers; b++) pairs[a * integers + b] = between(a - reach, b - reach);
  const first = Float64Array.from({ length: integers }, (_, b) => below(b - reach));
  const stages: Stage[] = [{ cost: first, before: new Int16Array(integers) }];
  while (stages.length < count) stages.push(nextStage(at(stages, stages.length - 1), pairs));
  return stages;
}

/**
 * At most `count` centres, ascending; fewer where more would be no better. Numbers beyond -127..127 count with
 * their distance.
 * @param withZero 0 is one of them
 */
export function bestCentres(points: Points, count: number, withZero: boolean): Int8Array {
  const costs = costsOf(points, withZero);
  const stages = stagesOf(costs, count);
  // Differences that are rounding errors of the moments do not count.
  const noise = 1e-12 * points.values.reduce((sum, x, i) => sum + at(points.weights, i) * x * x, 0);
  let [least, size, last] = [Infinity, 0, 0];
  stages.forEach(({ cost }, s) => {
    for (let b = 0; b < integers; b++) {
      const sum = at(cost, b) + costs.above(b - reach);
      if (sum < least - noise) [least, size, last] = [sum, s, b];
    }
  });
  const centres: number[] = [];
  for (let s = size, b = last; s >= 0; s--) {
    centres.unshift(b - reach);
    b = at(at(stages, s).before, b);
  }
  return Int8Array.from(centres);
}
