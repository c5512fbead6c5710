/** Padding as a step of training. */

import { at } from '../../../base/errors.ts';
import { padInto, type Sweep } from '../../geometry/slide.ts';
import type { Steps, Value } from '../../graph/gradient.ts';
import { channelCount } from '../../tensor.ts';

/** Per element of a padded channel: the element of the channel that lies there, or -1. */
export function paddedIndex(sweep: Sweep): Int32Array {
  const index = new Float64Array(sweep.paddedCount).fill(-1);
  const elements = Int32Array.from({ length: sweep.inCount }, (_, i) => i);
  padInto(index, 0, elements, 0, sweep);
  return Int32Array.from(index);
}

/** The channels of `x`, each padded with its value. */
export function padded(steps: Steps, x: Value, sweep: Sweep, valueIn: (channel: number) => number): Value {
  const { inCount, paddedCount } = sweep;
  if (paddedCount === inCount) return x;
  const index = paddedIndex(sweep);
  const inside = (i: number): number => at(index, i % paddedCount);
  const channel = (i: number): number => Math.floor(i / paddedCount);
  return steps.fixed(
    [1, channelCount(x.shape), paddedCount],
    (i) => (inside(i) < 0 ? [] : [[x, channel(i) * inCount + inside(i), 1]]),
    (i) => (inside(i) < 0 ? valueIn(channel(i)) : 0),
  );
}
