/** Networks from files, and many inferences on several threads of Node. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { loadProgram, manifestFile, type Natives } from '../artifact/make.ts';
import { at, InputError, must } from '../base/errors.ts';
import { type CompileOptions, compile } from '../compile.ts';
import { isFolder, readBytes } from '../data/node-files.ts';
import { identifierFrom } from '../emit/c/identifier.ts';
import { importModel } from '../ir/import/import-model.ts';
import type { Sizes } from '../ir/import/model-options.ts';
import {
  type NamedInputs,
  type Net,
  type NetInput,
  type NetOptions,
  type NetResult,
  netOf,
  netOfArtifact,
  type RunOptions,
  type Values,
} from './net.ts';
import type { BatchOrder, BatchSetup } from './node-worker.ts';

/** How a file becomes a net. */
export interface LoadOptions extends NetOptions {
  /** Of a model: how it is compiled in memory. int8 with `calibration`, float32 without. */
  readonly compile?: Partial<CompileOptions>;
  /** Of a model: sizes that its file leaves open. */
  readonly sizes?: Sizes;
  /** Of a file of weights: the file of the network that they belong to, .onnx or .pt2. */
  readonly arch?: string;
  /** For a .pt2 with several programs: the name of the one to use. */
  readonly program?: string;
}

/** Options of a batch of inferences. */
export interface BatchOptions extends RunOptions {
  /** Threads; all cores when absent, 0 for none besides this one. */
  readonly workers?: number;
}

/** A net that can use all cores. */
export interface LoadedNet extends Net {
  /**
   * First outputs in the order of the inputs. The threads stay until `close`.
   * @throws InputError naming the input that cannot be used; nothing is run then.
   */
  runBatch(inputs: readonly (NetInput | NamedInputs)[], options?: BatchOptions): Promise<readonly Values[]>;
  /** The same with all outputs, by name. */
  runBatchAll(
    inputs: readonly (NetInput | NamedInputs)[],
    options?: BatchOptions,
  ): Promise<readonly NetResult['outputs'][]>;
  /** Ends the threads of `runBatch`, if there are any. */
  close(): Promise<void>;
}

/** The files of an artifact, read when asked for. */
function artifactIn(folder: string): { get(name: string): Uint8Array | undefined } {
  if (!existsSync(path.join(folder, manifestFile)))
    throw new InputError({
      where: folder,
      found: `a folder without ${manifestFile}`,
      supported: 'folders written by `thimble compile -o`, and files of models',
      todo: 'compile the model first',
    });
  return {
    get(name) {
      const file = path.join(folder, name);
      return existsSync(file) ? readFileSync(file) : undefined;
    },
  };
}

/** Node's own, which are several times as fast as JavaScript that has not been optimized yet. */
const natives: Natives = {
  hexOfSha256: (content) => createHash('sha256').update(content).digest('hex'),
  bytesOfBase64: (base64) => new Uint8Array(Buffer.from(base64, 'base64')),
};

const sourceOf = (file: string) => ({
  bytes: readBytes(file),
  name: file,
  external: (location: string): Uint8Array => readBytes(path.join(path.dirname(file), location)),
});

function compiledNet(
  file: string,
  { compile: options = {}, sizes = {}, arch, program, ...net }: LoadOptions,
): Net {
  const name = identifierFrom(
    path
      .basename(file)
      .replace(/\.[^.]*$/, '')
      .toLowerCase(),
  );
  const { bytes, ...source } = sourceOf(file);
  const graph = importModel(bytes, {
    ...source,
    ...sizes,
    ...(arch === undefined ? {} : { arch: sourceOf(arch) }),
    ...(program === undefined ? {} : { program }),
  });
  const arith = options.arith ?? (options.calibration === undefined ? 'float32' : 'int8');
  return netOf(compile(graph, { name, ...options, arith }), net);
}

/**
 * A net from a file or folder.
 * @param file a folder written by `thimble compile -o`, or a model's file, which is compiled in memory
 * @throws InputError for what cannot be read or compiled
 */
export async function load(file: string, options: LoadOptions = {}): Promise<LoadedNet> {
  const net = isFolder(file)
    ? netOfArtifact(loadProgram(artifactIn(file), natives), options)
    : compiledNet(file, options);
  return withThreads(net);
}

const entry = new URL('./node-worker.js', import.meta.url);

/**
 * A net that runs batches on threads.
 * @param workerFile the URL of the compiled `node-worker`, where this module does not run from beside it
 */
export function withThreads(net: Net, workerFile: { readonly href: string } = entry): LoadedNet {
  const threads: Worker[] = [];
  const grow = async (count: number): Promise<readonly Worker[]> => {
    const setup: BatchSetup = { program: net.program, engine: net.engine };
    while (threads.length < count) threads.push(new Worker(new URL(workerFile.href), { workerData: setup }));
    return threads.slice(0, count);
  };
  const close = async (): Promise<void> => {
    await Promise.all(threads.splice(0).map((thread) => thread.terminate()));
  };
  const runBatchAll: LoadedNet['runBatchAll'] = async (
    inputs,
    { workers = availableParallelism(), ...options } = {},
  ) => {
    const bytes = inputs.map((input, i) => encodedAt(net, input, i, options));
    const count = Math.min(workers, inputs.length);
    if (count < 1) return inputs.map((input) => net.run(input, options).outputs);
    const outputs = await spreadOver(await grow(count), bytes);
    return outputs.map((stored) => net.decodeAll(stored));
  };
  const first = at(net.outputs, 0).name;
  return {
    ...net,
    runBatchAll,
    runBatch: async (inputs, options) =>
      (await runBatchAll(inputs, options)).map((outputs) => must(outputs[first], 'the first output')),
    close,
  };
}

function encodedAt(net: Net, input: NetInput | NamedInputs, index: number, options: RunOptions): Uint8Array {
  try {
    return net.encode(input, options);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    throw error.at(`input ${index} of the batch`);
  }
}

/** Each thread takes one run of neighbours. */
async function spreadOver(
  threads: readonly Worker[],
  inputs: readonly Uint8Array[],
): Promise<readonly Uint8Array[]> {
  const share = Math.ceil(inputs.length / threads.length);
  const parts = threads.map(async (thread, t) => {
    const order: BatchOrder = inputs.slice(t * share, (t + 1) * share);
    const answer = once(thread, 'message');
    thread.postMessage(order);
    const [outputs] = (await answer) as [readonly Uint8Array[]];
    return outputs;
  });
  return (await Promise.all(parts)).flat();
}
