/** What `--against` names, as inferences to compare with. */

import { existsSync } from 'node:fs';
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import type { Artifact } from '../../artifact/make.ts';
import { at, InputError, must } from '../../base/errors.ts';
import { front } from '../../compile.ts';
import { isFolder, readBytes } from '../../data/node-files.ts';
import { isZip, readNpz } from '../../data/npz.ts';
import type { Prepared } from '../../data/prepare.ts';
import { activationsIn, type ModelNode } from '../../diff/activations.ts';
import {
  type Capture,
  captureOfBuild,
  captureOfNothing,
  captureOfOutcome,
  captureOfTensors,
} from '../../diff/capture.ts';
import type { TracedRun } from '../../diff/causes/cause.ts';
import type { Inference } from '../../diff/feed.ts';
import { captureOfRun } from '../../diff/trace-capture.ts';
import { evaluate, inputTensors } from '../../ir/graph/evaluate.ts';
import type { AnyNode, Graph } from '../../ir/graph/graph.ts';
import { isModel } from '../../ir/import/file-kinds.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { isQuantized } from '../../passes/settle-grids.ts';
import type { Slot } from '../../program/program.ts';
import { slotAt } from '../../program/slots.ts';
import { encodeInput, inputBytes, type Sample } from '../../program/values.ts';
import { createSimulator } from '../../sim/simulate.ts';
import { runNative } from '../../targets/native.ts';
import { targetNamed } from '../../targets/targets.ts';
import { readTraces } from '../../trace/read.ts';
import type { DeviceTrace, TraceRun } from '../../trace/trace.ts';
import { tagOf } from '../../trace/write.ts';
import type { Api } from '../api.ts';
import { compiledSizes, foundModel, loadArtifact, loadModel, requireModelOf } from './model.ts';
import { requantModes } from './options.ts';

export interface Against {
  /** What it is, in words. */
  readonly who: string;
  readonly inferences: readonly Inference[];
  /** Of devices: their own account of each inference. */
  readonly tracedRuns: readonly TracedRun[];
  readonly warnings: readonly string[];
  /** By how many steps a layer may differ whose grid both sides have; absent: they have none in common. */
  readonly maxSteps?: number;
}

export interface Asked {
  readonly api: Api;
  readonly artifact: Artifact;
  readonly against: string;
  /** Of --model: what the artifact was compiled from. */
  readonly model?: string;
  /** Samples of --input. */
  readonly samples: readonly Sample[];
}

const plain = { tracedRuns: [], warnings: [] };

/** @throws InputError where the other side has no inputs of its own and none were given. */
function samplesOf({ samples, against }: Asked): readonly Sample[] {
  if (samples.length > 0) return samples;
  throw new InputError({
    where: `--against ${against}`,
    found: 'no inputs to compute on',
    todo: 'give --input FILE',
  });
}

/** Everything that a network makes of a sample, its outputs among it, by name. */
function tensorsMade(
  graph: Graph<'float'>,
  inputs: ReadonlyMap<string, Tensor>,
): ReadonlyMap<string, Tensor> {
  const tensors = new Map(inputs);
  const outputs = evaluate(graph, inputs, (made, tensor) => tensors.set(made, tensor));
  return new Map([...tensors, ...outputs]);
}

/** What fused networks of quantized models call a tensor that a program has in float32 and on a grid. */
const withoutBorder = (name: string): string => name.replace(/\.(real|float|stored)(_\d+)?$/, '');

/**
 * In its own integers, a layer of a quantized model is off by a step at most; by three where the program follows
 * onnxruntime and not the model (docs/quantized.md).
 */
const mostSteps = 3;

/** Whether numbers are those of the slot's steps: a tensor of the file before it is rounded has the same name. */
function isRounded({ quant }: Slot, tensor: Tensor | undefined): boolean {
  if (tensor === undefined || quant === undefined) return tensor !== undefined;
  return tensor.data.every((x) => Math.abs(x / quant.scale - Math.round(x / quant.scale)) < 1e-3);
}

/** Of a quantized model: its network with tensors on their grids, which has names for what moved while fusing. */
function settledOf({ program, manifest }: Artifact, model: Graph<'imported'>): Graph<'float'> {
  const { requant } = manifest;
  const mode = requantModes.find((each) => each === requant) ?? 'single';
  return front(model, { name: program.name, arith: 'int8', requant: mode }).fused;
}

