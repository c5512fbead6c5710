/** Channels that nothing reads any more are taken out of the graph; what it computes stays the same. */

import { must } from '../../base/errors.ts';
import { type Graph, is, type Node, type TensorInfo } from '../../ir/graph/graph.ts';
import { pickedClamp } from '../../ir/integers/row-clamp.ts';
import { batchNorm } from '../../ir/ops/batch-norm.ts';
import { conv } from '../../ir/ops/conv.ts';
import { linear } from '../../ir/ops/linear.ts';
import { reshape } from '../../ir/ops/reshape.ts';
import { countOf, type Tensor } from '../../ir/tensor.ts';
import { constantOf, freshName, withConstants } from '../rewrite.ts';
import { type ChannelSpaces, isDepthwise, type Space } from './spaces.ts';

/** The channels of each space that stay, ascending; spaces that are not named keep all. */
export type KeptChannels = ReadonlyMap<Space, readonly number[]>;

export function shrink(graph: Graph<'float'>, spaces: ChannelSpaces, kept: KeptChannels): Graph<'float'> {
  let current = graph;
  for (const node of graph.nodes) current = withNode(current, node, shrunkNode(graph, node, spaces, kept));
  return { ...current, tensors: shrunkTensors(current, spaces, kept) };
}

interface Shrunk {
  readonly attrs: unknown;
  /** By place in the node's inputs. */
  readonly constants: ReadonlyMap<number, Tensor>;
}

/** Indices along axis 1 of a tensor that stay. */
function keptOf(graph: Graph<'float'>, spaces: ChannelSpaces, kept: KeptChannels, tensor: string): number[] {
  const { space, inner } = spaces.axisOf(tensor);
  const size = graph.tensors.get(tensor)?.shape[1] ?? 1;
  const channels = kept.get(space);
  if (channels === undefined) return Array.from({ length: size }, (_, i) => i);
  return channels.flatMap((c) => Array.from({ length: inner }, (_, i) => c * inner + i));
}

function shrunkNode(graph: Graph<'float'>, node: Node, spaces: ChannelSpaces, kept: KeptChannels): Shrunk {
  const [output = ''] = node.outputs;
  const rows = keptOf(graph, spaces, kept, output);
  const constants = new Map<number, Tensor>();
  // Constants of other operators (an addend) forbid that channels go: they stay as they are.
  const perChannel = is(node, conv) || is(node, linear) || is(node, batchNorm);
  node.inputs.forEach((name, i) => {
    const constant = graph.tensors.get(name)?.constant;
    if (perChannel && constant !== undefined && i > 0) constants.set(i, picked(constant, 0, rows));
  });
  if (is(node, reshape)) {
    const { shape } = node.attrs;
    return { attrs: { shape: shape.length > 1 ? shape.with(1, rows.length) : shape }, constants };
  }
  if (!is(node, conv) && !is(node, linear)) return { attrs: node.attrs, constants: constants };
  const columns = keptOf(graph, spaces, kept, node.inputs[0] ?? '');
  const depthwise = isDepthwise(graph, node);
  const weight = must(constants.get(1), 'a layer has weights');
  if (!depthwise && !(is(node, conv) && node.attrs.groups > 1)) constants.set(1, picked(weight, 1, columns));
  const { clamp } = node.attrs;
  const bounds = clamp === undefined ? {} : { clamp: pickedClamp(clamp, rows) };
  if (!is(node, conv)) return { attrs: { ...node.attrs, ...bounds }, constants };
  const { padValues } = node.attrs;
  const padding = padValues === undefined ? {} : { padValues: columns.map((c) => padValues[c] ?? 0) };
  const groups = depthwise ? { groups: rows.length } : {};
  return { attrs: { ...node.attrs, ...bounds, ...padding, ...groups }, constants };
}

/** Some indices along axis 0 or 1. */
function picked({ shape, data }: Tensor, axis: 0 | 1, index: readonly number[]): Tensor {
  const size = shape[axis] ?? 1;
  const inner = countOf(shape.slice(axis + 1));
  const outer = axis === 0 ? 1 : (shape[0] ?? 1);
  const made = new Float32Array(outer * index.length * inner);
  for (let o = 0; o < outer; o++)
    index.forEach((from, to) => {
      const at = (o * size + from) * inner;
      made.set(data.subarray(at, at + inner), (o * index.length + to) * inner);
    });
  return constantOf(shape.with(axis, index.length), made);
}

function withNode(graph: Graph<'float'>, { name }: Node, { attrs, constants }: Shrunk): Graph<'float'> {
  const fresh = new Map<string, Tensor>();
  const nodes = graph.nodes.map((node) => {
    if (node.name !== name) return node;
    const inputs = node.inputs.map((input, i) => {
      const constant = constants.get(i);
      if (constant === undefined) return input;
      const made = freshName(graph, `${name}.kept.${i}`);
      fresh.set(made, constant);
      return made;
    });
    return { ...node, attrs, inputs };
  });
  return withConstants({ ...graph, nodes }, fresh);
}

/** In the model's own indices. */
function stillKept(
  { shape, kept }: TensorInfo<'float'>,
  rows: readonly number[],
): { kept?: readonly number[] } {
  if (rows.length === shape[1]) return {};
  return { kept: rows.map((row) => kept?.[row] ?? row) };
}

/** The types of the activations, inferred anew. */
function shrunkTensors(
  graph: Graph<'float'>,
  spaces: ChannelSpaces,
  kept: KeptChannels,
): Graph<'float'>['tensors'] {
  const made = new Map(graph.tensors);
  for (const node of graph.nodes) {
    const [output = ''] = node.outputs;
    const old = must(graph.tensors.get(output), 'outputs have types');
    if (old.shape.length < 2) continue;
    const rows = keptOf(graph, spaces, kept, output);
    made.set(output, { ...old, shape: old.shape.with(1, rows.length), ...stillKept(old, rows) });
  }
  return made;
}
