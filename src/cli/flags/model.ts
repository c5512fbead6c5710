/** Models and artifacts from the command line's paths. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Artifact } from '../../artifact/make.ts';
import { at, InputError, must } from '../../base/errors.ts';
import { isFolder, readBeside, readBytes, readSamples } from '../../data/node-files.ts';
import {
  channelsFirst,
  type Prepared,
  type PrepareOptions,
  prepare,
  type SampleShape,
  sampleShapeOfSlot,
} from '../../data/prepare.ts';
import { identifierFrom } from '../../emit/c/identifier.ts';
import type { Graph, Stage } from '../../ir/graph/graph.ts';
import { channelsLast } from '../../plan/orders.ts';
import { inputSlots } from '../../program/slots.ts';
import type { Api } from '../api.ts';
import { addAxis, addShape, type SizeFlags, sizesOf } from './sizes.ts';

export type Loaded =
  | { readonly kind: 'model'; readonly file: string; readonly graph: Graph<'imported'> }
  | { readonly kind: 'artifact'; readonly artifact: Artifact };

const stem = (file: string): string => path.basename(file).replace(/\.[^.]*$/, '');

export function loadModel(api: Api, file: string, sizes: SizeFlags = {}): Graph<'imported'> {
  if (isFolder(file))
    throw new InputError({
      where: file,
      found: 'a folder',
      supported: '.onnx files',
      todo: 'name the model',
    });
  const read = new Map<string, Uint8Array>();
  const external = (location: string): Uint8Array => {
    const bytes = read.get(location) ?? readBeside(file, location);
    read.set(location, bytes);
    return bytes;
  };
  return api.loadOnnx(readBytes(file), { name: file, external, ...sizesOf(sizes) });
}

export function loadArtifact(api: Api, folder: string): Artifact {
  if (!existsSync(path.join(folder, 'manifest.json')))
    throw new InputError({
      where: folder,
      found: 'a folder without manifest.json',
      supported: 'folders that thimble compile -o made, and .onnx files',
      todo: `run: thimble compile MODEL.onnx -o ${folder}`,
    });
  const names = readdirSync(folder).filter((name) => statSync(path.join(folder, name)).isFile());
  return api.loadArtifact(new Map(names.map((name) => [name, readBytes(path.join(folder, name))])));
}

/** A folder is an artifact, a file is a model. */
export function load(api: Api, file: string, sizes: SizeFlags): Loaded {
  if (!isFolder(file)) return { kind: 'model', file, graph: loadModel(api, file, sizes) };
  if (sizes.shape !== undefined || sizes.axis !== undefined)
    throw new InputError({
      where: sizes.shape === undefined ? '--axis' : '--shape',
      found: 'an artifact, whose sizes were fixed when it was compiled',
      supported: 'this option with .onnx files',
    });
  return { kind: 'artifact', artifact: loadArtifact(api, file) };
}

/** A C identifier made of a file's name. */
export const identifierOf = (file: string): string => identifierFrom(stem(file).toLowerCase());

/** The name of the only input of a model. @throws InputError for models with several. */
export function onlyInput<S extends Stage>(graph: Graph<S>): string {
  const [name, ...more] = graph.inputs;
  if (name !== undefined && more.length === 0) return name;
  throw new InputError({
    where: graph.name,
    found: `${graph.inputs.length} inputs (${graph.inputs.join(', ')})`,
    supported: 'models with one input',
    todo: 'export the model with its one image or feature input',
  });
}

/** The shape of one sample: the model's input without the batch axis. */
export function sampleShapeOf(graph: Graph<'float'>): SampleShape {
  const info = must(graph.tensors.get(onlyInput(graph)), 'the input is a tensor of the graph');
  const shape = info.shape.slice(1);
  return channelsLast(graph) === undefined ? shape : { channelsLast: shape };
}

/** The same of a program. */
export const sampleShapeOfProgram = ({ program }: Artifact): SampleShape =>
  sampleShapeOfSlot(at(inputSlots(program), 0));

export function readPrepared(file: string, sample: SampleShape, options: PrepareOptions): Prepared {
  const shape = channelsFirst(sample);
  return prepare(readSamples(file, shape.length === 3 ? shape[0] : undefined), sample, options);
}

/** At most `wanted` of `count` indices, evenly spread over them. */
export function spread(count: number, wanted: number): readonly number[] {
  const n = Math.min(count, wanted);
  return Array.from({ length: n }, (_, i) => Math.floor((i * count) / n));
}

const isModelOf = ({ manifest }: Artifact, file: string): boolean =>
  bytesToHex(sha256(readBytes(file))) === manifest.model.sha256;

const commandOf = ({ manifest }: Artifact): readonly string[] =>
  manifest.command.split(' ').map((word) => word.replaceAll("'", ''));

/** The sizes that an artifact's model was compiled with. */
export function compiledSizes(artifact: Artifact): SizeFlags {
  const words = commandOf(artifact).flatMap(
    (word) => /^(--axis|--shape)=(.*)/.exec(word)?.slice(1) ?? [word],
  );
  const given = (option: string): readonly string[] =>
    words.filter((word, i) => words[i - 1] === option && /=\d/.test(word));
  return {
    shape: given('--shape').reduce((known, text) => addShape(text, known), {}),
    axis: given('--axis').reduce((known, text) => addAxis(text, known), {}),
  };
}

/** The model that the artifact was compiled from, if it still lies where its command line says. */
export function foundModel(artifact: Artifact): string | undefined {
  return commandOf(artifact).find(
    (word) => word.endsWith('.onnx') && existsSync(word) && isModelOf(artifact, word),
  );
}

/** @throws InputError for another model. */
export function requireModelOf(artifact: Artifact, model: string): void {
  if (isModelOf(artifact, model)) return;
  throw new InputError({
    where: `--model ${model}`,
    found: 'another model than the artifact was compiled from (their SHA-256 differ)',
    todo: `give the model of: ${artifact.manifest.command}`,
  });
}
