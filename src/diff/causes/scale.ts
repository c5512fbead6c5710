import { at } from '../../base/errors.ts';
import { slotAt } from '../../program/slots.ts';
import { type Line, lineOf } from './arrange.ts';
import type { Diagnosis, Suspect } from './cause.ts';

const rounded = (x: number): string => Number(x.toPrecision(3)).toString();

/** Share of the squared difference that the line may leave: more of it is something else. */
const mostLeft = 1 / 4;

/** How much of their squared difference from ours their squared difference from the line is. */
function leftBy({ factor, offset }: Line, { ours, theirs }: Suspect, take: (i: number) => boolean): number {
  let [before, after] = [0, 0];
  theirs.forEach((their, i) => {
    if (!take(i)) return;
    const our = at(ours, i);
    before += (their - our) ** 2;
    after += (their - factor * our - offset) ** 2;
  });
  return after / before;
}

/** Their stored numbers are ours, stretched or moved, and that is most of what is wrong with them. */
export function scale(suspect: Suspect): Diagnosis | undefined {
  const { program, slot, step, ours, theirs } = suspect;
  const { name, elem } = slotAt(program, slot);
  if (step < 0 || elem !== 'u8') return undefined;
  const free = (i: number): boolean =>
    ours[i] !== 0 && ours[i] !== 255 && theirs[i] !== 0 && theirs[i] !== 255;
  const count = [...ours.keys()].filter(free).length;
  const line = lineOf(ours, theirs, free);
  const { factor, offset, fit } = line;
  if (count < 4 || fit < 0.98 || leftBy(line, suspect, free) > mostLeft) return undefined;
  const stretched = Math.abs(factor - 1) > 0.02;
  if (!stretched && Math.abs(offset) < 0.75) return undefined;
  const what = stretched
    ? `the scale of ${name} is off by a factor of ${rounded(factor)}`
    : `the zero point of ${name} is off by ${rounded(offset)}`;
  return {
    cause: 'scale or zero point',
    text: `${what} (stored there = ${rounded(factor)} stored here + ${rounded(offset)})`,
  };
}
