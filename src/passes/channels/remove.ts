/** Channels that nothing reads any more are taken out of the graph; what it computes stays the same. */

import { at } from '../../base/errors.ts';
import { channelsOf, type Graph, type Node, type TensorInfo } from '../../ir/graph/graph.ts';
import type { Tensor } from '../../ir/tensor.ts';
import { freshName, withConstants } from '../rewrite.ts';
import { type ChannelSpaces, channelsIn, type Space } from './spaces.ts';

/** The channels of each space that stay, ascending; spaces that are not named keep all. */
export type KeptChannels = ReadonlyMap<Space, readonly number[]>;

export function shrink(graph: Graph<'float'>, spaces: ChannelSpaces, kept: KeptChannels): Graph<'float'> {
  const constants = new Map<string, Tensor>();
  const tensors = new Map(graph.tensors);
  const nodes = graph.nodes.map((node): Node => {
    const channels = channelsOf(graph, node);
    if (channels.flow === 'opaque') return node;
    const [output = ''] = node.outputs;
    const left = keptOf(spaces, kept, output);
    const info = graph.tensors.get(output);
    if (info !== undefined) tensors.set(output, shrunkInfo(info, left));
    const reduced = channels.reduced(keptOf(spaces, kept, at(node.inputs, 0)), left);
    const inputs = node.inputs.map((name, i) => {
      const constant = reduced.constants?.[i];
      if (constant === undefined) return name;
      const made = freshName(graph, `${node.name}.kept.${i}`);
      constants.set(made, constant);
      return made;
    });
    return { ...node, attrs: reduced.attrs, inputs };
  });
  return withConstants({ ...graph, nodes, tensors }, constants);
}

/** Indices along axis 1 of a tensor that stay. */
function keptOf(spaces: ChannelSpaces, kept: KeptChannels, tensor: string): number[] {
  const { space, inner } = spaces.axisOf(tensor);
  const channels = kept.get(space) ?? channelsIn(space);
  return channels.flatMap((c) => Array.from({ length: inner }, (_, i) => c * inner + i));
}

/** What is left is named in the model's own indices. */
function shrunkInfo(info: TensorInfo<'float'>, left: readonly number[]): TensorInfo<'float'> {
  const { shape, kept } = info;
  if (shape.length < 2 || left.length === shape[1]) return info;
  return { ...info, shape: shape.with(1, left.length), kept: left.map((i) => kept?.[i] ?? i) };
}
