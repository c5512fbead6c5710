import type { Command } from 'commander';
import { Option } from 'commander';
import type { Compiled, CompileOptions } from '../compile.ts';
import { readBytes } from '../data/files.ts';
import type { PrepareOptions } from '../data/prepare.ts';
import { checkIdentifier } from '../emit/identifier.ts';
import { writeFolder } from '../emit/native-files.ts';
import type { Graph } from '../ir/graph.ts';
import type { Program, Slot } from '../ir/program.ts';
import { formatBytes, formatCount, formatMany } from '../report/numbers.ts';
import { inputSlot, outputSlot, planTable, stepsOf, stepTable, totalsOf } from '../report/program.ts';
import { readCalibration } from './calibrate.ts';
import { type Context, paint, printJson } from './context.ts';
import { exitCodes } from './exit.ts';
import { identifierOf, loadModel } from './model.ts';
import {
  type InputFlags,
  positiveInteger,
  prepareOptions,
  preprocessingOf,
  type QuantizeFlags,
  withInputOptions,
  withJson,
  withQuantizeOptions,
} from './options.ts';
import { textAfterPass } from './passes.ts';
import { progressOn } from './progress.ts';

interface Flags extends InputFlags, QuantizeFlags {
  readonly out?: string;
  readonly name?: string;
  readonly type: 'int8' | 'float32';
  readonly stopAfter?: string;
  readonly maxRam?: number;
  readonly maxTables?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

function optionsFor(context: Context, graph: Graph<'imported'>, name: string, flags: Flags): CompileOptions {
  const wants: PrepareOptions = prepareOptions(flags);
  const calibration = flags.type === 'int8' ? readCalibration(context.api, graph, flags, wants) : undefined;
  return {
    name,
    arith: flags.type,
    requant: flags.requant,
    calibrationMethod: flags.calibration,
    ...(calibration ? { calibration } : {}),
  };
}

/** Each limit that the program is over, as one sentence. */
function overBudget(program: Program, { maxRam, maxTables }: Flags): readonly string[] {
  const { arenaBytes, tableBytes } = totalsOf(program);
  const over = (what: string, bytes: number, limit: number | undefined): string[] =>
    limit !== undefined && bytes > limit
      ? [
          `${what} ${formatBytes(bytes)}, ${formatBytes(bytes - limit)} over the limit of ${formatBytes(limit)}`,
        ]
      : [];
  return [...over('RAM', arenaBytes, maxRam), ...over('tables', tableBytes, maxTables)];
}

type Files = ReadonlyMap<string, string | Uint8Array>;
const fileSizes = (files: Files): readonly { readonly name: string; readonly bytes: number }[] =>
  [...files].map(([name, content]) => ({ name, bytes: Buffer.byteLength(content) }));

const port = ({ elem, shape, quant }: Slot): object => ({
  shape,
  elem,
  ...(quant ? { scale: quant.scale, zeroPoint: quant.zeroPoint } : {}),
});

const jsonOf = ({ program }: Compiled, folder: string | null, files: Files, over: readonly string[]) => ({
  command: 'compile',
  name: program.name,
  arith: program.arith,
  ...totalsOf(program),
  input: { ...port(inputSlot(program)), raw: program.rawInput ?? null },
  output: port(outputSlot(program)),
  steps: stepsOf(program),
  overBudget: over,
  folder,
  files: folder === null ? [] : fileSizes(files),
});

function describe(context: Context, program: Program, used: string): void {
  const { io } = context;
  const c = paint(context);
  const { macs, tableBytes, arenaBytes } = totalsOf(program);
  io.out(`${c.bold(program.name)}: ${program.arith}${used}\n\n`);
  io.out(`${stepTable(program, io.columns)}\n\n${planTable(program, io.columns)}\n\n`);
  io.out(`RAM ${formatBytes(arenaBytes)}, tables ${formatBytes(tableBytes)}, ${formatCount(macs)} MAC\n`);
}

function describeFiles({ io }: Context, folder: string, files: Files): void {
  for (const { name, bytes } of fileSizes(files)) io.out(`wrote ${folder}/${name} (${formatBytes(bytes)})\n`);
  io.out(`next: thimble verify ${folder}\n`);
}

interface Made {
  readonly compiled: Compiled;
  readonly files: Files;
  /** How many samples were used. */
  readonly samples: number;
}

async function report(context: Context, { compiled, files, samples }: Made, flags: Flags): Promise<void> {
  const over = overBudget(compiled.program, flags);
  const folder = flags.out !== undefined && over.length === 0 ? flags.out : null;
  if (folder !== null) await writeFolder(folder, files);
  if (flags.json) printJson(context, jsonOf(compiled, folder, files, over));
  else if (!flags.quiet) {
    describe(
      context,
      compiled.program,
      samples > 0 ? `, calibrated on ${formatMany(samples, 'sample')}` : '',
    );
    if (folder !== null) describeFiles(context, folder, files);
    else if (over.length === 0) context.io.out('nothing was written: give -o FOLDER\n');
  }
  for (const line of over) context.io.err(`thimble: over budget: ${line}; nothing was written\n`);
  if (over.length > 0) context.finish(exitCodes.foundWrong);
}

function make(
  context: Context,
  file: string,
  graph: Graph<'imported'>,
  options: CompileOptions,
  flags: Flags,
): Made {
  const { api, commandLine: command, version, io } = context;
  const progress = progressOn(io, flags.quiet === true || flags.json === true);
  const compiled = api.compile(graph, { ...options, onProgress: progress.report });
  progress.end();
  const preprocessing = preprocessingOf(prepareOptions(flags));
  const files = api.artifactOf(compiled, { command, version, model: readBytes(file), preprocessing });
  return { compiled, files, samples: options.calibration?.inputs.length ?? 0 };
}

async function run(context: Context, file: string, flags: Flags): Promise<void> {
  const { api, io } = context;
  const graph = loadModel(api, file);
  const name = flags.name === undefined ? identifierOf(file) : checkIdentifier(flags.name, '--name');
  const options = optionsFor(context, graph, name, flags);
  if (flags.stopAfter !== undefined)
    io.out(textAfterPass(api, graph, options, flags.stopAfter, '--stop-after'));
  else await report(context, make(context, file, graph, options, flags), flags);
}

export function addCompile(program: Command, context: () => Context): void {
  const command = program
    .command('compile')
    .description('compile a trained model to C')
    .argument('<model.onnx>', 'a model that torch.onnx.export wrote');
  withQuantizeOptions(command);
  withInputOptions(command)
    .option('-o, --out <FOLDER>', 'where the C, its header, manifest and report go')
    .option('--name <ID>', "prefix of everything in the C (default: the file's name)")
    .addOption(new Option('--type <TYPE>', 'arithmetic').choices(['int8', 'float32']).default('int8'))
    .option('--max-ram <BYTES>', 'end with exit code 1 if the arena is larger', positiveInteger)
    .option('--max-tables <BYTES>', 'the same for weights and other tables', positiveInteger)
    .option('--stop-after <PASS>', 'print the graph after this pass and end')
    .option('-q, --quiet', 'print nothing but errors');
  withJson(command)
    .addHelpText(
      'after',
      `
Example:
  thimble compile lenet5.onnx --pad 2 -o out \\
      --calibrate train-images-idx3-ubyte.gz

  reads 512 of MNIST's training images, compiles LeNet-5 to int8 C in out/.`,
    )
    .action((file: string, flags: Flags) => run(context(), file, flags));
}
