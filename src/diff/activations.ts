/** What a model's layers made elsewhere, from a file of arrays by name. */

import { must } from '../base/errors.ts';
import { sizeAlong, type Tensor } from '../ir/tensor.ts';
import type { Program, ProgramPort } from '../program/program.ts';
import { argOf, isInput, slotAt } from '../program/slots.ts';
import { type Assigned, assign } from './assign.ts';
import { type Capture, captureOfTensors, type Gap } from './capture.ts';
import { type NamedNode, scopesOf } from './modules.ts';

type Arrays = ReadonlyMap<string, Tensor>;

/** Sample `sample` of an array whose first axis is the batch. */
export function sampleOf({ dtype, shape, data }: Tensor, sample: number): Tensor | undefined {
  const batch = sizeAlong(shape, 0);
  const size = data.length / batch;
  if (sample >= batch) return undefined;
  return {
    dtype,
    shape: [1, ...shape.slice(1)],
    data: data.slice(sample * size, (sample + 1) * size),
  } as Tensor;
}

/** A node of the model at hand. */
export interface ModelNode extends NamedNode {
  /** Those of its inputs that are activations, in order. */
  readonly reads: readonly string[];
  /** Its output, from what it reads. */
  compute(values: readonly Tensor[]): Tensor;
}

/** Without the model only names are known, and of a step's nodes only what the last one makes. */
const nodesOfProgram = (program: Program): readonly NamedNode[] =>
  program.steps.flatMap((step) => {
    const { origin, kernel } = step;
    const output = slotAt(program, argOf(step, 'out')).name;
    return origin.map((name, i) => ({
      name,
      inputs: [],
      output: i === origin.length - 1 ? output : `${name}:0`,
      scopes: [],
      weighted: i === 0 && kernel.weights !== undefined,
    }));
  });

/** Arrays as tensors of the program's slots. */
export interface Activations {
  /** By slot: whether a file has anything of it. */
  has(slot: number): boolean;
  captureOf(sample: number): Capture;
  /** All inputs, one after the other. */
  input(sample: number): Float32Array | undefined;
  /** Samples in the file, where it has all inputs. */
  readonly count: number;
}

/** Arrays of the same tensor; none, or a gap, if nothing is known. */
type Found = readonly Tensor[] | Gap;

interface Known {
  readonly arrays: Arrays;
  readonly assigned: ReadonlyMap<string, Assigned>;
  readonly model: readonly ModelNode[] | undefined;
}

/** All arrays of one tensor and sample: several where modules end with the same node. */
function tensorsOf({ arrays, assigned }: Known, tensor: string, sample: number): Found {
  const names = assigned.get(tensor) ?? [];
  if ('why' in names) return names;
  return names.flatMap((name) => sampleOf(must(arrays.get(name), 'an array of the file'), sample) ?? []);
}

const isGap = (found: readonly unknown[] | Gap): found is Gap => 'why' in found;

/**
 * A tensor that was captured, or that follows from what was: what a functional activation, pooling or addition
 * makes has no module, and is computed as the model says. A node with weights is a layer of its own, and is only
 * computed from another one of its step, as a normalization from the convolution before it.
 */
function derived(known: Known, tensor: string, sample: number, origin: ReadonlySet<string>): Found {
  const found = tensorsOf(known, tensor, sample);
  if (isGap(found) || found.length > 0) return found;
  const maker = known.model?.find(({ output }) => output === tensor);
  if (maker === undefined) return [];
  const values: Tensor[] = [];
  for (const name of maker.reads) {
    const source = sourceOf(known, name, sample, origin, maker.weighted);
    if (isGap(source)) return source;
    const [value] = source;
    if (value === undefined) return [];
    values.push(value);
  }
  return [maker.compute(values)];
}

/** An input of a node: of one with weights only if the step makes it too. */
function sourceOf(
  known: Known,
  tensor: string,
  sample: number,
  origin: ReadonlySet<string>,
  inStep: boolean,
): Found {
  const madeHere = known.model?.some(({ name, output }) => output === tensor && origin.has(name));
  return inStep && madeHere !== true ? [] : derived(known, tensor, sample, origin);
}

/** Without the model nothing is known of an operator outside of modules. */
function needsModel({ model }: Known, node: string | undefined): boolean {
  if (model !== undefined || node === undefined) return false;
  return scopesOf({ name: node, inputs: [], output: '', scopes: [], weighted: false }).length === 0;
}

/**
 * The model's name of what a step writes. Where a pass made another, it is what the last of its nodes makes, with
 * its axes apart, unless a later step finishes that node.
 */
function tensorName({ model }: Known, program: Program, index: number): string {
  const { name, firstStep } = slotAt(program, index);
  const last = program.steps[firstStep]?.origin.at(-1);
  const maker = model?.find((node) => node.name === last);
  const isModels = model?.some(({ output, reads }) => output === name || reads.includes(name));
  if (maker === undefined || isInput(program, index) || isModels === true) return name;
  const isFinished = program.steps.slice(firstStep + 1).every(({ origin }) => !origin.includes(maker.name));
  return isFinished ? maker.output : name;
}

function tensorFor(known: Known, program: Program, index: number, sample: number): Found {
  const slot = slotAt(program, index);
  const origin = isInput(program, index) ? [] : (program.steps[slot.firstStep]?.origin ?? []);
  const found = derived(known, tensorName(known, program, index), sample, new Set(origin));
  const last = origin.at(-1);
  if (isGap(found) || found.length > 0 || !needsModel(known, last)) return found;
  return { kind: 'not captured', why: `${last} is not the output of a module: give --model MODEL.onnx` };
}

const nothing: Gap = { kind: 'not captured', why: 'no tensor of this name' };

/**
 * @param model nodes of what the program was compiled from, where it is at hand: it says which nodes modules
 *   end with, and what functional operators make of what was captured
 */
export function activationsIn(
  program: Program,
  arrays: Arrays,
  model: readonly ModelNode[] | undefined,
): Activations {
  const nodes = model ?? nodesOfProgram(program);
  const named = (ports: readonly ProgramPort[]) =>
    ports.map(({ name, slot }) => ({ name, tensor: slotAt(program, slot).name }));
  const [inputs, outputs] = [named(program.inputs), named(program.outputs)];
  const known: Known = { arrays, model, assigned: assign(nodes, arrays, { inputs, outputs }) };
  const given = inputs.flatMap(({ tensor }) => {
    const found = known.assigned.get(tensor);
    return (found === undefined || 'why' in found ? undefined : arrays.get(found[0] ?? '')) ?? [];
  });
  const whole = given.length === inputs.length;
  return {
    has: (slot) => {
      const found = tensorFor(known, program, slot, 0);
      return 'why' in found || found.length > 0;
    },
    captureOf: (sample) =>
      captureOfTensors(program, (slot) => {
        const found = tensorFor(known, program, slot, sample);
        return 'why' in found ? found : found.length > 0 ? found : nothing;
      }),
    input(sample) {
      const parts = given.flatMap((array) => sampleOf(array, sample) ?? []);
      if (!whole || parts.length < given.length) return undefined;
      return Float32Array.from(parts.flatMap(({ data }) => Array.from(data)));
    },
    count: whole ? Math.min(...given.map(({ shape }) => sizeAlong(shape, 0))) : 0,
  };
}
