import type { Command } from 'commander';
import { at, InputError } from '../../base/errors.ts';
import { indexOfLargest } from '../../base/extremes.ts';
import { requireClasses, requireLabelCount } from '../../data/labels.ts';
import { readLabels } from '../../data/node-files.ts';
import type { Prepared, PrepareOptions } from '../../data/prepare.ts';
import { countOf } from '../../ir/tensor.ts';
import { isQuantized } from '../../passes/settle-grids.ts';
import { formatMany, formatPercent } from '../../text/numbers.ts';
import { formatShare, type Share, wilson } from '../../text/wilson.ts';
import { type Context, printJson } from '../context.ts';
import { exitCodes } from '../exit.ts';
import {
  compiledSizes,
  type Loaded,
  load,
  loadModel,
  readPrepared,
  type SampleFiles,
} from '../flags/model.ts';
import {
  collected,
  type InputFlags,
  percentage,
  positiveInteger,
  prepareOptions,
  type QuantizeFlags,
  withInputOptions,
  withJson,
  withQuantizeOptions,
} from '../flags/options.ts';
import { readExpected, scoresOf, scoreTable } from '../flags/scores.ts';
import { type SizeFlags, withSizeOptions } from '../flags/sizes.ts';
import {
  compiledEngine,
  type Engine,
  floatEngine,
  inputsOfLoaded,
  keptPreprocessing,
  programEngine,
  requireNoEngine,
  sampleAt,
} from '../flags/subject.ts';
import { type Progress, progressOn } from '../progress.ts';

interface Flags extends InputFlags, QuantizeFlags, SizeFlags {
  readonly input: SampleFiles;
  readonly labels?: string;
  readonly expected?: string;
  readonly against?: string;
  readonly limit?: number;
  readonly minTop1?: number;
  readonly json?: boolean;
}

/** Float first, so that the later ones are compared with it. */
function enginesOf(
  context: Context,
  loaded: Loaded,
  flags: Flags,
  options: PrepareOptions,
  progress: Progress,
): readonly Engine[] {
  const { api } = context;
  const float = (graph: Parameters<typeof api.toFloatGraph>[0]): Engine =>
    floatEngine(api, api.toFloatGraph(graph));
  if (loaded.kind === 'artifact')
    return [
      ...(flags.against === undefined
        ? []
        : [float(loadModel(api, flags.against, compiledSizes(loaded.artifact, flags.against)))]),
      programEngine(api, loaded.artifact.program),
    ];
  const engines = [float(loaded.graph)];
  // A quantized model has its scales.
  if (flags.calibrate !== undefined || isQuantized(api.toFloatGraph(loaded.graph)))
    engines.push(compiledEngine(context, loaded.graph, loaded.file, flags, options, progress));
  return engines;
}

const withoutLabels = (where: string): InputError =>
  new InputError({
    where,
    found: 'samples without labels',
    supported: 'class numbers (--labels), numbers (--expected), or the float network beside its program',
    todo: 'give --labels FILE, or --expected FILE, or --calibrate FILE with a model and --against MODEL with a folder',
  });

/** Undefined where outputs are judged as numbers. */
function labelsFor(flags: Flags, prepared: Prepared): Int32Array | undefined {
  if (flags.expected !== undefined) return undefined;
  const labels = flags.labels === undefined ? prepared.labels : readLabels(flags.labels);
  if (labels === undefined && flags.minTop1 !== undefined) throw withoutLabels(prepared.where);
  if (labels === undefined) return undefined;
  requireLabelCount(labels, prepared.count, flags.labels ?? prepared.where);
  return labels;
}

/** The class of each sample by each engine: the largest of the first output. */
function classify(
  engines: readonly Engine[],
  prepared: Prepared,
  count: number,
  progress: Progress,
): readonly Int32Array[] {
  const classes = engines.map(() => new Int32Array(count));
  for (let i = 0; i < count; i++) {
    const sample = sampleAt(prepared, i);
    engines.forEach((engine, e) => {
      (classes[e] ?? new Int32Array(0))[i] = indexOfLargest(at(engine.run(sample), 0));
    });
    progress.report('samples', i + 1, count);
  }
  return classes;
}

function matches(classes: Int32Array, others: Int32Array): Share {
  let hits = 0;
  classes.forEach((c, i) => {
    if (c === others[i]) hits += 1;
  });
  return { hits, total: classes.length };
}

interface Result {
  readonly engines: readonly { readonly name: string; readonly correct: Share }[];
  /** Of the last engine with the first, where there are two. */
  readonly agreement?: Share;
}

function resultOf(engines: readonly Engine[], classes: readonly Int32Array[], labels: Int32Array): Result {
  const scored = engines.map(({ name }, e) => ({
    name,
    correct: matches(classes[e] ?? new Int32Array(0), labels),
  }));
  const [first, second] = classes;
  return {
    engines: scored,
    ...(first !== undefined && second !== undefined ? { agreement: matches(first, second) } : {}),
  };
}

