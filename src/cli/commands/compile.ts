import type { Command } from 'commander';
import { Option } from 'commander';
import { writeFolder } from '../../artifact/node-folder.ts';
import { InputError, nodeLabel } from '../../base/errors.ts';
import type { Compiled, CompileOptions } from '../../compile.ts';
import { readBytes } from '../../data/node-files.ts';
import type { Prepared, PrepareOptions } from '../../data/prepare.ts';
import { checkIdentifier } from '../../emit/c/identifier.ts';
import { type PackageKind, packageKinds } from '../../emit/info.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { roundingFields, roundingsText } from '../../judge/roundings.ts';
import { agreementFields, agreementText, samplesText, storedText, warningFields } from '../../judge/text.ts';
import { wideLine } from '../../passes/activation-bits.ts';
import { hasWeightsAlone, isQuantized } from '../../passes/settle-grids.ts';
import { planTable, stepTable } from '../../program/listing.ts';
import { inputPorts, outputPorts, type Port, printedGrid } from '../../program/port.ts';
import type { Program } from '../../program/program.ts';
import { floatPartText, floatText, portOrderText, stepsOf, totalsOf } from '../../program/summary.ts';
import type { Judgement } from '../../search/search.ts';
import { builtFields, formatFields, formatTable, searchText, sparseText } from '../../search/text.ts';
import { formatBytes, formatCount } from '../../text/numbers.ts';
import { formatShare } from '../../text/wilson.ts';
import { type Context, paint, printJson } from '../context.ts';
import { exitCodes } from '../exit.ts';
import { build, type Delivered } from '../flags/build.ts';
import { calibrationOf, readSamplesFor } from '../flags/calibrate.ts';
import {
  type CompressFlags,
  compressOptions,
  isSearched,
  withCompressOptions,
  withFinetuneOptions,
} from '../flags/compress.ts';
import { identifierOf, loadModel } from '../flags/model.ts';
import {
  decibels,
  type InputFlags,
  prepareOptions,
  preprocessingOf,
  type QuantizeFlags,
  withInputOptions,
  withJson,
  withQuantizeOptions,
} from '../flags/options.ts';
import { textAfterPass } from '../flags/passes.ts';
import { type SizeFlags, withSizeOptions } from '../flags/sizes.ts';
import { warningLines, warningsOf } from '../warn.ts';

