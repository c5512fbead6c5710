/**
 * Which kernels run backward. A kernel from the first pixel to the last lets its output begin a little below its
 * dying input, from the last to the first a little above. A chain of the former alone climbs down the arena, a
 * step with every layer; turning some of them keeps it in one place.
 */
import type { Kernel } from '../ir/kernel/kernel.ts';
import { type Buffer, type MemoryPlan, planMemory, type Sharing } from './addresses.ts';

/** A kernel, and what its order of reads and writes allows. */
export interface Way {
  readonly kernel: Kernel;
  readonly sharings: readonly Sharing[];
}

/** Of each step. */
type Ways = readonly Way[];
type MaybeWays = readonly (Way | undefined)[];

/** A step of the program: how it runs, and how else it could, which is only asked when it matters. */
export interface Turnable {
  readonly forward: Way;
  readonly backward?: () => Way;
}

export interface Directed {
  readonly kernels: readonly Kernel[];
  readonly sharings: readonly Sharing[];
  readonly plan: MemoryPlan;
}

/** Turned kernels have to save a sixteenth of the arena: forward ones read better, and are as fast within 3 %. */
const worthwhile = 1 / 16;

/** Shuffled orders of placement for each trial; the plan that is taken is searched for thoroughly. */
const glance = 3;

/**
 * The plan of strategy `overlap`, and the kernels that it is for. `steps` in order; their sharings name buffers by
 * index. Backward kernels are made only where forward ones stay a sixteenth above their bound.
 */
export function planDirections(buffers: readonly Buffer[], steps: readonly Turnable[]): Directed {
  const forward = steps.map((step) => step.forward);
  const straight = planned(buffers, forward);
  const { arenaBytes, lowerBound } = straight.plan;
  const enough = arenaBytes * (1 - worthwhile);
  if (lowerBound > enough || steps.every(({ backward }) => backward === undefined)) return straight;
  const backward = steps.map((step) => step.backward?.());
  let best: Trial = { ways: forward, size: arenaBytes, optimal: false };
  for (const start of startsOf(forward, backward)) {
    if (best.optimal) break;
    const found = descended(buffers, start, forward, backward);
    if (found.size < best.size) best = found;
  }
  const turned = planned(buffers, best.ways);
  return turned.plan.arenaBytes <= enough ? turned : straight;
}

const sharingsOf = (ways: Ways): readonly Sharing[] => ways.flatMap(({ sharings }) => sharings);

const planned = (buffers: readonly Buffer[], ways: Ways): Directed => ({
  kernels: ways.map(({ kernel }) => kernel),
  sharings: sharingsOf(ways),
  plan: planMemory(buffers, sharingsOf(ways)),
});

/** All forward; and every other one of those that turn backward, from the first and from the second on. */
function startsOf(forward: Ways, backward: MaybeWays): readonly Ways[] {
  const turning = backward.flatMap((way, i) => (way === undefined ? [] : [i]));
  const every = (odd: number): Ways =>
    forward.map((way, i) => (turning.indexOf(i) % 2 === odd ? (backward[i] ?? way) : way));
  return [forward, every(0), every(1)];
}

interface Trial {
  readonly ways: Ways;
  /** Bytes of arena, at a glance. */
  readonly size: number;
  /** No plan for these kernels is smaller. */
  readonly optimal: boolean;
}

/** Turns one step at a time, over and over, as long as the arena shrinks. */
function descended(buffers: readonly Buffer[], start: Ways, forward: Ways, backward: MaybeWays): Trial {
  const trialOf = (ways: Ways): Trial => {
    const { arenaBytes: size, lowerBound } = planMemory(buffers, sharingsOf(ways), 'overlap', glance);
    return { ways, size, optimal: size <= lowerBound };
  };
  let best = trialOf(start);
  for (let before = Infinity; best.size < before; ) {
    before = best.size;
    for (const [i, other] of backward.entries()) {
      if (best.optimal) return best;
      const way = best.ways[i] === other ? forward[i] : other;
      if (way === undefined) continue;
      const trial = trialOf(best.ways.with(i, way));
      if (trial.size < best.size) best = trial;
    }
  }
  return best;
}
