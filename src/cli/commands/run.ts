import type { Command } from 'commander';
import { Option } from 'commander';
import { writeOneFile } from '../../artifact/node-folder.ts';
import { indexOfLargest } from '../../base/extremes.ts';
import { writeNpy } from '../../data/npy.ts';
import type { Prepared } from '../../data/prepare.ts';
import { floats } from '../../ir/tensor.ts';
import { formatMany } from '../../text/numbers.ts';
import { table } from '../../text/table.ts';
import { type Context, printJson } from '../context.ts';
import { load, readPrepared } from '../flags/model.ts';
import {
  type InputFlags,
  positiveInteger,
  prepareOptions,
  type QuantizeFlags,
  withInputOptions,
  withJson,
  withQuantizeOptions,
} from '../flags/options.ts';
import { type SizeFlags, withSizeOptions } from '../flags/sizes.ts';
import {
  chosenEngine,
  type Engine,
  keptPreprocessing,
  requireNoEngine,
  sampleAt,
  sampleShapeOfLoaded,
} from '../flags/subject.ts';
import { type Progress, progressOn } from '../progress.ts';

interface Flags extends InputFlags, QuantizeFlags, SizeFlags {
  readonly input: string;
  readonly output?: string;
  readonly engine?: 'float' | 'int8';
  readonly limit?: number;
  readonly json?: boolean;
}

function outputsOf(engine: Engine, prepared: Prepared, count: number, progress: Progress): Float32Array[] {
  return Array.from({ length: count }, (_, i) => {
    const output = engine.run(sampleAt(prepared, i));
    progress.report('samples', i + 1, count);
    return output;
  });
}

/** The outputs as one array, the batch axis first. */
function writeOutputs(file: string, engine: Engine, outputs: readonly Float32Array[]): void {
  const [batch, ...rest] = engine.outputShape;
  const shape = batch === 1 && rest.length > 0 ? rest : engine.outputShape;
  const size = outputs[0]?.length ?? 0;
  const data = new Float32Array(size * outputs.length);
  outputs.forEach((output, i) => {
    data.set(output, i * size);
  });
  writeOneFile(file, writeNpy(floats([outputs.length, ...shape], data)));
}

const shown = 10;
const digits = (x: number): string => x.toPrecision(5);

/** A row per sample, the first ten numbers of each. */
function describe({ io }: Context, engine: Engine, outputs: readonly Float32Array[]): void {
  const rows = outputs.slice(0, 100).map((output, i) => {
    const numbers = Array.from(output.slice(0, shown), digits).join(' ');
    return [String(i), String(indexOfLargest(output)), output.length > shown ? `${numbers} ...` : numbers];
  });
  const columns = [
    { head: 'sample', align: 'right' },
    { head: 'top-1', align: 'right' },
    { head: 'output' },
  ] as const;
  io.out(`${table(columns, rows, io.columns)}\n`);
  if (outputs.length > rows.length)
    io.out(`and ${formatMany(outputs.length - rows.length, 'more sample')}\n`);
  io.out(`${formatMany(outputs.length, 'sample')}, ${engine.name}\n`);
}

const jsonOf = (engine: Engine, outputs: readonly Float32Array[]): object => ({
  command: 'run',
  engine: engine.name,
  shape: engine.outputShape,
  top1: outputs.map(indexOfLargest),
  outputs: outputs.map((output) => [...output]),
});

function run(context: Context, file: string, flags: Flags): void {
  const { api, io } = context;
  const loaded = load(api, file, flags);
  requireNoEngine(loaded, flags.engine && '--engine');
  const options = prepareOptions(flags, keptPreprocessing(loaded));
  const prepared = readPrepared(flags.input, sampleShapeOfLoaded(api, loaded), options);
  const progress = progressOn(io, flags.json === true);
  const engine = chosenEngine(context, loaded, flags, options, progress);
  const count = Math.min(prepared.count, flags.limit ?? prepared.count);
  const outputs = outputsOf(engine, prepared, count, progress);
  if (flags.output !== undefined) writeOutputs(flags.output, engine, outputs);
  if (flags.json) printJson(context, { ...jsonOf(engine, outputs), output: flags.output ?? null });
  else describe(context, engine, outputs);
}

export function addRun(program: Command, context: () => Context): void {
  const command = program
    .command('run')
    .description('run a model, or simulate a compiled artifact, on samples')
    .argument('<model.onnx|folder>', 'a model, or a folder that compile -o made')
    .requiredOption('--input <FILE>', 'samples: .npy, .npz, idx, CIFAR-10 .bin, .png, folder of PNG')
    .addOption(new Option('--engine <ENGINE>', 'of a model').choices(['float', 'int8']))
    .option('--output <FILE>', 'write all outputs as float32 .npy')
    .option('--limit <N>', 'only the first N samples', positiveInteger);
  withSizeOptions(withInputOptions(withQuantizeOptions(command)));
  withJson(command)
    .addHelpText(
      'after',
      `
An artifact is run by the bit-exact simulator, with every check on.

Examples:
  thimble run lenet5.onnx --input digits.npy --pad 2
  thimble run out --input digits.npy --output logits.npy`,
    )
    .action((file: string, flags: Flags) => run(context(), file, flags));
}
