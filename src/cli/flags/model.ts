/** Models and artifacts from the command line's paths. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Artifact } from '../../artifact/make.ts';
import { at, InputError, locate, must } from '../../base/errors.ts';
import { joined, type ModelInput, prepareInput } from '../../data/model-inputs.ts';
import { isFolder, readBeside, readBytes, readSamples } from '../../data/node-files.ts';
import { readNpz } from '../../data/npz.ts';
import { channelsFirst, type Prepared, type PrepareOptions, sampleShapeOf } from '../../data/prepare.ts';
import type { Samples } from '../../data/samples.ts';
import { identifierFrom } from '../../emit/c/identifier.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { readable, recognise } from '../../ir/import/file-kinds.ts';
import { hasSample, sampleInputs } from '../../ir/import/torch/pt2-samples.ts';
import { channelsLast } from '../../plan/orders.ts';
import { inputPorts } from '../../program/port.ts';
import type { Api } from '../api.ts';
import { addAxis, addShape, type SizeFlags, sizesOf } from './sizes.ts';

export type Loaded =
  | { readonly kind: 'model'; readonly file: string; readonly graph: Graph<'imported'> }
  | { readonly kind: 'artifact'; readonly artifact: Artifact };

/** Whether a model's file holds example inputs, which are samples for `readPrepared`. */
export function holdsExample(file: string): boolean {
  if (!file.endsWith('.pt2') || !existsSync(file)) return false;
  const model = recognise(readBytes(file));
  return model.kind === 'exported' && hasSample(model.zip);
}

const stem = (file: string): string => path.basename(file).replace(/\.[^.]*$/, '');

export function loadModel(api: Api, file: string, sizes: SizeFlags = {}): Graph<'imported'> {
  const { bytes, ...source } = sourceOf(file);
  const arch = sizes.arch === undefined ? {} : { arch: sourceOf(sizes.arch) };
  const program = sizes.program === undefined ? {} : { program: sizes.program };
  return api.loadModel(bytes, { ...source, ...arch, ...program, ...sizesOf(sizes) });
}

function sourceOf(file: string) {
  if (isFolder(file))
    throw new InputError({
      where: file,
      found: 'a folder',
      supported: readable,
      todo: existsSync(path.join(file, 'saved_model.pb'))
        ? `it is a TensorFlow SavedModel: python -m tf2onnx.convert --saved-model ${file} --output model.onnx`
        : 'name the model',
    });
  const read = new Map<string, Uint8Array>();
  const external = (location: string): Uint8Array => {
    const bytes = read.get(location) ?? readBeside(file, location);
    read.set(location, bytes);
    return bytes;
  };
  return { bytes: readBytes(file), name: file, external };
}

const noArtifact = (where: string, found: string, todo: string): InputError =>
  new InputError({ where, found, supported: 'folders written by thimble compile -o', todo: `run: ${todo}` });

export function loadArtifact(api: Api, folder: string): Artifact {
  const compiled = `thimble compile MODEL -o ${folder}`;
  if (!existsSync(folder)) throw noArtifact(folder, 'there is no such folder', compiled);
  if (!isFolder(folder)) throw noArtifact(folder, 'a file', 'thimble compile MODEL -o FOLDER');
  if (!existsSync(path.join(folder, 'manifest.json')))
    throw noArtifact(folder, 'a folder without manifest.json', compiled);
  const names = [...filesIn(folder), ...filesIn(path.join(folder, 'src')).map((name) => `src/${name}`)];
  return api.loadArtifact(new Map(names.map((name) => [name, readBytes(path.join(folder, name))])));
}

/** None where there is no such folder. */
const filesIn = (folder: string): readonly string[] =>
  existsSync(folder) && isFolder(folder)
    ? readdirSync(folder).filter((name) => statSync(path.join(folder, name)).isFile())
    : [];

/** A folder is an artifact, a file is a model. */
export function load(api: Api, file: string, sizes: SizeFlags): Loaded {
  if (!isFolder(file)) return { kind: 'model', file, graph: loadModel(api, file, sizes) };
  const given = (['shape', 'axis', 'arch', 'program'] as const).find((option) => sizes[option] !== undefined);
  if (given !== undefined)
    throw new InputError({
      where: `--${given}`,
      found: 'an artifact, whose sizes were fixed when it was compiled',
      supported: 'this option with files of models',
    });
  return { kind: 'artifact', artifact: loadArtifact(api, file) };
}

