/**
 * Raw input: the network is given what the sensor gives, stored numbers 0..255, and normalizes them itself:
 * real = (stored - mean) / std per channel, as a batch normalization in front that the next pass folds away.
 */
import { InputError, must } from '../ir/errors.ts';
import type { Graph, Node } from '../ir/graph.ts';
import { batchNorm } from '../ir/ops/batch-norm.ts';
import type { Normalization } from '../ir/program.ts';
import type { Pass } from './pass.ts';
import { constantOf, freshName, withConstants } from './rewrite.ts';

/** One number for all channels, or one each. @throws InputError for any other count, and numbers that make none. */
function perChannel(what: 'mean' | 'std', numbers: readonly number[], channels: number): Float32Array {
  const [first = Number.NaN] = numbers;
  const all = numbers.length === 1 ? new Array<number>(channels).fill(first) : numbers;
  if (all.length !== channels)
    throw unusable(
      `${numbers.length} numbers for ${channels} channels`,
      `${what} of all channels, or of each`,
    );
  const wrong = all.find((x) => !Number.isFinite(x) || (what === 'std' && x <= 0));
  if (wrong === undefined) return Float32Array.from(all);
  throw unusable(`${what} ${wrong}`, what === 'std' ? 'numbers above 0' : 'finite numbers');
}

const unusable = (found: string, supported: string): InputError =>
  new InputError({
    where: 'normalization of raw input',
    found,
    supported,
    todo: 'give that of the training',
  });

export const normalizeInput = (normalization: Normalization): Pass<'float', 'float'> => ({
  name: 'normalize-input',
  doc: 'takes stored numbers 0..255 and computes what the network computed of normalized ones',
  run: (graph) => inFront(graph, normalization),
});

function inFront(graph: Graph<'float'>, { mean, std }: Normalization): Graph<'float'> {
  const input = must(graph.inputs[0], 'a float graph has an input');
  const info = must(graph.tensors.get(input), 'the input has a type');
  const channels = info.shape[1] ?? 1;
  const real = freshName(graph, `${input}.normalized`);
  const vector = (data: Float32Array) => constantOf([channels], data);
  const constants = new Map([
    [freshName(graph, `${input}.one`), vector(new Float32Array(channels).fill(1))],
    [freshName(graph, `${input}.zero`), vector(new Float32Array(channels))],
    [freshName(graph, `${input}.mean`), vector(perChannel('mean', mean, channels))],
    [freshName(graph, `${input}.variance`), vector(perChannel('std', std, channels).map((s) => s * s))],
  ]);
  const node: Node = {
    name: freshNodeName(graph, 'normalize'),
    op: batchNorm,
    attrs: { epsilon: 0 },
    inputs: [input, ...constants.keys()],
    outputs: [real],
    origin: [],
  };
  const renamed = graph.nodes.map((n) => ({
    ...n,
    inputs: n.inputs.map((name) => (name === input ? real : name)),
  }));
  const tensors = new Map(graph.tensors).set(real, info);
  return withConstants({ ...graph, tensors, nodes: [node, ...renamed] }, constants);
}

function freshNodeName(graph: Graph<'float'>, stem: string): string {
  const taken = new Set(graph.nodes.map((n) => n.name));
  let name = stem;
  for (let i = 2; taken.has(name); i++) name = `${stem}_${i}`;
  return name;
}
