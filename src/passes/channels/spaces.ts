/** Which channels of a network belong together: those that can only be removed all at once. */

import { must } from '../../base/errors.ts';
import type { Channels } from '../../ir/graph/channels.ts';
import { channelsOf, type Graph, type Node } from '../../ir/graph/graph.ts';
import { channelCount } from '../../ir/tensor.ts';

/** A node that makes or reads a tensor of a space, of which each channel is so many elements of axis 1. */
interface End {
  readonly node: Node;
  readonly inner: number;
}

/** Channels that every tensor along a way of pools, activations, depthwise convolutions and additions has. */
export interface Space {
  readonly channels: number;
  /** Nodes whose outputs have them. */
  readonly makers: readonly End[];
  /** Layers that read a channel as some of their columns. */
  readonly readers: readonly End[];
}

/** Elements of axis 1 of a tensor: element i belongs to channel floor(i / inner). */
export interface ChannelAxis {
  readonly space: Space;
  readonly inner: number;
}

/** All channels of a space. */
export const channelsIn = ({ channels }: Space): readonly number[] => [...Array(channels).keys()];

export interface ChannelSpaces {
  /** Those of which channels can be removed. */
  readonly free: readonly Space[];
  readonly axisOf: (tensor: string) => ChannelAxis;
}

export function channelSpaces(graph: Graph<'float'>): ChannelSpaces {
  const finder = new Finder(graph);
  for (const input of graph.inputs) finder.newAxis(input, true);
  for (const node of graph.nodes) finder.visit(node, channelsOf(graph, node));
  for (const output of graph.outputs) finder.axis(output).space.locked = true;
  return finder.result();
}

interface GrowingSpace extends Space {
  readonly makers: End[];
  readonly readers: End[];
  locked: boolean;
}

type GrowingAxis = ChannelAxis & { readonly space: GrowingSpace };

class Finder {
  readonly #graph: Graph<'float'>;
  readonly #axes = new Map<string, GrowingAxis>();
  readonly #spaces = new Set<GrowingSpace>();

  constructor(graph: Graph<'float'>) {
    this.#graph = graph;
  }

  #shape(tensor: string): readonly number[] {
    return must(this.#graph.tensors.get(tensor), `tensor '${tensor}' is known`).shape;
  }

  axis(tensor: string): GrowingAxis {
    return must(this.#axes.get(tensor), `'${tensor}' has channels`);
  }

  newAxis(tensor: string, locked: boolean): GrowingAxis {
    const [batch, channels = 1] = this.#shape(tensor);
    const space: GrowingSpace = { channels, makers: [], readers: [], locked: locked || batch !== 1 };
    this.#spaces.add(space);
    this.#axes.set(tensor, { space, inner: 1 });
    return this.axis(tensor);
  }

  visit(node: Node, channels: Channels): void {
    const [output = '', ...more] = node.outputs;
    const inputs = node.inputs.filter((name) => this.#axes.has(name));
    // What several outputs have in common is not said.
    const axis = more.length > 0 ? undefined : this.#after(node, channels, inputs);
    if (axis === undefined || channels.flow === 'opaque') {
      for (const name of inputs) this.axis(name).space.locked = true;
      for (const name of node.outputs) if (name !== '') this.newAxis(name, true);
    } else {
      this.#axes.set(output, axis);
      axis.space.makers.push({ node, inner: axis.inner });
    }
  }

  /** The axis of its output; undefined where nothing that it reads or makes can lose channels. */
  #after(
    node: Node,
    channels: Channels,
    [first = '', ...others]: readonly string[],
  ): GrowingAxis | undefined {
    const [output = ''] = node.outputs;
    if (channels.flow === 'opaque') return undefined;
    const { space, inner } = this.axis(first);
    switch (channels.flow) {
      case 'made':
        space.readers.push({ node, inner });
        return this.newAxis(output, false);
      case 'kept':
        if (others.some((name) => this.axis(name).inner !== inner)) return undefined;
        for (const name of others) this.#join(space, this.axis(name).space);
        return { space, inner };
      case 'spread':
        return { space, inner: channelCount(this.#shape(output)) / space.channels };
      default:
        return channels satisfies never;
    }
  }

  #join(into: GrowingSpace, from: GrowingSpace): void {
    if (into === from) return;
    into.makers.push(...from.makers);
    into.readers.push(...from.readers);
    into.locked ||= from.locked;
    this.#spaces.delete(from);
    for (const [name, { space, inner }] of this.#axes)
      if (space === from) this.#axes.set(name, { space: into, inner });
  }

  result(): ChannelSpaces {
    return {
      free: [...this.#spaces].filter((s) => !s.locked && s.channels > 1 && s.readers.length > 0),
      axisOf: (tensor) => this.axis(tensor),
    };
  }
}