function againstModel(asked: Asked): Against {
  const { api, artifact, against } = asked;
  const { program, manifest } = artifact;
  const model = loadModel(api, against, compiledSizes(artifact, against));
  const graph = api.toFloatGraph(model);
  const isOnGrids = program.arith === 'int8' && isQuantized(graph);
  const settled = isOnGrids ? settledOf(artifact, model) : undefined;
  const captureFor = (sample: Sample): Capture => {
    const inputs = inputTensors(graph, sample.real);
    const tensors = tensorsMade(graph, inputs);
    const more = settled === undefined ? new Map<string, Tensor>() : tensorsMade(settled, inputs);
    return captureOfTensors(program, (index) => {
      const slot = slotAt(program, index);
      // The layer that makes the output may have a name of its own: a view stands between.
      const output = program.outputs.findIndex((port) => port.slot === index);
      const own = [tensors.get(slot.name), output < 0 ? undefined : tensors.get(at(graph.outputs, output))];
      const known = more.get(slot.name) ?? more.get(withoutBorder(slot.name));
      const found = known === undefined ? own : [known, ...own.filter((tensor) => isRounded(slot, tensor))];
      const all = found.filter((tensor) => tensor !== undefined);
      return all.length === 0 ? undefined : all;
    });
  };
  const inferences = samplesOf(asked).map((sample) => ({
    input: inputBytes(program, sample),
    theirs: captureFor(sample),
  }));
  const isPlain = isOnGrids && manifest.scales?.rounded.length === 0;
  return {
    tracedRuns: [],
    warnings: editedIn(artifact),
    who: isOnGrids ? 'the quantized model' : 'the float model',
    inferences,
    ...(isPlain ? { maxSteps: mostSteps } : {}),
  };
}

/** What is compared here is the program; the C is another matter where it was edited. */
function editedIn({ sources, manifest }: Artifact): readonly string[] {
  const edited = [...sources].filter(
    ([name, text]) => bytesToHex(sha256(new TextEncoder().encode(text))) !== manifest.sha256[name],
  );
  return edited.map(
    ([name]) =>
      `${name} is not what compile wrote; the program is compared, not the C: thimble verify and --against host compare that`,
  );
}

/** Samples as the other build takes them; its own artifact says how they are prepared. */
function againstBuild(asked: Asked, prepare: (artifact: Artifact) => readonly Sample[]): Against {
  const { api, artifact, against } = asked;
  const other = loadArtifact(api, against);
  const simulator = createSimulator(other.program, { mode: 'fast' });
  const theirSamples = prepare(other);
  const inferences = samplesOf(asked).map((sample, i) => {
    const input = inputBytes(other.program, theirSamples[i] ?? sample);
    const capture = captureOfOutcome(other.program, input, simulator.run(input, { keepArenas: true }));
    return {
      input: inputBytes(artifact.program, sample),
      theirs: captureOfBuild(artifact.program, other.program, capture),
    };
  });
  return { ...plain, who: `the build in ${against}`, inferences };
}

async function againstTarget(asked: Asked, name: string): Promise<Against> {
  const { artifact } = asked;
  const { program, sources } = artifact;
  const target = targetNamed(name);
  const inputs = samplesOf(asked).map((sample) => inputBytes(program, sample));
  const result = await runNative(program, sources, target, inputs, { keepArenas: true });
  if (result.kind === 'does not fit')
    throw new InputError({
      where: target,
      found: `a program that needs ${result.overflow.needed} bytes of ${result.overflow.region}`,
      supported: `${result.overflow.available} bytes`,
      todo: 'choose a larger chip',
    });
  const inferences = inputs.map((input, i) => ({
    input,
    theirs: captureOfOutcome(program, input, must(result.outcomes[i], 'an outcome per input')),
  }));
  return { ...plain, who: target, inferences };
}

/** Where the model is not at hand, names are all there is. @throws InputError for a --model that is another. */
function modelOf({ api, artifact, model }: Asked): Graph<'imported'> | undefined {
  if (model !== undefined) requireModelOf(artifact, model);
  const file = model ?? foundModel(artifact);
  return file === undefined ? undefined : loadModel(api, file, compiledSizes(artifact, file));
}

/** Bounds of a clip are scalars, shapes and axes are whole numbers: neither makes a layer of its own. */
const isWeight = (constant: Tensor | undefined): boolean =>
  constant?.dtype === 'float32' && constant.shape.length > 0;

function modelNode(graph: Graph<'imported'>, node: AnyNode): ModelNode {
  const { name, op, attrs, inputs, outputs, scopes = [] } = node;
  const constants = inputs.map((input) => graph.tensors.get(input)?.constant);
  const reads = inputs.filter((input, i) => input !== '' && constants[i] === undefined);
  const compute = (values: readonly Tensor[]): Tensor => {
    const made = op.reference(
      attrs,
      inputs.map((input, i) => constants[i] ?? values[reads.indexOf(input)]),
    );
    return must(made[0], 'a node makes its first output');
  };
  const weighted = isWeight(constants[1]);
  return { name, inputs, output: outputs[0] ?? '', scopes, weighted, reads, compute };
}