interface Flags extends InputFlags, QuantizeFlags, CompressFlags, SizeFlags {
  readonly out?: string;
  readonly name?: string;
  readonly type: 'int8' | 'float32';
  readonly portOrder: 'memory' | 'model';
  /** `auto`, and names of nodes or types. */
  readonly float?: readonly string[];
  /** In decibels. */
  readonly minSqnr?: number;
  readonly weightsFile?: true;
  readonly package: PackageKind;
  readonly main?: boolean;
  readonly stopAfter?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

type GivenFlags = Omit<Flags, 'type'> & Partial<Pick<Flags, 'type'>>;

/** @throws InputError for float32 programs, which are that already */
function floatOptions({ float, type }: Flags): Pick<CompileOptions, 'float'> {
  if (float === undefined) return {};
  if (type === 'float32')
    throw new InputError({ where: '--float', found: '--type float32', supported: '--type int8' });
  return { float: { nodes: float.filter((name) => name !== 'auto'), auto: float.includes('auto') } };
}

function optionsFor(name: string, prepared: Prepared | undefined, flags: Flags): CompileOptions {
  return {
    name,
    arith: flags.type,
    portOrder: flags.portOrder,
    requant: flags.requant,
    calibrationMethod: flags.calibration,
    activationBits: flags.activationBits,
    ...floatOptions(flags),
    ...(prepared === undefined ? {} : { calibration: calibrationOf(prepared, flags.samples) }),
    ...(flags.type === 'int8' ? compressOptions(flags) : {}),
  };
}

type Files = ReadonlyMap<string, string | Uint8Array>;
const fileSizes = (files: Files): readonly { readonly name: string; readonly bytes: number }[] =>
  [...files].map(([name, content]) => ({ name, bytes: Buffer.byteLength(content) }));

const portFields = (port: Port): object => ({
  name: port.name,
  shape: port.slot.shape,
  elem: port.slot.elem,
  ...printedGrid(port),
});

/** `input` and `output` are the first ones. */
function portsIn(program: Program): object {
  const inputs = inputPorts(program).map((port) => ({ ...portFields(port), raw: port.raw ?? null }));
  const outputs = outputPorts(program).map(portFields);
  return { input: inputs[0], output: outputs[0], inputs, outputs };
}

const agreementIn = (compiled: Compiled): object => ({
  agreement: compiled.agreement === undefined ? null : agreementFields(compiled.agreement),
  warnings: warningsOf(compiled).map(warningFields),
  sparsity:
    compiled.sparsity === undefined
      ? null
      : { asked: compiled.sparsity.asked ?? null, reached: compiled.sparsity.reached },
});

const jsonOf = ({ compiled, files, over, far, tried, accuracy }: Made, folder: string | null): object => ({
  command: 'compile',
  name: compiled.program.name,
  arith: compiled.program.arith,
  ...totalsOf(compiled.program),
  portOrder: compiled.program.portOrder ?? 'memory',
  ...portsIn(compiled.program),
  steps: stepsOf(compiled.program),
  activations16: (compiled.wide ?? []).map(({ tensor, decibels }) => ({
    tensor,
    decibels: decibels ?? null,
  })),
  formats: (compiled.formats ?? []).map(formatFields),
  floatParts: compiled.assembled.floatParts ?? [],
  roundings: compiled.roundings === undefined ? null : roundingFields(compiled.roundings),
  tried: tried.map(builtFields),
  accuracy: accuracy ?? null,
  ...agreementIn(compiled),
  overBudget: over,
  belowMinSqnr: far,
  folder,
  files: folder === null ? [] : fileSizes(files),
});

const floatLines = ({ program, assembled: { floatParts = [] } }: Compiled): readonly string[] =>
  floatParts.length === 0 ? [] : [floatText(program), ...floatParts.map(floatPartText)];

function describe(context: Context, compiled: Compiled): void {
  const { program, formats = [], agreement } = compiled;
  const { io } = context;
  const c = paint(context);
  const { macs, tableBytes, arenaBytes } = totalsOf(program);
  io.out(
    `${c.bold(program.name)}: ${program.arith}${agreement === undefined ? '' : `, ${samplesText(agreement)}`}\n\n`,
  );
  io.out(`${stepTable(program, io.columns)}\n\n${planTable(program, io.columns)}\n\n`);
  if (formats.length > 0) io.out(`${formatTable(formats, io.columns)}\n\n`);
  io.out(`RAM ${formatBytes(arenaBytes)}, tables ${formatBytes(tableBytes)}, ${formatCount(macs)} MAC\n`);
  const said = [
    scalesText(compiled),
    cutText(compiled),
    compiled.roundings && roundingsText(compiled.roundings),
    portOrderText(program),
    wideLine(compiled.wide ?? []),
    ...(agreement === undefined ? [] : [agreementText(agreement), storedText(agreement)]),
  ];
  for (const line of [
    portOrderText(program),
    ...said,
    sparseText(formats),
    ...floatLines(compiled),
    ...warningLines(compiled),
  ])
    if (line !== undefined) io.out(`${line}\n`);
}

/** Of a quantized model. */
function scalesText({ scales, requant }: Compiled): string | undefined {
  if (scales === undefined) return undefined;
  const { file, calibrated, rounded } = scales;
  const own =
    calibrated.length === 0 ? '' : `, ${calibrated.length} of thimble's choice: ${calibrated.join(', ')}`;
  const as = requant === 'ort-float' ? '' : '; --requant ort-float rounds as onnxruntime does';
  const weights = rounded.length === 0 ? '' : `; weights rounded anew: ${rounded.join(', ')}`;
  return `scales of activations: ${file} of the model${own}${weights}${as}`;
}

/** What others compute of it elsewhere. */
function cutText({ scales, program }: Compiled): string | undefined {
  const cut = scales?.cut ?? [];
  if (cut.length === 0) return undefined;
  const others = cut.length === 1 ? '' : ` and ${cut.length - 1} more`;
  return `note: onnxruntime cuts sums of two products in ${cut[0]}${others} where a CPU has AVX2 without VNNI; ${program.name} does not`;
}

function accuracyText({ samples: total, labelled, float, compiled }: Judgement, arith: string): string {
  const share = (hits: number): string => formatShare({ hits, total });
  if (!labelled) return `as float on held-out samples  ${share(compiled)}`;
  return `top-1 on held-out samples\nfloat    ${share(float)}\n${arith.padEnd(8)} ${share(compiled)}`;
}

function describeFiles({ io }: Context, folder: string, files: Files): void {
  for (const { name, bytes } of fileSizes(files)) io.out(`wrote ${folder}/${name} (${formatBytes(bytes)})\n`);
  io.out(`next: thimble verify ${folder}\n`);
}

interface Made extends Delivered {
  /** Of the folder; none where none is written. */
  readonly files: Files;
}

const failuresOf = ({ over, far }: Delivered): readonly string[] => [
  ...over.map((line) => `over budget: ${line}`),
  ...far,
];

async function report(context: Context, made: Made, flags: Flags): Promise<void> {
  const { compiled, files, chosen, over, tried, accuracy } = made;
  const failed = failuresOf(made);
  const folder = flags.out !== undefined && failed.length === 0 ? flags.out : null;
  if (folder !== null) await writeFolder(folder, files);
  if (flags.json) printJson(context, jsonOf(made, folder));
  else if (!flags.quiet) {
    describe(context, compiled);
    if (accuracy !== undefined) context.io.out(`${accuracyText(accuracy, compiled.program.arith)}\n`);
    if (tried.length > 0) {
      const best = tried.find((b) => b.compiled === chosen);
      const found = { build: best, fits: over.length === 0, target: flags.target };
      context.io.out(`\n${searchText(tried, found, context.io.columns)}`);
    }
    if (folder !== null) describeFiles(context, folder, files);
    else if (failed.length === 0) context.io.out('nothing was written: give -o FOLDER\n');
  }
  for (const line of failed) context.io.err(`thimble: ${line}; nothing was written\n`);
  if (failed.length > 0) context.finish(exitCodes.foundWrong);
}

/** A quantized model has its scales; what changes weights needs samples all the same. */
function needsSamples(api: Context['api'], graph: Graph<'imported'>, flags: Flags): boolean {
  if (flags.type === 'float32' || flags.calibrate !== undefined) return flags.type === 'int8';
  return changesWeights(flags) || !isQuantized(api.toFloatGraph(graph));
}

/** Or judges by samples. */
function changesWeights(flags: GivenFlags): boolean {
  const changes = [flags.sparsity, flags.weightBits, flags.codebook, flags.finetune, flags.labels];
  return isSearched(flags) || changes.some((flag) => flag !== undefined);
}

/** What --type says, or what the model can be. */
function typeFor(context: Context, graph: Graph<'imported'>, flags: GivenFlags): Flags['type'] {
  const { nodes } = graph;
  const { type } = flags;
  if (type !== undefined) return type;
  const node = nodes.find(({ op }) => op.only === 'float32');
  if (node !== undefined) {
    context.io.err(
      `thimble: note: ${nodeLabel(node.name, node.type ?? node.op.kind)} computes in float32 with integers of the model's own: a float32 program\n`,
    );
    return 'float32';
  }
  if (
    flags.calibrate !== undefined ||
    changesWeights(flags) ||
    !hasWeightsAlone(context.api.toFloatGraph(graph))
  )
    return 'int8';
  context.io.err(
    'thimble: note: the model has integer weights and no scales of activations, so the program is float32; with --calibrate FILE it is int8\n',
  );
  return 'float32';
}

async function run(context: Context, file: string, given: GivenFlags): Promise<void> {
  const { api, io, commandLine: command, version } = context;
  const graph = loadModel(api, file, given);
  const flags: Flags = { ...given, type: typeFor(context, graph, given) };
  const name = flags.name === undefined ? identifierOf(file) : checkIdentifier(flags.name, '--name');
  const wants: PrepareOptions = prepareOptions(flags);
  const prepared = needsSamples(api, graph, flags)
    ? readSamplesFor(api, graph, flags, wants, file)
    : undefined;
  const options = optionsFor(name, prepared, flags);
  if (flags.stopAfter !== undefined) {
    io.out(textAfterPass(api, graph, options, flags.stopAfter, '--stop-after'));
    return;
  }
  const model = readBytes(file);
  const built = await build(context, { graph, options, model, prepared, flags });
  const preprocessing = preprocessingOf(wants);
  const { compiled, accuracy } = built;
  const made = {
    ...{ command, version, model, preprocessing, package: flags.package, main: flags.main === true },
    weightsFile: flags.weightsFile === true,
    ...(given.arch === undefined ? {} : { arch: readBytes(given.arch) }),
    ...(accuracy === undefined ? {} : { accuracy }),
  };
  const written = flags.out !== undefined && failuresOf(built).length === 0;
  const files: Files = written ? api.artifactOf(compiled, made) : new Map();
  await report(context, { ...built, files }, flags);
  built.written?.();
}

export function addCompile(program: Command, context: () => Context): void {
  const command = program
    .command('compile')
    .description('compile a trained model to C')
    .argument('<model>', 'a model: .onnx, .pt2, .pt, or weights with --arch');
  withQuantizeOptions(command);
  withCompressOptions(command);
  withFinetuneOptions(command);
  withSizeOptions(withInputOptions(command))
    .option('-o, --out <FOLDER>', 'folder for the C, its header, manifest and report')
    .option('--name <ID>', "prefix of all names in the C (default: the file's name)")
    .addOption(
      new Option(
        '--type <TYPE>',
        'arithmetic of the C (default: int8; float32 for models quantized at run time, or in weights only)',
      ).choices(['int8', 'float32']),
    )
    .addOption(
      new Option(
        '--port-order <ORDER>',
        "order of inputs and outputs in the C. memory: images as height, width, channel; model: the model's order",
      )
        .choices(['memory', 'model'])
        .default('memory'),
    )
    .addOption(
      new Option(
        '--package <SYSTEM>',
        'write the folder as a package of this build system; none: the C alone',
      )
        .choices(packageKinds)
        .default('cmake'),
    )
    .option('--main', 'add a program for the host that reads inputs from files and prints outputs as JSON')
    .option(
      '--float <NODES>',
      'parts that stay float32: names of nodes or ONNX types, separated by commas; auto: everything without an int8 form',
      (text: string) => text.split(','),
    )
    .option('--weights-file', 'write constant arrays to NAME_weights.c instead of NAME.c')
    .option(
      '--min-sqnr <DB>',
      'fail if the signal-to-noise ratio of a layer or the output against float is lower',
      decibels,
    )
    .option('--stop-after <PASS>', 'print the graph after this pass and end')
    .option('-q, --quiet', 'print nothing but errors');
  withJson(command)
    .addHelpText(
      'after',
      `
Example:
  thimble compile lenet5.onnx --pad 2 -o out \\
      --calibrate train-images-idx3-ubyte.gz

  reads 512 of MNIST's training images and compiles LeNet-5 to int8 C in out/.

  thimble compile lenet5.onnx --calibrate train-images-idx3-ubyte.gz --pad 2 \\
    --sparsity 0.85 --weight-bits 4 -o out

  prunes 85 % of the weights first and stores the others in 4 bits.`,
    )
    .action((file: string, flags: GivenFlags) => run(context(), file, flags));
}
