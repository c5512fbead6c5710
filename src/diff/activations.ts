/** What a model's layers made elsewhere, from a file of arrays by name. */
import { must } from '../ir/errors.ts';
import type { Graph, Node } from '../ir/graph.ts';
import type { Program } from '../ir/program.ts';
import type { Tensor } from '../ir/tensor.ts';
import { type Assigned, assign } from './assign.ts';
import { type Capture, captureOfTensors, type Gap } from './capture.ts';
import { slotAt } from './feed.ts';
import type { NamedNode } from './modules.ts';

type Arrays = ReadonlyMap<string, Tensor>;

/** Sample `sample` of an array whose first axis is the batch. */
export function sampleOf({ dtype, shape, data }: Tensor, sample: number): Tensor | undefined {
  const [batch = 1] = shape;
  const size = data.length / batch;
  if (sample >= batch) return undefined;
  return {
    dtype,
    shape: [1, ...shape.slice(1)],
    data: data.slice(sample * size, (sample + 1) * size),
  } as Tensor;
}

function namedNode(graph: Graph<'imported'>, { name, inputs, outputs, scopes = [] }: Node): NamedNode {
  const weighted = graph.tensors.get(inputs[1] ?? '')?.constant !== undefined;
  return { name, inputs, output: outputs[0] ?? '', scopes, weighted };
}

/** Without the model only names are known, and of a step's nodes only what the last one makes. */
const nodesOfProgram = (program: Program): readonly NamedNode[] =>
  program.steps.flatMap(({ origin, args, kernel }) => {
    const out = must(args[kernel.params.findIndex(({ role }) => role === 'out')], 'a step has an output');
    return origin.map((name, i) => ({
      name,
      inputs: [],
      output: i === origin.length - 1 ? slotAt(program, out).name : `${name}:0`,
      scopes: [],
      weighted: i === 0 && kernel.weights !== undefined,
    }));
  });

/** Arrays as tensors of the program's slots. */
export interface Activations {
  /** By slot: whether a file has anything of it. */
  has(slot: number): boolean;
  captureOf(sample: number): Capture;
  input(sample: number): Tensor | undefined;
  /** Samples in the file, where it has inputs. */
  readonly count: number;
}

interface Known {
  readonly arrays: Arrays;
  readonly assigned: ReadonlyMap<string, Assigned>;
  readonly graph: Graph<'imported'> | undefined;
}

/** All arrays of one tensor and sample: several where modules end with the same node. */
function tensorsOf({ arrays, assigned }: Known, tensor: string, sample: number): readonly Tensor[] | Gap {
  const names = assigned.get(tensor) ?? [];
  if ('why' in names) return names;
  return names.flatMap((name) => sampleOf(must(arrays.get(name), 'an array of the file'), sample) ?? []);
}

/**
 * A tensor of a step that was captured, or that follows from one of the step's that was: what a functional
 * activation or pooling makes has no module, and is computed from the module before it as the model says.
 */
function derived(
  known: Known,
  tensor: string,
  sample: number,
  origin: ReadonlySet<string>,
): readonly Tensor[] | Gap {
  const found = tensorsOf(known, tensor, sample);
  if ('why' in found || found.length > 0) return found;
  const maker = known.graph?.nodes.find(({ outputs }) => outputs.includes(tensor));
  if (maker === undefined || !origin.has(maker.name)) return [];
  const inputs: (Tensor | undefined)[] = [];
  let captured = false;
  for (const name of maker.inputs) {
    const constant = known.graph?.tensors.get(name)?.constant;
    if (constant !== undefined || name === '') {
      inputs.push(constant);
      continue;
    }
    const madeHere = known.graph?.nodes.some((node) => node.outputs.includes(name) && origin.has(node.name));
    const source = madeHere ? derived(known, name, sample, origin) : [];
    if ('why' in source) return source;
    if (source[0] === undefined) return [];
    captured = true;
    inputs.push(source[0]);
  }
  return captured ? maker.op.reference(maker.attrs, inputs).slice(0, 1) : [];
}

/** Whether a file has a tensor of the step before its last one: the model could tell the rest. */
function modelWouldHelp({ assigned, graph }: Known, origin: readonly string[]): boolean {
  return graph === undefined && origin.some((node) => assigned.has(`${node}:0`));
}

function tensorFor(known: Known, program: Program, index: number, sample: number): readonly Tensor[] | Gap {
  const slot = slotAt(program, index);
  const origin = index === program.input ? [] : (program.steps[slot.firstStep]?.origin ?? []);
  const found = derived(known, slot.name, sample, new Set(origin));
  if ('why' in found || found.length > 0 || !modelWouldHelp(known, origin)) return found;
  const why = `${origin.at(-1)} is not a module: give --model MODEL.onnx`;
  return { kind: 'not captured', why };
}

const nothing: Gap = { kind: 'not captured', why: 'no tensor of its name' };

/**
 * @param graph the model that the program was compiled from, where it is at hand: it says which nodes modules
 *   end with, and what functional operators make of what was captured
 */
export function activationsIn(
  program: Program,
  arrays: Arrays,
  graph: Graph<'imported'> | undefined,
): Activations {
  const input = slotAt(program, program.input).name;
  const output = slotAt(program, program.output).name;
  const nodes =
    graph === undefined ? nodesOfProgram(program) : graph.nodes.map((node) => namedNode(graph, node));
  const known: Known = { arrays, graph, assigned: assign(nodes, arrays, { input, output }) };
  const inputs = known.assigned.get(input);
  const inputArray = inputs === undefined || 'why' in inputs ? undefined : arrays.get(inputs[0] ?? '');
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
    input: (sample) => inputArray && sampleOf(inputArray, sample),
    count: inputArray?.shape[0] ?? 0,
  };
}
