import { must } from '../../ir/errors.ts';
import { affine } from './arrange.ts';
import type { Diagnosis, Suspect } from './cause.ts';

const rounded = (x: number): string => Number(x.toPrecision(3)).toString();

/** Their stored numbers are ours, stretched or moved. */
export function scale({ program, slot, step, ours, theirs }: Suspect): Diagnosis | undefined {
  if (step < 0 || program.arith === 'float32') return undefined;
  const { name } = must(program.slots[slot], 'a slot of the program');
  const free = (i: number): boolean =>
    ours[i] !== 0 && ours[i] !== 255 && theirs[i] !== 0 && theirs[i] !== 255;
  const count = [...ours.keys()].filter(free).length;
  const { factor, offset, fit } = affine(ours, theirs, free);
  if (count < 4 || fit < 0.98) return undefined;
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
