import path from 'node:path';
import type { Command } from 'commander';
import type { Artifact } from '../../artifact/make.ts';
import { writeOneFile } from '../../artifact/node-folder.ts';
import { at, InputError } from '../../base/errors.ts';
import { readBytes } from '../../data/node-files.ts';
import { outputSlots } from '../../program/slots.ts';
import { formatBytes, formatMany } from '../../text/numbers.ts';
import { cFunctions } from '../../view/c-functions.ts';
import type { Example, FloatSide, ViewData } from '../../view/data.ts';
import { digitExamples, examplesFrom, noiseExamples } from '../../view/examples.ts';
import { viewPage } from '../../view/page.ts';
import { frameOf } from '../../view/sample.ts';
import type { Api } from '../api.ts';
import { type Context, printJson } from '../context.ts';
import { readCalibration } from '../flags/calibrate.ts';
import {
  compiledSizes,
  foundModel,
  identifierOf,
  inputsOfProgram,
  type Loaded,
  load,
  loadModel,
  readPrepared,
  requireModelOf,
  type SampleFiles,
  spread,
} from '../flags/model.ts';
import {
  collected,
  type InputFlags,
  prepareOptions,
  preprocessingOf,
  type QuantizeFlags,
  withInputOptions,
  withJson,
  withQuantizeOptions,
} from '../flags/options.ts';
import { type SizeFlags, withSizeOptions } from '../flags/sizes.ts';
import { progressOn } from '../progress.ts';
import { warn } from '../warn.ts';

interface Flags extends InputFlags, QuantizeFlags, SizeFlags {
  readonly model?: string;
  readonly input?: SampleFiles;
  readonly classes?: string;
  readonly out: string;
  readonly json?: boolean;
}

const bytesOf = (content: string | Uint8Array): Uint8Array =>
  typeof content === 'string' ? new TextEncoder().encode(content) : content;

/** A model is compiled in memory, with the same files that a folder would hold. */
function artifactFor(context: Context, loaded: Loaded, flags: Flags): Artifact {
  if (loaded.kind === 'artifact') return loaded.artifact;
  const { api, io, version, commandLine: command } = context;
  const options = prepareOptions(flags);
  const progress = progressOn(io, flags.json === true);
  const compiled = api.compile(loaded.graph, {
    name: identifierOf(loaded.file),
    arith: 'int8',
    requant: flags.requant,
    calibrationMethod: flags.calibration,
    activationBits: flags.activationBits,
    ...readCalibration(api, loaded.graph, flags, options, loaded.file),
    onProgress: progress.report,
  });
  progress.end();
  warn(context, compiled);
  const made = { command, version, model: readBytes(loaded.file), preprocessing: preprocessingOf(options) };
  const files = api.artifactOf(compiled, made);
  return api.loadArtifact(new Map([...files].map(([name, content]) => [name, bytesOf(content)])));
}

function floatProgram(api: Api, file: string, name: string, sizes: SizeFlags): FloatSide {
  const { program } = api.compile(loadModel(api, file, sizes), { name, arith: 'float32' });
  return { kind: 'program', program };
}

/** @throws InputError for a --model that is not the artifact's. */
function floatSide(api: Api, artifact: Artifact, loaded: Loaded, { model }: Flags): FloatSide {
  const { program } = artifact;
  if (model !== undefined) requireModelOf(artifact, model);
  if (program.arith === 'float32')
    return {
      kind: 'none',
      reason: 'This program is the float network: there is nothing to compare it with.',
    };
  const file = model ?? (loaded.kind === 'model' ? loaded.file : foundModel(artifact));
  if (file !== undefined) return floatProgram(api, file, program.name, compiledSizes(artifact, file));
  return {
    kind: 'none',
    reason: 'Float and difference need the model: make this page with --model MODEL.onnx.',
  };
}

const exampleCount = 12;

function examplesFor(artifact: Artifact, flags: Flags): readonly Example[] {
  const { program, manifest } = artifact;
  const inputs = inputsOfProgram(artifact);
  if (flags.input !== undefined) {
    const prepared = readPrepared(flags.input, inputs, prepareOptions(flags, manifest.preprocessing));
    return examplesFrom(path.basename(prepared.where), prepared, spread(prepared.count, exampleCount));
  }
  const frame = frameOf(program, manifest.preprocessing);
  return frame?.channels === 1 ? digitExamples(frame) : noiseExamples(inputs, frame !== undefined);
}

/** @throws InputError unless there is one name per output. */
function classesFrom({ program }: Artifact, text: string): readonly string[] {
  const names = text.split(',').map((name) => name.trim());
  const { length } = at(outputSlots(program), 0);
  if (names.length === length && names.every((name) => name !== '')) return names;
  throw new InputError({
    where: '--classes',
    found: formatMany(names.filter((name) => name !== '').length, 'name'),
    supported: `${length} names separated by commas, one for each output`,
    todo: 'name every output, in order',
  });
}

function dataFor(context: Context, artifact: Artifact, loaded: Loaded, flags: Flags): ViewData {
  const { program, manifest, sources } = artifact;
  return {
    version: context.version,
    program,
    float: floatSide(context.api, artifact, loaded, flags),
    preprocessing: manifest.preprocessing,
    ...(flags.classes === undefined ? {} : { classes: classesFrom(artifact, flags.classes) }),
    sources: Object.fromEntries(cFunctions(sources.get(`${program.name}.c`) ?? '', program.name)),
    examples: examplesFor(artifact, flags),
  };
}

function run(context: Context, file: string, flags: Flags): void {
  const { api, io } = context;
  const loaded = load(api, file, flags);
  const artifact = artifactFor(context, loaded, flags);
  const data = dataFor(context, artifact, loaded, flags);
  const page = viewPage(data, api.viewAssets());
  writeOneFile(flags.out, page);
  const bytes = Buffer.byteLength(page);
  const float = data.float.kind === 'program';
  if (flags.json)
    printJson(context, {
      command: 'view',
      name: data.program.name,
      arith: data.program.arith,
      float,
      examples: data.examples.length,
      file: flags.out,
      bytes,
    });
  else {
    io.out(`wrote ${flags.out} (${formatBytes(bytes)}); open it in a browser, it needs no network\n`);
    if (data.float.kind === 'none') io.out(`${data.float.reason}\n`);
  }
}

export function addView(program: Command, context: () => Context): void {
  const command = program
    .command('view')
    .description('write an HTML page that contains the simulator: draw, step, look at every byte')
    .argument('<folder|model>', 'a folder written by compile -o, or a model to compile in memory')
    .option('--model <FILE>', 'the model of an artifact, to compare int8 with float')
    .option('--input <FILE>', 'initial samples (default: drawn digits, or noise)', collected)
    .option('--classes <A,B,C>', 'names of the outputs, in order')
    .option('-o, --out <FILE>', 'file for the page', 'view.html');
  withQuantizeOptions(command);
  withSizeOptions(withInputOptions(command));
  withJson(command)
    .addHelpText(
      'after',
      `
The page is one file that loads nothing and sends nothing. An artifact's model
is found without --model if it was not moved.

Examples:
  thimble view out --model lenet5.onnx -o lenet5.html
  thimble view lenet5.onnx --calibrate train-images-idx3-ubyte.gz --pad 2`,
    )
    .action((file: string, flags: Flags) => run(context(), file, flags));
}
