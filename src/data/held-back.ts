/** Which samples calibrate, and which are held back to judge by. */
import { mulberry32 } from '../base/random.ts';

/** Of so many samples, that is enough to judge by; more would cost time. */
export const mostJudging = 64;
/** Below, each sample is worth more to calibration. */
const fewest = 8;

export interface Split<T> {
  readonly calibrating: readonly T[];
  readonly judging: readonly T[];
  /** False: too few to hold any back; those that calibrate judge. */
  readonly heldBack: boolean;
}

/**
 * A tenth of the samples is held back, at most 64, at least one of 8: one of each of so many equal stretches of the
 * list, at a place drawn with a fixed seed, so that no order of classes in it hits the same class every time.
 */
export function split<T>(samples: readonly T[]): Split<T> {
  const { length } = samples;
  if (length < fewest) return { calibrating: samples, judging: samples, heldBack: false };
  const held = new Set(oneOfEach(length, Math.min(mostJudging, Math.max(1, Math.floor(length / 10)))));
  return {
    calibrating: samples.filter((_, i) => !held.has(i)),
    judging: samples.filter((_, i) => held.has(i)),
    heldBack: true,
  };
}

/** An index of each of `wanted` equal stretches of `length`; all of them where there are no more. */
export function oneOfEach(length: number, wanted = mostJudging): readonly number[] {
  const count = Math.min(length, wanted);
  const random = mulberry32(1);
  return Array.from({ length: count }, (_, k) => {
    const [from, to] = [Math.floor((k * length) / count), Math.floor(((k + 1) * length) / count)];
    return from + Math.floor(random() * (to - from));
  });
}
