import type { Command } from 'commander';
import { Option } from 'commander';
import { writeOneFile } from '../../artifact/node-folder.ts';
import { at } from '../../base/errors.ts';
import { indexOfLargest } from '../../base/extremes.ts';
import { writeNpy } from '../../data/npy.ts';
import { writeNpz } from '../../data/npz.ts';
import type { Prepared } from '../../data/prepare.ts';
import { countOf, floats, type Shape, type Tensor } from '../../ir/tensor.ts';
import { formatMany } from '../../text/numbers.ts';
import { table } from '../../text/table.ts';
import { type Context, printJson } from '../context.ts';
import { load, readPrepared, type SampleFiles } from '../flags/model.ts';
import {
  collected,
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
  inputsOfLoaded,
  keptPreprocessing,
  requireNoEngine,
  sampleAt,
} from '../flags/subject.ts';
import { type Progress, progressOn } from '../progress.ts';

interface Flags extends InputFlags, QuantizeFlags, SizeFlags {
  readonly input: SampleFiles;
  readonly output?: string;
  readonly engine?: 'float' | 'int8';
  readonly limit?: number;
  readonly json?: boolean;
}

/** By sample, then by output. */
type Outputs = readonly (readonly Float32Array[])[];

function outputsOf(engine: Engine, prepared: Prepared, count: number, progress: Progress): Outputs {
  return Array.from({ length: count }, (_, i) => {
    const output = engine.run(sampleAt(prepared, i));
    progress.report('samples', i + 1, count);
    return output;
  });
}

/** Of one output, all samples as one array, the samples' axis first. */
function stacked(shape: Shape, outputs: readonly Float32Array[]): Tensor {
  const [first, ...rest] = shape;
  const size = countOf(shape);
  const data = new Float32Array(size * outputs.length);
  outputs.forEach((output, i) => {
    data.set(output, i * size);
  });
  return floats([outputs.length, ...(first === 1 && rest.length > 0 ? rest : shape)], data);
}

/** One output as .npy; several as .npz, each under its name. */
function writeOutputs(file: string, engine: Engine, outputs: Outputs): void {
  const arrays = engine.outputs.map(
    ({ name, shape }, o) =>
      [
        name,
        stacked(
          shape,
          outputs.map((all) => at(all, o)),
        ),
      ] as const,
  );
  const [only, ...more] = arrays;
  const bytes = only !== undefined && more.length === 0 ? writeNpy(only[1]) : writeNpz(new Map(arrays));
  writeOneFile(file, bytes);
}

const shown = 10;
const digits = (x: number): string => x.toPrecision(5);

/** A row per sample, the first ten numbers of each. */
function describe({ io }: Context, engine: Engine, outputs: Outputs): void {
  const several = engine.outputs.length > 1;
  engine.outputs.forEach(({ name }, o) => {
    const rows = outputs.slice(0, listed).map((all, i) => rowOf(i, at(all, o)));
    const columns = [
      { head: 'sample', align: 'right' },
      { head: 'top-1', align: 'right' },
      { head: several ? name : 'output' },
    ] as const;
    io.out(`${table(columns, rows, io.columns)}\n`);
  });
  if (outputs.length > listed) io.out(`and ${formatMany(outputs.length - listed, 'more sample')}\n`);
  io.out(`${formatMany(outputs.length, 'sample')}, ${engine.name}\n`);
}

/** Samples. */
const listed = 100;

function rowOf(sample: number, output: Float32Array): readonly string[] {
  const numbers = Array.from(output.slice(0, shown), digits).join(' ');
  return [String(sample), String(indexOfLargest(output)), output.length > shown ? `${numbers} ...` : numbers];
}

/** `shape`, `top1` and `outputs` are of the first output; of several each is listed in `byOutput`. */
function jsonOf(engine: Engine, outputs: Outputs): object {
  const numbers = (o: number) => outputs.map((all) => [...at(all, o)]);
  const each = engine.outputs.map(({ name, shape }, o) => ({ name, shape, outputs: numbers(o) }));
  return {
    command: 'run',
    engine: engine.name,
    shape: at(engine.outputs, 0).shape,
    top1: outputs.map((all) => indexOfLargest(at(all, 0))),
    outputs: numbers(0),
    ...(each.length > 1 ? { byOutput: each } : {}),
  };
}

function run(context: Context, file: string, flags: Flags): void {
  const { api, io } = context;
  const loaded = load(api, file, flags);
  requireNoEngine(loaded, flags.engine && '--engine');
  const options = prepareOptions(flags, keptPreprocessing(loaded));
  const prepared = readPrepared(flags.input, inputsOfLoaded(api, loaded), options);
  const progress = progressOn(io, flags.json === true);
  const engine = chosenEngine(context, loaded, flags, options, progress);
  const count = Math.min(prepared.count, flags.limit ?? prepared.count);
  const outputs = outputsOf(engine, prepared, count, progress);
  const portOrder = loaded.kind === 'artifact' ? (loaded.artifact.program.portOrder ?? 'memory') : null;
  if (flags.output !== undefined) writeOutputs(flags.output, engine, outputs);
  if (flags.json) printJson(context, { ...jsonOf(engine, outputs), portOrder, output: flags.output ?? null });
  else {
    describe(context, engine, outputs);
    if (portOrder === 'model') io.out("inputs and outputs of its C are in the model's order\n");
  }
}

export function addRun(program: Command, context: () => Context): void {
  const command = program
    .command('run')
    .description('run a model, or simulate a compiled artifact, on samples')
    .argument('<model|folder>', 'a model, or a folder written by compile -o')
    .requiredOption(
      '--input <FILE>',
      'samples: .npy, .npz, idx, CIFAR-10 .bin, .png, folder of PNG',
      collected,
    )
    .addOption(new Option('--engine <ENGINE>', 'how to run a model').choices(['float', 'int8']))
    .option('--output <FILE>', 'write all outputs as float32 .npy')
    .option('--limit <N>', 'only the first N samples', positiveInteger);
  withSizeOptions(withInputOptions(withQuantizeOptions(command)));
  withJson(command)
    .addHelpText(
      'after',
      `
A model is computed in float, or with --engine int8 compiled and simulated. An
artifact is run by the bit-exact simulator, with every check on.

Examples:
  thimble run lenet5.onnx --input digits.npy --pad 2
  thimble run out --input digits.npy --output logits.npy`,
    )
    .action((file: string, flags: Flags) => run(context(), file, flags));
}