/** A C identifier made of a file's name. */
export const identifierOf = (file: string): string => identifierFrom(stem(file).toLowerCase());

/** What samples of a model fill. */
export const inputsOf = (graph: Graph<'float'>): readonly ModelInput[] =>
  graph.inputs.map((name) => {
    const { dtype, shape } = must(graph.tensors.get(name), 'the input is a tensor of the graph');
    const sample = shape.slice(1);
    return {
      name,
      shape,
      sample: channelsLast(graph, name) === undefined ? sample : { channelsLast: sample },
      integers: dtype !== 'float32',
    };
  });

/** The same of a program. */
export const inputsOfProgram = ({ program }: Artifact): readonly ModelInput[] =>
  inputPorts(program).map((port) => ({
    name: port.name,
    shape: port.slot.shape,
    sample: sampleShapeOf(port),
    integers: port.slot.elem !== 'f32' && port.grids.length === 0,
  }));

/** Files of samples, as the command line names them: `FILE` for the only input, `NAME=FILE` for each of several. */
export type SampleFiles = readonly string[];

/**
 * @param files for one input the last counts; for several one `NAME=FILE` each, or one .npz with an array of each
 *   name, or one folder with a file of each name; or an exported program (.pt2), whose example inputs are one sample
 * @throws InputError when an input has no file, a file no input, or samples do not fit
 */
export function readPrepared(
  files: SampleFiles,
  inputs: readonly ModelInput[],
  options: PrepareOptions,
): Prepared {
  const [input, ...more] = inputs;
  const file = files.at(-1);
  if (file?.endsWith('.pt2') && existsSync(file)) return readExample(file, inputs, options);
  if (input !== undefined && more.length === 0 && file !== undefined)
    return readInput(withoutName(file, input), input, options);
  const parts = inputs.map((each) => prepareInput(samplesOf(files, each, inputs), each));
  return joined(parts, inputs, options);
}

const withoutName = (file: string, { name }: ModelInput): string =>
  file.startsWith(`${name}=`) && !existsSync(file) ? file.slice(name.length + 1) : file;

/** The example inputs of an exported program. */
function readExample(file: string, inputs: readonly ModelInput[], options: PrepareOptions): Prepared {
  const model = recognise(readBytes(file));
  if (model.kind !== 'exported')
    throw new InputError({
      where: file,
      found: 'no exported program',
      supported: 'example inputs of .pt2, and files of samples',
    });
  const names = inputs.map(({ name }) => name);
  const tensors = locate(file, () => sampleInputs(model.zip, names));
  const parts = inputs.map((input, i): Prepared => {
    const array = at(tensors, i);
    // A first axis of 1 is that of samples.
    const shape = input.shape[0] === 1 ? array.shape : [1, ...array.shape];
    return prepareInput({ where: `${file}:${input.name}`, array: { ...array, shape } }, input, options);
  });
  return parts.length === 1 ? at(parts, 0) : joined(parts, inputs, options);
}

function readInput(file: string, input: ModelInput, options: PrepareOptions): Prepared {
  const shape = channelsFirst(input.sample);
  return prepareInput(readSamples(file, shape.length === 3 ? shape[0] : undefined), input, options);
}

/** The samples of one of several inputs. */
function samplesOf(files: SampleFiles, input: ModelInput, inputs: readonly ModelInput[]): Samples {
  const [file, ...others] = files;
  requireNames(files, inputs);
  const named = files.find((each) => each.startsWith(`${input.name}=`));
  if (named !== undefined) return readSamples(named.slice(input.name.length + 1));
  if (file === undefined || others.length > 0 || nameIn(file, inputs) !== undefined)
    throw lacking(files.join(' '), input, inputs);
  if (isFolder(file)) return readSamples(fileIn(file, input, inputs));
  const array = readNpz(readBytes(file), file).get(input.name);
  if (array === undefined) throw lacking(file, input, inputs);
  return { where: `${file}:${input.name}`, array };
}

/** The longest name that the text before some '=' is. */
const nameIn = (file: string, inputs: readonly ModelInput[]): string | undefined =>
  inputs.map(({ name }) => name).find((name) => file.startsWith(`${name}=`));

