import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { readBytes } from '../data/files.ts';
import type { Inference } from '../diff/compare.ts';
import { InputError } from '../ir/errors.ts';
import { reportHtml } from '../report/html/report.ts';
import type { SweptBuild } from '../report/html/sections.ts';
import { formatBytes } from '../report/numbers.ts';
import { type Context, printJson } from './context.ts';
import { inferencesAgainst, samplesIn } from './diff-against.ts';
import { sampleAt } from './engines.ts';
import { loadArtifact, readPrepared, sampleShapeOfProgram } from './model.ts';
import { type InputFlags, positiveInteger, prepareOptions, withInputOptions, withJson } from './options.ts';
import { writeOneFile } from './write.ts';

interface Flags extends InputFlags {
  readonly out: string;
  readonly model?: string;
  readonly input?: string;
  readonly limit: number;
  readonly sweep?: string;
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

async function inferencesFor(
  context: Context,
  artifact: ReturnType<typeof loadArtifact>,
  { model, input, limit, ...flags }: Flags,
): Promise<readonly Inference[] | undefined> {
  if (model === undefined && input === undefined) return undefined;
  if (model === undefined || input === undefined)
    throw new InputError({
      where: model === undefined ? '--input' : '--model',
      found: `no ${model === undefined ? '--model' : '--input'}`,
      todo: 'give both to measure the error of each layer',
    });
  const prepared = readPrepared(
    input,
    sampleShapeOfProgram(artifact),
    prepareOptions(flags, artifact.manifest.preprocessing),
  );
  const samples = samplesIn(prepared, limit, (i) => sampleAt(prepared, i));
  return (await inferencesAgainst({ api: context.api, artifact, against: model, samples }, () => samples))
    .inferences;
}

async function run(context: Context, folder: string, flags: Flags): Promise<void> {
  const artifact = loadArtifact(context.api, folder);
  const inferences = await inferencesFor(context, artifact, flags);
  const html = await reportHtml({
    artifact,
    ...(inferences === undefined ? {} : { inferences }),
    ...(flags.sweep === undefined ? {} : { sweep: sweepIn(flags.sweep) }),
  });
  writeOneFile(flags.out, html);
  const bytes = Buffer.byteLength(html);
  if (flags.json) printJson(context, { command: 'report', file: flags.out, bytes });
  else context.io.out(`wrote ${flags.out} (${formatBytes(bytes)}): open it in a browser\n`);
}

export function addReport(program: Command, context: () => Context): void {
  const command = program
    .command('report')
    .description('one HTML page: memory, flash, instructions, weights, errors, accuracy')
    .argument('<folder>', 'a folder that compile -o made')
    .option('-o, --out <FILE>', 'the page', 'report.html')
    .option('--model <model.onnx>', 'the float model, to measure the error of each layer')
    .option('--input <FILE>', 'samples to measure it on')
    .option('--limit <N>', 'only the first N samples', positiveInteger, 100)
    .option('--sweep <FOLDER>', 'a folder that sweep -o made: its Pareto front');
  withInputOptions(command);
  withJson(command)
    .addHelpText(
      'after',
      `
Example:
  thimble report out --model lenet5.onnx --input digits.npy -o report.html`,
    )
    .action((folder: string, flags: Flags) => run(context(), folder, flags));
}
