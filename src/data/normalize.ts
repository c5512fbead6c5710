/** Normalization as torchvision.transforms.Normalize: (x - mean) / std per channel, on pixels / 255. */
import { at, InputError } from '../base/errors.ts';
import type { Normalization } from '../program/program.ts';

/** In units of the scaled pixel, 0..1. One number for all channels, or one per channel. */
export interface Normalize {
  readonly mean: readonly number[];
  readonly std: readonly number[];
}

const unusable = (text: string, found: string): InputError =>
  new InputError({
    where: `--normalize ${text}`,
    found,
    supported:
      'MEAN,STD for all channels, or MEAN,MEAN,...;STD,STD,... per channel (a / may stand for the ;)',
    todo: "e.g. --normalize 0.5,0.5 or --normalize '0.485,0.456,0.406;0.229,0.224,0.225'",
  });

function numbersOf(list: string, text: string): number[] {
  const numbers = list.split(',').map((word) => (word.trim() === '' ? Number.NaN : Number(word)));
  if (!numbers.every(Number.isFinite)) throw unusable(text, `'${list}' is not a list of numbers`);
  return numbers;
}

function lists(text: string): readonly [number[], number[]] {
  const halves = text.split(/[;/]/);
  const [first = '', second] = halves;
  if (halves.length > 2) throw unusable(text, `${halves.length} lists`);
  if (second !== undefined) return [numbersOf(first, text), numbersOf(second, text)];
  const [mean, std, ...more] = numbersOf(first, text);
  if (mean === undefined || std === undefined || more.length > 0)
    throw unusable(text, `${more.length + (std === undefined ? 1 : 2)} numbers without a ;`);
  return [[mean], [std]];
}

/**
 * Grammar: `mean,std`, or `list;list` with comma-separated lists of one or as many numbers as channels.
 * @throws InputError for anything else, and for deviations that are not above zero.
 */
export function parseNormalize(text: string): Normalize {
  const [mean, std] = lists(text);
  if (!std.every((s) => s > 0)) throw unusable(text, 'a standard deviation that is not above 0');
  return { mean, std };
}

const showNormalize = ({ mean, std }: Normalize): string => `${mean.join(',')};${std.join(',')}`;

function perChannel(numbers: readonly number[], channels: number, all: Normalize): readonly number[] {
  if (numbers.length === channels) return numbers;
  if (numbers.length === 1) return new Array<number>(channels).fill(at(numbers, 0));
  throw unusable(showNormalize(all), `${numbers.length} numbers for samples of ${channels} channels`);
}

/** One mean and deviation per channel. @throws InputError when there are as many as of another channel count. */
export const expanded = (normalize: Normalize, channels: number): Normalize => ({
  mean: perChannel(normalize.mean, channels, normalize),
  std: perChannel(normalize.std, channels, normalize),
});

/** The same in units of the stored pixel: real = (pixel - mean) / std. */
export function pixelNormalization(normalize: Normalize | undefined, channels: number): Normalization {
  const { mean, std } = expanded(normalize ?? { mean: [0], std: [1] }, channels);
  return { mean: mean.map((m) => m * 255), std: std.map((s) => s * 255) };
}

const f = Math.fround;

/**
 * The 256 real numbers of a pixel, with each step rounded to float32 as torchvision's ToTensor and Normalize
 * round them.
 */
export const pixelTable = (mean: number, std: number): Float32Array =>
  Float32Array.from({ length: 256 }, (_, pixel) => f(f(f(pixel / 255) - f(mean)) / f(std)));
