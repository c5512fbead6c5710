import { existsSync } from 'node:fs';
import path from 'node:path';
import { type Command, Option } from 'commander';
import type { Artifact } from '../../artifact/make.ts';
import { writeOneFile } from '../../artifact/node-folder.ts';
import { InputError } from '../../base/errors.ts';
import { readBytes } from '../../data/node-files.ts';
import type { Inference } from '../../diff/feed.ts';
import type { MeasuredTarget } from '../../program/measured.ts';
import { inputBytes, type Sample } from '../../program/values.ts';
import { reportHtml } from '../../report/report.ts';
import type { SweptBuild } from '../../report/swept-build.ts';
import type { TargetName } from '../../targets/targets.ts';
import { formatBytes } from '../../text/numbers.ts';
import { type Context, printJson } from '../context.ts';
import { exitCodes } from '../exit.ts';
import { inferencesAgainst, samplesIn } from '../flags/diff-against.ts';
import { inputsOfProgram, loadArtifact, readPrepared, type SampleFiles } from '../flags/model.ts';
import {
  clock,
  collected,
  type InputFlags,
  positiveInteger,
  prepareOptions,
  withInputOptions,
  withJson,
} from '../flags/options.ts';
import { randomInputs } from '../flags/random-inputs.ts';
import { sampleAt } from '../flags/subject.ts';
import { progressOn } from '../progress.ts';
import { hasFailed, parseTargets, verifyTargets } from './verify.ts';

interface Flags extends InputFlags {
  readonly out: string;
  readonly model?: string;
  readonly input?: SampleFiles;
  readonly limit: number;
  readonly sweep?: string;
  readonly targets?: readonly TargetName[];
  readonly clock?: number;
  readonly json?: boolean;
}

interface Swept {
  readonly command: string;
  readonly target: string;
  readonly builds: readonly SweptBuild[];
}

/** @throws InputError for folders that `sweep` did not write. */
function sweepIn(folder: string): Swept {
  const file = path.join(folder, 'sweep.json');
  const broken = (found: string): InputError =>
    new InputError({
      where: file,
      found,
      supported: 'what `thimble sweep -o FOLDER` wrote',
      todo: 'run the sweep again',
    });
  if (!existsSync(file)) throw broken('no such file');
  try {
    const swept = JSON.parse(new TextDecoder().decode(readBytes(file))) as Partial<Swept>;
    if (swept.command === 'sweep' && Array.isArray(swept.builds)) return swept as Swept;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw broken('something else');
}

function samplesFor(artifact: Artifact, { input, limit, ...flags }: Flags): readonly Sample[] {
  if (input === undefined) return [];
  const prepared = readPrepared(
    input,
    inputsOfProgram(artifact),
    prepareOptions(flags, artifact.manifest.preprocessing),
  );
  return samplesIn(prepared, limit, (i) => sampleAt(prepared, i));
}

/** @throws InputError for a model without samples to run it on. */
async function inferencesFor(
  { api }: Context,
  artifact: Artifact,
  model: string | undefined,
  samples: readonly Sample[],
): Promise<readonly Inference[]> {
  if (model === undefined) return [];
  if (samples.length === 0)
    throw new InputError({
      where: '--input',
      found: 'no --input',
      todo: 'give samples too, to measure the error of each layer on them',
    });
  return (await inferencesAgainst({ api, artifact, against: model, samples }, () => samples)).inferences;
}

/** Two: instructions are counted on the first, and every byte is compared on both. */
const runs = 2;

async function measured(
  context: Context,
  artifact: Artifact,
  { targets = [], json, clock: clockHz }: Flags,
  inputs: readonly Uint8Array[],
): Promise<readonly MeasuredTarget[]> {
  if (targets.length === 0) return [];
  const progress = progressOn(context.io, json === true);
  return context.api
    .measureTargets(artifact, {
      inputs: inputs.length > 0 ? inputs.slice(0, runs) : randomInputs(artifact.program, runs),
      targets,
      ...(clockHz === undefined ? {} : { clockHz }),
      onProgress: progress.report,
    })
    .finally(progress.end);
}

/** A missing toolchain is said, and is no failure; C that is not the simulator's program is one. */
function sayTargets(context: Context, rows: readonly MeasuredTarget[]): void {
  for (const { target, status, note } of rows)
    if (status !== 'equal') context.io.err(`thimble: ${target}: ${status}: ${note ?? ''}\n`);
  if (hasFailed({ rows })) context.finish(exitCodes.foundWrong);
}

async function run(context: Context, folder: string, flags: Flags): Promise<void> {
  const artifact = loadArtifact(context.api, folder);
  const swept = flags.sweep === undefined ? {} : { sweep: sweepIn(flags.sweep) };
  const samples = samplesFor(artifact, flags);
  const inputs = samples.map((sample) => inputBytes(artifact.program, sample));
  const inferences = await inferencesFor(context, artifact, flags.model, samples);
  const targets = await measured(context, artifact, flags, inputs);
  const html = await reportHtml({ artifact, inputs, inferences, targets, ...swept });
  writeOneFile(flags.out, html);
  const bytes = Buffer.byteLength(html);
  if (flags.json) printJson(context, { command: 'report', file: flags.out, bytes, targets });
  else context.io.out(`wrote ${flags.out} (${formatBytes(bytes)}): open it in a browser\n`);
  sayTargets(context, targets);
}

export function addReport(program: Command, context: () => Context): void {
  const command = program
    .command('report')
    .description('write an HTML page: memory, flash, instructions, weights, errors, accuracy')
    .argument('<folder>', 'a folder written by compile -o')
    .option('-o, --out <FILE>', 'the page', 'report.html')
    .option('--model <model.onnx>', 'the float model, to measure the error of each layer')
    .option('--input <FILE>', "samples, to measure the error on and to show the layers' outputs", collected)
    .option('--limit <N>', 'only the first N samples', positiveInteger, 100)
    .addOption(
      new Option(
        '--targets <LIST>',
        `count instructions, code and stack on some of ${verifyTargets.join(', ')}`,
      ).argParser(parseTargets),
    )
    .option(
      '--clock <CLOCK>',
      'clock for milliseconds, such as 64MHz, where cycles are known (default: per chip)',
      clock,
    )
    .option('--sweep <FOLDER>', 'a folder written by sweep -o, to show its Pareto front');
  withInputOptions(command);
  withJson(command)
    .addHelpText(
      'after',
      `
--targets compiles the C and runs it on the targets, as thimble verify does.
Without it, or if a compiler or an emulator is missing, instructions are
modelled, and the page says so.
Exit code 1: the C differs from the simulator. The page is written and says
where.

Example:
  thimble report out --targets host,cortex-m4 --model lenet5.onnx \\
      --input digits.npy -o report.html`,
    )
    .action((folder: string, flags: Flags) => run(context(), folder, flags));
}
