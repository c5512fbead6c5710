/**
 * Raw input: the network is given what the sensor gives, stored numbers 0..255, and normalizes them itself:
 * real = (stored - mean) / std per channel, as a batch normalization in front that the next pass folds away.
 */

import { InputError, must } from '../base/errors.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import { batchNorm } from '../ir/ops/batch-norm.ts';
import { channelCount } from '../ir/tensor.ts';
import { channelsLast } from '../plan/orders.ts';
import type { Normalization } from '../program/program.ts';
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
  const { holds, supported } = usable[what];
  const wrong = all.find((x) => !holds(x));
  if (wrong === undefined) return Float32Array.from(all);
  throw unusable(`${what} ${wrong} in units of a pixel`, supported);
}

const isFinite32 = (x: number): boolean => Number.isFinite(Math.fround(x));

/** The pass takes the deviation's square as a float32 variance, which must not become 0 or infinite. */
const usable = {
  mean: { holds: isFinite32, supported: 'finite numbers' },
  std: {
    holds: (x: number) => x > 0 && isFinite32(x * x) && Math.fround(x * x) > 0,
    supported: 'numbers above 0, of 1e-20 to 1e19',
  },
} as const;

const isUniform = (numbers: readonly number[]): boolean => numbers.every((x) => x === numbers[0]);

/**
 * The numbers of a channel that lies last, or behind a first axis above 1, are no stretch of the input, as a grid per channel is (`program/port.ts`).
 * @throws InputError where they are not all normalized alike
 */
function requireAlike({ mean, std }: Normalization, input: string): void {
  if (isUniform(mean) && isUniform(std)) return;
  throw new InputError({
    where: 'normalization of raw input',
    found: `another mean or std for each channel, and an input ${input}`,
    supported: 'one mean and one std for all channels of such an input',
    todo: 'give normalized inputs, without a normalization of raw ones',
  });
}

const unusable = (found: string, supported: string): InputError =>
  new InputError({
    where: 'normalization of raw input',
    found,
    supported,
    todo: 'give that of the training',
  });

/**
 * The pass that lets the network take raw pixels: their normalization becomes a first layer, which later passes fold.
 * @throws InputError for means and deviations that do not fit the channels, and networks of several inputs
 */
export const normalizeInput = (normalization: Normalization): Pass<'float', 'float'> => ({
  name: 'normalize-input',
  doc: 'takes stored numbers 0..255 and computes what the network computed of normalized ones',
  run: (graph) => inFront(graph, normalization),
});

/** @throws InputError for several inputs: one normalization says nothing of them. */
function onlyInput({ inputs }: Graph<'float'>): string {
  const [first, ...more] = inputs;
  if (first !== undefined && more.length === 0) return first;
  throw new InputError({
    where: 'normalization of raw input',
    found: `a network with ${inputs.length} inputs (${inputs.join(', ')})`,
    supported: 'networks with one input',
    todo: 'give normalized inputs, without a normalization of raw ones',
  });
}

function inFront(graph: Graph<'float'>, normalization: Normalization): Graph<'float'> {
  const { mean, std } = normalization;
  const first = onlyInput(graph);
  // Channels are axis 1 of the image that is made of an input with channels last.
  const image = channelsLast(graph);
  const input = image ?? first;
  const info = must(graph.tensors.get(input), 'the input has a type');
  const channels = channelCount(info.shape);
  const real = freshName(graph, `${input}.normalized`);
  const vector = (data: Float32Array) => constantOf([channels], data);
  const constants = new Map([
    [freshName(graph, `${input}.one`), vector(new Float32Array(channels).fill(1))],
    [freshName(graph, `${input}.zero`), vector(new Float32Array(channels))],
    [freshName(graph, `${input}.mean`), vector(perChannel('mean', mean, channels))],
    [freshName(graph, `${input}.variance`), vector(perChannel('std', std, channels).map((s) => s * s))],
  ]);
  if (image !== undefined) requireAlike(normalization, 'whose channels are its last axis');
  else if (info.shape[0] !== 1) requireAlike(normalization, 'whose first axis is above 1');
  const node: Node = {
    name: freshNodeName(graph, 'normalize'),
    op: batchNorm,
    attrs: { epsilon: 0 },
    inputs: [input, ...constants.keys()],
    outputs: [real],
    origin: [],
  };
  const from = graph.nodes.findIndex(({ outputs }) => outputs.includes(input)) + 1;
  const renamed = graph.nodes.map(
    (n): Node => ({
      ...n,
      inputs: n.inputs.map((name) => (name === input ? real : name)),
    }),
  );
  const tensors = new Map(graph.tensors).set(real, info);
  return withConstants({ ...graph, tensors, nodes: renamed.toSpliced(from, 0, node) }, constants);
}

function freshNodeName(graph: Graph<'float'>, stem: string): string {
  const taken = new Set(graph.nodes.map((n) => n.name));
  let name = stem;
  for (let i = 2; taken.has(name); i++) name = `${stem}_${i}`;
  return name;
}