function againstArrays(asked: Asked, bytes: Uint8Array): Against {
  const { artifact, against, samples } = asked;
  const { program } = artifact;
  const arrays = readNpz(bytes, against);
  const graph = modelOf(asked);
  const model = graph?.nodes.map((node) => modelNode(graph, node));
  const activations = activationsIn(program, arrays, model);
  if (!program.slots.some((_, slot) => activations.has(slot)))
    throw new InputError({
      where: against,
      found: `arrays called ${[...arrays.keys()].slice(0, 8).join(', ')}`,
      supported: 'names of tensors, nodes or PyTorch modules of the model',
      todo: 'capture them as docs/diff.md shows',
    });
  const count = samples.length > 0 ? samples.length : activations.count;
  if (count === 0)
    throw new InputError({
      where: against,
      found: 'no array of inputs',
      todo: 'save the input too, or give --input FILE',
    });
  const inferences = Array.from({ length: count }, (_, i): Inference => {
    const given = samples[i];
    const theirs = activations.input(i);
    const own = given === undefined ? theirs && encodeInput(program, theirs) : inputBytes(program, given);
    return { ...(own === undefined ? {} : { input: own }), theirs: activations.captureOf(i) };
  });
  return { ...plain, who: against, inferences };
}

/**
 * The runs of this build; else the last of this network, or of any. Runs whose program is not known belong to
 * the only network of the log.
 */
function traceFor(traces: readonly DeviceTrace[], name: string, build: string): DeviceTrace | undefined {
  const own = traces.filter((trace) => (trace.name ?? name) === name);
  const found = own.find((trace) => trace.build === build) ?? own.at(-1) ?? traces.at(-1);
  const named = traces.filter((trace) => trace.name !== undefined);
  if (found === undefined || named.length !== 1 || found !== named[0]) return found;
  const runs = traces.flatMap((trace) => trace.runs).sort((a, b) => a.offset - b.offset);
  return { ...found, runs };
}

/**
 * The input of each run: the one that its tag was made of, since whole runs may have been lost. Where no tag fits,
 * inputs are prepared in another way on the device, and runs and samples go one by one.
 */
function inputsOfRuns(
  runs: readonly TraceRun[],
  inputs: readonly Uint8Array[],
  network: string,
): readonly (Uint8Array | undefined)[] {
  const tags = inputs.map((input) => tagOf(network, input));
  if (!runs.some(({ tag }) => tags.includes(tag))) return runs.map((_, i) => inputs[i]);
  let next = 0;
  return runs.map(({ tag }, i) => {
    const ahead = tags.indexOf(tag, next);
    const at = ahead >= 0 ? ahead : tags.indexOf(tag);
    if (at >= 0) next = at + 1;
    // One that fits nowhere took the next sample, unless the run after it did.
    const free = tags[next] !== runs[i + 1]?.tag;
    return at >= 0 ? inputs[at] : free ? inputs[next++] : undefined;
  });
}

/** Steps and slots of another build have other numbers: nothing of it is compared. */
const otherBuild = (found: string, build: string): Capture =>
  captureOfNothing({ kind: 'other build', why: `of build ${found}, this is ${build}` });

function againstTrace({ artifact, against, samples }: Asked, bytes: Uint8Array): Against {
  const { program, manifest } = artifact;
  const build = must(manifest.sha256[`${program.name}.program.json`], 'the hash of the program').slice(0, 16);
  const found = traceFor(readTraces(bytes), program.name, build);
  if (found === undefined)
    throw new InputError({
      where: against,
      found: 'a file without the trace of a network',
      supported: 'output of a device with the trace on, models, .npz, folders of compile, qemu:CHIP',
      todo: `compile the C with -D${program.name.toUpperCase()}_TRACE=2 and capture its console`,
    });
  const tracedRuns = found.runs.map((run) => ({ program, build, trace: found, run }));
  const stale = found.build !== undefined && found.build !== build ? found.build : undefined;
  const given = samples.map((sample) => inputBytes(program, sample));
  const inputs = inputsOfRuns(found.runs, given, `${program.name} ${build}`);
  const inferences = found.runs.map((run, i): Inference => {
    const input = inputs[i];
    return {
      ...(input === undefined ? {} : { input }),
      theirs: stale === undefined ? captureOfRun(run) : otherBuild(stale, build),
    };
  });
  const warnings = found.problems
    .filter(({ kind }) => kind !== 'noise')
    .map(({ kind, line, what }) => `${against}, line ${line}: ${kind}: ${what}`);
  return { who: 'the device', inferences, tracedRuns, warnings };
}

const targetIn = (against: string): string | undefined =>
  /^(?:qemu|host):(.+)$/.exec(against)?.[1] ?? (against === 'host' ? 'host' : undefined);

/** @throws InputError for what cannot be read, and for what needs inputs that were not given. */
export async function inferencesAgainst(
  asked: Asked,
  prepare: (artifact: Artifact) => readonly Sample[],
): Promise<Against> {
  const { against } = asked;
  const target = targetIn(against);
  if (target !== undefined) return againstTarget(asked, target);
  if (existsSync(against) && isFolder(against)) return againstBuild(asked, prepare);
  const bytes = readBytes(against);
  if (against.endsWith('.onnx') || isModel(bytes)) return againstModel(asked);
  return isZip(bytes) ? againstArrays(asked, bytes) : againstTrace(asked, bytes);
}

/** All samples, or the first few. */
export const samplesIn = (
  prepared: Prepared,
  count: number,
  sampleAt: (i: number) => Sample,
): readonly Sample[] => Array.from({ length: Math.min(prepared.count, count) }, (_, i) => sampleAt(i));