/** @throws InputError for several files of which one is for no input, and for two of one input. */
function requireNames(files: SampleFiles, inputs: readonly ModelInput[]): void {
  if (files.length === 1) return;
  const seen = new Set<string>();
  for (const file of files) {
    const name = nameIn(file, inputs);
    if (name !== undefined && !seen.has(name)) seen.add(name);
    else
      throw new InputError({
        where: file,
        found: name === undefined ? 'no input of that name' : `input '${name}' twice`,
        supported: namesOf(inputs),
        todo: 'write NAME=FILE, once for each input',
      });
  }
}

const namesOf = (inputs: readonly ModelInput[]): string =>
  `inputs ${inputs.map(({ name }) => `'${name}'`).join(', ')}`;

const lacking = (where: string, input: ModelInput, inputs: readonly ModelInput[]): InputError =>
  new InputError({
    where,
    found: `no samples of input '${input.name}'`,
    supported: namesOf(inputs),
    todo: 'give NAME=FILE for each, a .npz with an array of each name, or a folder with NAME.npy for each',
  });

/** `<name>.npy` and the like; in the name of a file what stands for no letter is `_`. */
function fileIn(folder: string, input: ModelInput, inputs: readonly ModelInput[]): string {
  const names = [input.name, identifierFrom(input.name)];
  const found = readdirSync(folder).find((file) => names.includes(stem(file)));
  if (found === undefined) throw lacking(folder, input, inputs);
  return path.join(folder, found);
}

/** At most `wanted` of `count` indices, evenly spread over them. */
export function spread(count: number, wanted: number): readonly number[] {
  const n = Math.min(count, wanted);
  return Array.from({ length: n }, (_, i) => Math.floor((i * count) / n));
}

const hashOf = (file: string): string => bytesToHex(sha256(readBytes(file)));

const isModelOf = ({ manifest }: Artifact, file: string): boolean => hashOf(file) === manifest.model.sha256;

const commandOf = ({ manifest }: Artifact): readonly string[] =>
  manifest.command.split(' ').map((word) => word.replaceAll("'", ''));

/**
 * The sizes that an artifact's model was compiled with, for reading `file` again; with the network of its weights where
 * that is the model itself.
 */
export function compiledSizes(artifact: Artifact, file: string): SizeFlags {
  const words = commandOf(artifact).flatMap(
    (word) => /^(--axis|--shape|--arch|--program)=(.*)/.exec(word)?.slice(1) ?? [word],
  );
  const given = (option: string): readonly string[] =>
    words.filter((word, i) => words[i - 1] === option && /=\d/.test(word));
  const after = (option: string): string | undefined =>
    words.includes(option) ? words[words.lastIndexOf(option) + 1] : undefined;
  const arch = after('--arch');
  const program = after('--program');
  const isOwn = (arch !== undefined || program !== undefined) && isModelOf(artifact, file);
  if (isOwn && arch !== undefined) requireArchOf(artifact, arch);
  return {
    ...(isOwn && arch !== undefined ? { arch } : {}),
    ...(isOwn && program !== undefined ? { program } : {}),
    shape: given('--shape').reduce((known, text) => addShape(text, known), {}),
    axis: given('--axis').reduce((known, text) => addAxis(text, known), {}),
  };
}

/** @throws InputError where the network of its weights is gone, or another than the artifact was compiled from */
function requireArchOf({ manifest }: Artifact, arch: string): void {
  const isThere = existsSync(arch);
  if (isThere && (manifest.arch === undefined || hashOf(arch) === manifest.arch.sha256)) return;
  throw new InputError({
    where: `--arch ${arch}`,
    found: isThere
      ? 'not the network that the artifact was compiled with (the SHA-256 differ)'
      : 'no such file; the artifact was compiled with it',
    todo: `put it back, or compile again: ${manifest.command}`,
  });
}

/** The model that the artifact was compiled from, if it still lies where its command line says. */
export function foundModel(artifact: Artifact): string | undefined {
  const { model } = artifact.manifest;
  return commandOf(artifact).find(
    (word) => existsSync(word) && statSync(word).size === model.bytes && isModelOf(artifact, word),
  );
}

/** @throws InputError for another model. */
export function requireModelOf(artifact: Artifact, model: string): void {
  if (isModelOf(artifact, model)) return;
  throw new InputError({
    where: `--model ${model}`,
    found: 'not the model that the artifact was compiled from (the SHA-256 differ)',
    todo: `give the model of: ${artifact.manifest.command}`,
  });
}
