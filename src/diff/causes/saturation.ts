import { at } from '../../base/errors.ts';
import { largestOf, smallestOf } from '../../base/extremes.ts';
import { slotAt } from '../../program/slots.ts';
import type { Diagnosis, Suspect } from './cause.ts';

/** Stored bytes that the other side cut off elsewhere, or let wrap. */
export function saturation({ program, slot, step, ours, theirs }: Suspect): Diagnosis | undefined {
  if (step < 0 || slotAt(program, slot).elem !== 'u8') return undefined;
  const different = [...ours.keys()].filter((i) => ours[i] !== theirs[i]);
  const kernel = program.steps[step]?.kernel.name;
  const atBounds = different.every((i) => ours[i] === 0 || ours[i] === 255);
  const inside = different.filter((i) => theirs[i] !== 0 && theirs[i] !== 255).length;
  if (atBounds && inside > different.length / 2)
    return {
      cause: 'saturation',
      text: `${kernel} does not saturate: all ${different.length} elements that differ are cut off at 0 or 255 here, and wrapped around there`,
    };
  const most = largestOf(theirs);
  const least = smallestOf(theirs);
  const cut = (bound: number, beyond: (x: number) => boolean): boolean =>
    different.length > 1 && different.every((i) => theirs[i] === bound && beyond(at(ours, i)));
  if (most < 255 && cut(most, (x) => x > most)) return clippedAt(kernel, 'above', most);
  if (least > 0 && cut(least, (x) => x < least)) return clippedAt(kernel, 'below', least);
  return undefined;
}

const clippedAt = (kernel: string | undefined, side: string, bound: number): Diagnosis => ({
  cause: 'saturation',
  text: `${kernel} is cut off ${side} ${bound} (stored): every element that differs has that value there`,
});