function describe({ io }: Context, { engines, agreement }: Result): void {
  for (const { name, correct } of engines) io.out(`${name.padEnd(8)} top-1 ${formatShare(correct)}\n`);
  if (agreement === undefined) return;
  const [a, b] = engines.map(({ correct }) => correct.hits / correct.total);
  io.out(`same class for ${formatShare(agreement)}\n`);
  io.out(`difference ${(100 * ((b ?? 0) - (a ?? 0))).toFixed(2)} points\n`);
}

const shareJson = (share: Share): object => {
  const { hits, total, share: top1, low, high } = wilson(share);
  return { hits, total, share: top1, low, high };
};

const jsonOf = ({ engines, agreement }: Result): object => ({
  command: 'eval',
  engines: engines.map(({ name, correct }) => ({ engine: name, top1: shareJson(correct) })),
  agreement: agreement ? shareJson(agreement) : null,
});

/** --min-top1 is about the last engine: the one that would be deployed. */
function judge(context: Context, { engines }: Result, minimum: number | undefined): void {
  const last = engines.at(-1);
  if (minimum === undefined || last === undefined) return;
  const share = last.correct.hits / last.correct.total;
  if (100 * share >= minimum) return;
  context.io.err(`thimble: ${last.name} top-1 ${formatPercent(share)} is below ${minimum} %\n`);
  context.finish(exitCodes.foundWrong);
}

/** By classes, a label for each sample that is run. */
function top1(
  context: Context,
  engines: readonly Engine[],
  prepared: Prepared,
  labels: Int32Array,
  flags: Flags,
  progress: Progress,
): void {
  const outputs = countOf(at(at(engines, 0).outputs, 0).shape);
  requireClasses(labels, outputs, flags.labels ?? prepared.where);
  const classes = classify(engines, prepared, labels.length, progress);
  const result = resultOf(engines, classes, labels);
  if (flags.json) printJson(context, jsonOf(result));
  else describe(context, result);
  judge(context, result, flags.minTop1);
}

/** Without classes: the outputs as numbers. */
function score(
  context: Context,
  engines: readonly Engine[],
  prepared: Prepared,
  count: number,
  flags: Flags,
  progress: Progress,
): void {
  if (flags.expected === undefined && engines.length < 2) throw withoutLabels(prepared.where);
  const expected =
    flags.expected === undefined ? undefined : readExpected(flags.expected, at(engines, 0), prepared);
  const scores = scoresOf(engines, prepared, count, expected, progress);
  if (flags.json) printJson(context, { command: 'eval', samples: count, scores });
  else context.io.out(`${scoreTable(scores, context.io.columns)}\n${formatMany(count, 'sample')}\n`);
}

function run(context: Context, file: string, flags: Flags): void {
  const { api, io } = context;
  const loaded = load(api, file, flags);
  requireNoEngine(loaded, flags.calibrate && '--calibrate');
  const options = prepareOptions(flags, keptPreprocessing(loaded));
  const prepared = readPrepared(flags.input, inputsOfLoaded(api, loaded), options);
  const labels = labelsFor(flags, prepared);
  const progress = progressOn(io, flags.json === true);
  const engines = enginesOf(context, loaded, flags, options, progress);
  const count = Math.min(prepared.count, flags.limit ?? prepared.count);
  if (labels === undefined) score(context, engines, prepared, count, flags, progress);
  else top1(context, engines, prepared, labels.slice(0, count), flags, progress);
}

export function addEval(program: Command, context: () => Context): void {
  const command = program
    .command('eval')
    .description('measure accuracy on samples, float against int8: top-1, or errors of numbers')
    .argument('<model|folder>', 'a model, or a folder written by compile -o')
    .requiredOption('--input <FILE>', 'samples: .npy, .npz, idx, CIFAR-10 .bin, folder of PNG', collected)
    .option('--labels <FILE>', 'class numbers: idx1, .npy, .npz, text (CIFAR-10 .bin has its own)')
    .option('--expected <FILE>', 'expected numbers of the output; input: the samples themselves')
    .option('--against <MODEL>', 'with a folder: the model that it was compiled from, to compare with')
    .option('--limit <N>', 'only the first N samples', positiveInteger)
    .option('--min-top1 <PERCENT>', 'exit code 1 if top-1 is below this', percentage);
  withSizeOptions(withInputOptions(withQuantizeOptions(command)));
  withJson(command)
    .addHelpText(
      'after',
      `
A model is evaluated in float. If it is quantized, or with --calibrate, it is
also compiled to int8 and compared. Without labels outputs are judged as
numbers: mean squared error against --expected, signal to noise against the
float network.

Examples:
  thimble eval lenet5.onnx --input t10k-images-idx3-ubyte.gz --pad 2 \\
      --labels t10k-labels-idx1-ubyte.gz --calibrate train-images-idx3-ubyte.gz
  thimble eval out --input images.npy --labels labels.npy --against lenet5.onnx`,
    )
    .action((file: string, flags: Flags) => run(context(), file, flags));
}
