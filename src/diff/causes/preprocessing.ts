import { at, must } from '../../base/errors.ts';
import { largestOf, largestSize, smallestOf } from '../../base/extremes.ts';
import { channelCount } from '../../ir/tensor.ts';
import { slotAt } from '../../program/slots.ts';
import { arrangements, lineOf } from './arrange.ts';
import type { Diagnosis, Suspect } from './cause.ts';

const rounded = (x: number): string => Number(x.toPrecision(4)).toString();

/** Within the rounding of 8-bit numbers. */
const near = (x: number, y: number): boolean => Math.abs(x - y) < 0.02 * Math.abs(y);

/** Whether their pixels are ours in 0..1, stored as bytes, where 0..255 is meant. */
function isUnitRange({ ours, theirs, program }: Suspect): boolean {
  if (program.rawInput === undefined || largestOf(theirs) !== 1) return false;
  return ours.every((x, i) => Math.abs(x / 255 - must(theirs[i], 'as many bytes')) < 1);
}

/** Their input is one number throughout, and ours is not: it says nothing about preparation. */
function isBlank({ ours, theirs }: Suspect): boolean {
  return smallestOf(theirs) === largestOf(theirs) && smallestOf(ours) < largestOf(ours);
}

/** As a sensor gives it, or as the network computes with it. */
const firstOf = ({ program, theirs, theirReals }: Suspect): number =>
  must(program.rawInput === undefined ? theirReals[0] : theirs[0], 'an input has elements');

const blankText = (value: number): string =>
  value === 0
    ? 'the input is 0 everywhere: nothing was written into it before the run, or numbers below 1 were cut off'
    : `the input is ${rounded(value)} everywhere: it was filled, or the sensor gave nothing`;

/** What relates two inputs, channel by channel: a factor and an offset, of the fit asked for. */
function perChannel(ours: Float32Array, theirs: Float32Array, channels: number) {
  const plane = ours.length / channels;
  return Array.from({ length: channels }, (_, c) => lineOf(ours, theirs, (i) => Math.floor(i / plane) === c));
}

/** The network was given something else than what it was trained on. */
export function preprocessing(suspect: Suspect): Diagnosis | undefined {
  const { program, slot, step, ourReals, theirReals } = suspect;
  if (step >= 0) return undefined;
  const cause = 'input preprocessing';
  const { shape } = slotAt(program, slot);
  if (isBlank(suspect)) return { cause, text: blankText(firstOf(suspect)) };
  if (isUnitRange(suspect))
    return { cause, text: 'the input is in 0..1 where pixels of 0..255 are expected' };
  const channels = channelCount(shape);
  const identity = { name: '', from: Array.from(ourReals.keys()) };
  for (const { name, from } of [identity, ...arrangements(shape.slice(1))]) {
    const turned = Float32Array.from(from, (i) => at(ourReals, i));
    const fits = perChannel(turned, theirReals, channels);
    if (!fits.every(({ fit }) => fit > 0.98)) continue;
    const order = name === '' ? '' : `; besides, the input has ${name}`;
    return { cause, text: `${relation(fits, largestSize(theirReals))}${order}` };
  }
  return undefined;
}

function relation(fits: ReturnType<typeof perChannel>, size: number): string {
  const [first = { factor: 1, offset: 0 }] = fits;
  const plain = fits.every(({ offset }) => Math.abs(offset) < 0.02 * Math.max(1, size));
  if (plain && near(first.factor, 255)) return 'the input is in 0..255 where 0..1 is expected';
  if (plain && near(first.factor, 1 / 255)) return 'the input is in 0..1 where 0..255 is expected';
  const terms = fits.map(({ factor, offset }) => `${rounded(factor)} x + ${rounded(offset)}`);
  const each = new Set(terms).size > 1 ? 'per channel ' : '';
  return `the input is ${each}${[...new Set(terms)].join(', ')} of the expected input: the normalization is different, missing or done twice`;
}
