import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { writeFolder } from '../../artifact/node-folder.ts';
import type { VerifyReport } from '../../artifact/node-verify.ts';
import { at } from '../../base/errors.ts';
import { indexOfLargest } from '../../base/extremes.ts';
import type { Compiled } from '../../compile.ts';
import { digitSide, drawDigit } from '../../data/digits.ts';
import { prepareInput } from '../../data/model-inputs.ts';
import { readBytes } from '../../data/node-files.ts';
import type { Prepared } from '../../data/prepare.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { planTable, stepTable } from '../../program/listing.ts';
import { totalsOf } from '../../program/summary.ts';
import { inputBytes } from '../../program/values.ts';
import type { TargetName } from '../../targets/targets.ts';
import { formatBytes, formatCount } from '../../text/numbers.ts';
import { halfBlocks, sideBySide } from '../../text/pixels.ts';
import type { Api } from '../api.ts';
import { type Context, paint, printJson } from '../context.ts';
import { exitCodes } from '../exit.ts';
import { calibrationOf } from '../flags/calibrate.ts';
import { inputsOf, loadModel } from '../flags/model.ts';
import { withJson } from '../flags/options.ts';
import { type Engine, floatEngine, programEngine, sampleAt } from '../flags/subject.ts';
import { type Progress, progressOn } from '../progress.ts';
import { describeReport, hasFailed } from './verify.ts';

interface Flags {
  readonly out?: string;
  readonly json?: boolean;
}

/** The model that ships with the package; `src/cli/commands` and `dist/cli/commands` lie equally deep in it. */
const modelFile = fileURLToPath(new URL('../../../models/lenet5.onnx', import.meta.url));
const pad = 2;
const targets: readonly TargetName[] = ['host-gcc', 'cortex-m0', 'cortex-m4', 'rv32imc'];

/** Digits 0 to 9 over and over, as written by hands `seed`, `seed + 1`, ... */
function drawnDigits(count: number, seed: number): Uint8Array {
  const size = digitSide * digitSide;
  const data = new Uint8Array(count * size);
  for (let i = 0; i < count; i++) data.set(drawDigit(i % 10, seed + Math.floor(i / 10)), i * size);
  return data;
}

function preparedDigits(api: Api, graph: Graph<'imported'>, data: Uint8Array): Prepared {
  const shape = [data.length / digitSide ** 2, digitSide, digitSide];
  const samples = { where: 'drawn digits', array: { dtype: 'uint8', shape, data } } as const;
  return prepareInput(samples, at(inputsOf(api.toFloatGraph(graph)), 0), { pad });
}

interface Guess {
  readonly drawn: number;
  readonly float: number;
  readonly int8: number;
}

function guess(float: Engine, int8: Engine, digits: Prepared, progress: Progress): readonly Guess[] {
  return Array.from({ length: digits.count }, (_, i) => {
    const sample = sampleAt(digits, i);
    progress.report('digits', i + 1, digits.count);
    return {
      drawn: i % 10,
      float: indexOfLargest(at(float.run(sample), 0)),
      int8: indexOfLargest(at(int8.run(sample), 0)),
    };
  });
}

/** Rows and columns without the margin that every drawn digit has. */
function cropped(pixels: Uint8Array, margin: number): readonly string[] {
  const side = digitSide - 2 * margin;
  const inner = Uint8Array.from({ length: side * side }, (_, i) => {
    const [x, y] = [i % side, Math.floor(i / side)];
    return at(pixels, (y + margin) * digitSide + x + margin);
  });
  return halfBlocks(inner, side, side);
}

const perRow = 3;
const shown = 6;

function showDigits({ io }: Context, pixels: Uint8Array, guesses: readonly Guess[]): void {
  const size = digitSide ** 2;
  const parts = guesses.slice(0, shown).map(({ float, int8 }, i) => {
    const caption = `float says ${float}, int8 says ${int8}`;
    return [...cropped(pixels.subarray(i * size, (i + 1) * size), 2), caption];
  });
  for (let at = 0; at < parts.length; at += perRow) io.out(`${sideBySide(parts.slice(at, at + perRow))}\n\n`);
}

const countWhere = (guesses: readonly Guess[], test: (g: Guess) => boolean): number =>
  guesses.filter(test).length;

interface Scores {
  readonly digits: number;
  readonly floatCorrect: number;
  readonly int8Correct: number;
  readonly same: number;
}

const scoresOf = (guesses: readonly Guess[]): Scores => ({
  digits: guesses.length,
  floatCorrect: countWhere(guesses, (g) => g.float === g.drawn),
  int8Correct: countWhere(guesses, (g) => g.int8 === g.drawn),
  same: countWhere(guesses, (g) => g.float === g.int8),
});

