/** --test-data: recorded inputs and outputs from the command line's paths. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import {
  type Held,
  type RecordedSample,
  type RecordedTensor,
  type Recording,
  samplesOf,
  type Tolerance,
  usualTolerance,
} from '../../artifact/recorded.ts';
import { InputError } from '../../base/errors.ts';
import { isFolder, readBytes } from '../../data/node-files.ts';
import { isZip, readNpz } from '../../data/npz.ts';
import { importTensor } from '../../ir/import/recorded-tensor.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { inputPorts, outputPorts, type Port } from '../../program/port.ts';
import type { Program } from '../../program/program.ts';
import { formatCount } from '../../text/numbers.ts';
import { table } from '../../text/table.ts';
import { type Context, paint } from '../context.ts';
import type { SampleFiles } from './model.ts';
import { collected, decibels, numberWithin } from './options.ts';

export interface TestDataFlags {
  readonly testData?: SampleFiles;
  readonly rtol?: number;
  readonly atol?: number;
  readonly minSqnr?: number;
}

const share = numberWithin(0, Number.MAX_VALUE, 'a number from 0 on, for example 1e-5');

/** --test-data, and what its outputs may differ by. */
export const withTestData = (command: Command): Command =>
  command
    .option('--test-data <DIR>', "recorded inputs and outputs: ONNX's test_data_set_0, or .npz", collected)
    .option(
      '--rtol <X>',
      'allowed difference, relative to the largest recorded number (float32: 1e-5)',
      share,
    )
    .option('--atol <X>', 'additional allowed difference, in the units of the output (float32: 1e-5)', share)
    .option('--min-sqnr <DB>', 'lowest accepted signal to noise of an output (int8: 30)', decibels);

/** What is usual, and what was asked for instead. */
export const toleranceOf = (flags: TestDataFlags, arith: Program['arith']): Tolerance => ({
  ...usualTolerance[arith],
  ...(flags.rtol === undefined ? {} : { rtol: flags.rtol }),
  ...(flags.atol === undefined ? {} : { atol: flags.atol }),
  ...(flags.minSqnr === undefined ? {} : { minSqnr: flags.minSqnr }),
});

function toleranceText({ rtol, atol, minSqnr }: Tolerance): string {
  const bounds = [
    ...(rtol === undefined ? [] : [`${rtol} of the largest recorded number`]),
    ...(atol === undefined ? [] : [`${atol} absolute`]),
  ];
  return [
    ...(bounds.length === 0 ? [] : [`within ${bounds.join(' and ')}`]),
    ...(minSqnr === undefined ? [] : [`at least ${minSqnr} dB`]),
  ].join(', ');
}

/** The table of outputs, what was allowed, and a line for each that is beyond. */
export function describeHeld(
  context: Context,
  held: readonly Held[],
  samples: number,
  tolerance: Tolerance,
): void {
  const c = paint(context);
  const { io } = context;
  const right = { align: 'right' } as const;
  const columns = [
    { head: 'output' },
    { head: 'status' },
    { head: 'numbers', ...right },
    { head: 'largest difference', ...right },
    { head: 'dB', ...right },
  ];
  const rows = held.map(({ output, fails, numbers, worst, sqnr }) => [
    output,
    fails === undefined ? c.green('as recorded') : c.red('differs'),
    formatCount(numbers),
    worst === 0 ? '0' : worst.toPrecision(3),
    Number.isFinite(sqnr) ? sqnr.toFixed(1) : '',
  ]);
  io.out(`${table(columns, rows, io.columns)}\n`);
  io.out(`Recorded samples: ${formatCount(samples)}; allowed: ${toleranceText(tolerance)}.\n`);
  for (const { output, fails } of held) if (fails !== undefined) io.out(`${output}: ${fails}\n`);
}

/**
 * @param files folders as ONNX's `test_data_set_0`, folders of such, or .npz with an array of each input and output
 * @throws InputError for what is none of these, and as `samplesOf`
 */
export const readTestData = (program: Program, files: readonly string[]): readonly RecordedSample[] =>
  files
    .flatMap((file) => (isFolder(file) ? readFolder(file) : [readArchive(program, file)]))
    .flatMap((recording) => samplesOf(program, recording));

/** 2 before 10, the same in every locale. */
const byName = new Intl.Collator('en', { numeric: true });

const recorded = /^(input|output)_\d+\.pb$/;

const holdsSet = (folder: string): boolean => readdirSync(folder).some((name) => recorded.test(name));

function readFolder(folder: string): readonly Recording[] {
  if (holdsSet(folder)) return [readSet(folder)];
  const inside = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const sets = inside.map(({ name }) => path.join(folder, name)).filter(holdsSet);
  if (sets.length > 0) return sets.sort(byName.compare).map(readSet);
  throw new InputError({
    where: folder,
    found: 'a folder without recorded tensors',
    supported: 'folders with input_0.pb, output_0.pb and so on, or with folders of these; .npz files',
  });
}

/** In the order of their numbers, which are the model's. */
function readSet(folder: string): Recording {
  const read = (role: string): readonly RecordedTensor[] => {
    const names = readdirSync(folder).filter((name) => recorded.test(name) && name.startsWith(`${role}_`));
    return names.sort(byName.compare).map((name, i) => readTensor(folder, name, `${role}_${i}.pb`));
  };
  return { where: folder, inputs: read('input'), outputs: read('output') };
}

function readTensor(folder: string, name: string, expected: string): RecordedTensor {
  const where = path.join(folder, name);
  if (name !== expected)
    throw new InputError({ where, found: `no ${expected}`, supported: 'files that are numbered from 0 on' });
  return { where, ...importTensor(readBytes(where), where) };
}

function readArchive(program: Program, file: string): Recording {
  const bytes = readBytes(file);
  if (!isZip(bytes))
    throw new InputError({
      where: file,
      found: 'a file that is not a .npz',
      supported: ".npz files, and folders as ONNX's test_data_set_0",
    });
  const arrays = readNpz(bytes, file);
  const read = (ports: readonly Port[]): readonly RecordedTensor[] =>
    ports.map(({ name }) => ({ where: `${file}:${name}`, name, tensor: arrayOf(arrays, name, file) }));
  return { where: file, inputs: read(inputPorts(program)), outputs: read(outputPorts(program)) };
}

function arrayOf(arrays: ReadonlyMap<string, Tensor>, name: string, file: string): Tensor {
  const array = arrays.get(name);
  if (array !== undefined) return array;
  throw new InputError({
    where: file,
    found: `no array '${name}' (there are: ${[...arrays.keys()].join(', ')})`,
    supported: 'an array for each input and output, by its name in the model',
  });
}
