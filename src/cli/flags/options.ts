/** Options that several commands have, and how their text becomes values. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Preprocessing } from '../../artifact/make.ts';
import { layouts } from '../../data/axes.ts';
import { type Normalize, parseNormalize } from '../../data/normalize.ts';
import { type PrepareOptions, parseLayout, parseResize } from '../../data/prepare.ts';
import type { RequantMode } from '../../ir/graph/op.ts';
import type { ActivationBits } from '../../passes/activation-bits.ts';
import type { CalibrationMethod } from '../../passes/calibrate.ts';
import type { SampleFiles } from './model.ts';

export function positiveInteger(text: string): number {
  if (/^[1-9][0-9]{0,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It has to be a whole number above 0.');
}

function wholeNumber(text: string): number {
  if (/^[0-9]{1,9}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It has to be a whole number from 0 on.');
}

/** `64MHz`, `32.768 kHz`, or hertz. */
export function clock(text: string): number {
  const [, number, unit = ''] = /^(\d+(?:\.\d+)?) *(k|M|G)?(?:Hz)?$/i.exec(text.trim()) ?? [];
  const hertz = Number(number) * ({ k: 1e3, m: 1e6, g: 1e9 }[unit.toLowerCase()] ?? 1);
  if (hertz >= 1) return hertz;
  throw new InvalidArgumentError('It has to be a clock, for example 64MHz.');
}

/** Reads a number from `least` to `most`; `what` is what the complaint says it has to be. */
export const numberWithin =
  (least: number, most: number, what: string) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`It has to be ${what}.`);
  };

/** An option that may be given several times. */
export const collected = (value: string, before: SampleFiles = []): SampleFiles => [...before, value];

const finite = Number.MAX_VALUE;

export const percentage = numberWithin(0, 100, 'a number from 0 to 100');
export const decibels = numberWithin(-finite, finite, 'a number of decibels, for example 30');

export interface InputFlags {
  readonly normalize?: Normalize;
  readonly pad?: number;
  readonly resize?: { readonly height: number; readonly width: number };
  readonly layout?: PrepareOptions['layout'];
}

/** --resize, --pad, --normalize and --layout: from a file's samples to the model's input, in this order. */
export const withInputOptions = (command: Command): Command =>
  command
    .option('--resize <HxW>', 'resize pictures to this size (area mean when shrinking)', parseResize)
    .option('--pad <N>', 'add N zero pixels on each side, after resizing', wholeNumber)
    .option('--normalize <M,S>', '(x - mean) / std on pixels / 255; or M,M,M;S,S,S', parseNormalize)
    .option('--layout <AXES>', `order of axes in arrays: ${layouts.join(', ')}`, parseLayout);

/** As a manifest has it, where absent fields may be there as undefined. */
export type Kept = { readonly [K in keyof Preprocessing]?: Preprocessing[K] | undefined };

/** What the options say, or else what the artifact was compiled with. */
export function prepareOptions(flags: InputFlags, kept: Kept = {}): PrepareOptions {
  const normalize = flags.normalize ?? kept.normalize;
  const pad = flags.pad ?? kept.pad;
  const resize = flags.resize ?? kept.resize;
  return {
    ...preprocessingOf({ normalize, pad, resize }),
    ...(flags.layout ? { layout: flags.layout } : {}),
  };
}

/** The part of the options that an artifact keeps. */
export function preprocessingOf({ normalize, pad, resize }: Kept): Preprocessing {
  return {
    ...(normalize ? { normalize } : {}),
    ...(pad === undefined ? {} : { pad }),
    ...(resize ? { resize } : {}),
  };
}

export interface QuantizeFlags {
  readonly calibrate?: SampleFiles;
  /** Of calibration. */
  readonly samples: number;
  readonly requant: RequantMode;
  readonly calibration: CalibrationMethod;
  readonly activationBits: ActivationBits;
}

export const requantModes = [
  'single',
  'tfl-double',
  'ort-float',
  'pow2',
  'compact',
] as const satisfies readonly RequantMode[];
const methods = ['minmax', 'percentile', 'mse'] as const satisfies readonly CalibrationMethod[];

/** `auto`, `8`, `16`, or nodes by name: `/3/Conv=16,/9/Gemm=16`. */
export function parseActivationBits(text: string): ActivationBits {
  if (text === 'auto') return text;
  if (text === '8' || text === '16') return text === '8' ? 8 : 16;
  const names = text.split(',').map((part) => /^(.+)=16$/.exec(part)?.[1]);
  const known = names.filter((name) => name !== undefined);
  if (known.length === names.length) return new Set(known);
  throw new InvalidArgumentError('It has to be auto, 8, 16, or nodes with 16: /3/Conv=16,/9/Gemm=16.');
}

/** How a float model becomes an integer one. */
export const withQuantizeOptions = (command: Command): Command =>
  command
    .option(
      '--calibrate <FILE>',
      'typical samples: .npy, .npz, idx, CIFAR-10 .bin, folder of PNG; NAME=FILE for each of several inputs',
      collected,
    )
    .option('--samples <N>', 'number of samples to use, evenly spread over the file', positiveInteger, 512)
    .addOption(
      new Option('--requant <MODE>', 'rounding of accumulators').choices(requantModes).default('single'),
    )
    .addOption(
      new Option('--calibration <METHOD>', 'how ranges of activations are chosen')
        .choices(methods)
        .default('minmax'),
    )
    .option(
      '--activation-bits <BITS>',
      'bits of activations: auto, 8, 16, or NODE=16,NODE=16',
      parseActivationBits,
      'auto',
    );

export const withJson = (command: Command): Command =>
  command.option('--json', 'print one JSON object and nothing else (docs/cli.md)');