function showProgram(context: Context, { program }: Compiled, scores: Scores): void {
  const { io } = context;
  const c = paint(context);
  const { macs, tableBytes, arenaBytes } = totalsOf(program);
  io.out(
    `Of ${scores.digits} drawn digits float gets ${scores.floatCorrect} right, int8 ${scores.int8Correct};`,
  );
  io.out(` they agree on ${scores.same}.\n\n`);
  io.out(`${c.bold('Kernels')}\n${stepTable(program, io.columns)}\n\n`);
  io.out(`${c.bold('Memory')}\n${planTable(program, io.columns)}\n\n`);
  io.out(`RAM ${formatBytes(arenaBytes)}, tables ${formatBytes(tableBytes)}, ${formatCount(macs)} MAC\n\n`);
}

function showEnd(context: Context, folder: string, report: VerifyReport): void {
  const { io } = context;
  const c = paint(context);
  io.out(`${c.bold('The same C, compiled and run')}\n`);
  describeReport(context, report);
  if (report.rows.some(({ status }) => status === 'skipped'))
    io.out("Skipped targets do not affect the results above: they are the simulator's.\n");
  io.out(`\nThe C is in ${c.cyan(folder)}\n`);
  io.out(
    `Next: ${c.cyan('thimble inspect')} or ${c.cyan('thimble compile --help')} with a model of yours.\n`,
  );
}

function compileDemo(api: Api, graph: Graph<'imported'>, progress: Progress): Compiled {
  const training = preparedDigits(api, graph, drawnDigits(200, 1000));
  return api.compile(graph, {
    name: 'lenet5',
    arith: 'int8',
    calibration: calibrationOf(training, training.count),
    onProgress: progress.report,
  });
}

interface Written {
  readonly folder: string;
  readonly files: ReadonlyMap<string, string | Uint8Array>;
}

async function write(
  { api, version, commandLine: command }: Context,
  compiled: Compiled,
  out?: string,
): Promise<Written> {
  const folder = path.resolve(out ?? path.join(tmpdir(), 'thimble-demo'));
  const made = { command, version, model: readBytes(modelFile), preprocessing: { pad } };
  const files = api.artifactOf(compiled, made);
  await writeFolder(folder, files);
  return { folder, files };
}

const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === 'string' ? new TextEncoder().encode(content) : content;

/** What was written is read again, so that this is what is verified. */
function verifyWritten({ api }: Context, written: Written, digits: Prepared, progress: Progress) {
  const artifact = api.loadArtifact(
    new Map([...written.files].map(([name, content]) => [name, bytesOf(content)])),
  );
  const inputs = [0, 1, 2, 3].map((i) => inputBytes(artifact.program, sampleAt(digits, i)));
  return api.verifyArtifact(artifact, { inputs, targets, onProgress: progress.report }).finally(progress.end);
}

interface Result {
  readonly compiled: Compiled;
  readonly scores: Scores;
  readonly written: Written;
  readonly report: VerifyReport;
}

const jsonOf = ({ compiled, scores, written, report }: Result): object => ({
  command: 'demo',
  ...scores,
  ...totalsOf(compiled.program),
  folder: written.folder,
  files: [...written.files.keys()],
  rows: report.rows,
});

async function run(context: Context, flags: Flags): Promise<void> {
  const { api, io } = context;
  const quiet = flags.json === true;
  const progress = progressOn(io, quiet);
  const graph = loadModel(api, modelFile);
  if (!quiet) io.out('LeNet-5, trained on MNIST, run on digits that thimble draws.\n\n');
  const compiled = compileDemo(api, graph, progress);
  const pixels = drawnDigits(100, 1);
  const digits = preparedDigits(api, graph, pixels);
  const int8 = programEngine(api, compiled.program);
  const guesses = guess(floatEngine(api, api.toFloatGraph(graph)), int8, digits, progress);
  const scores = scoresOf(guesses);
  if (!quiet) showDigits(context, pixels, guesses);
  if (!quiet) showProgram(context, compiled, scores);
  const written = await write(context, compiled, flags.out);
  const report = await verifyWritten(context, written, digits, progress);
  if (quiet) printJson(context, jsonOf({ compiled, scores, written, report }));
  else showEnd(context, written.folder, report);
  if (hasFailed(report)) context.finish(exitCodes.foundWrong);
}

export function addDemo(program: Command, context: () => Context): void {
  const command = program
    .command('demo')
    .description('compile and run LeNet-5 on drawn digits; needs no data and no toolchain')
    .option('-o, --out <FOLDER>', 'folder for the C (default: thimble-demo in the temporary folder)');
  withJson(command)
    .addHelpText(
      'after',
      `
Draws digits, compiles LeNet-5 for them, simulates it and writes the C. If gcc
and QEMU are installed, it also runs the C there and compares every byte.

Example:
  thimble demo -o demo`,
    )
    .action((flags: Flags) => run(context(), flags));
}
