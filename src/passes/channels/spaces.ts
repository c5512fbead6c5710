/** Which channels of a network belong together: those that can only be removed all at once. */
import { must } from '../../base/errors.ts';
import { type Graph, is, type Node } from '../../ir/graph/graph.ts';
import { add } from '../../ir/ops/add.ts';
import { avgPool } from '../../ir/ops/avg-pool.ts';
import { batchNorm } from '../../ir/ops/batch-norm.ts';
import { clip } from '../../ir/ops/clip.ts';
import { conv } from '../../ir/ops/conv.ts';
import { linear } from '../../ir/ops/linear.ts';
import { maxPool } from '../../ir/ops/max-pool.ts';
import { reshape } from '../../ir/ops/reshape.ts';
import { sameShape } from '../../ir/tensor.ts';

/** Channels that every tensor along a way of pools, activations, depthwise convolutions and additions has. */
export interface Space {
  readonly channels: number;
  /** Layers of which a channel is an output row, and those that keep one number per channel (batch norms). */
  readonly makers: readonly Node[];
  /** Layers that read a channel as some of their columns. */
  readonly readers: readonly Node[];
}

/** Elements of axis 1 of a tensor: element i belongs to channel floor(i / inner). */
export interface ChannelAxis {
  readonly space: Space;
  readonly inner: number;
}

export interface ChannelSpaces {
  /** Those of which channels can be removed. */
  readonly free: readonly Space[];
  readonly axisOf: (tensor: string) => ChannelAxis;
}

/** Whether each output channel of a convolution sees its own input channel only. */
export const isDepthwise = (graph: Graph<'float'>, node: Node): boolean => {
  const [rows, depth] = graph.tensors.get(node.inputs[1] ?? '')?.shape ?? [];
  return is(node, conv) && node.attrs.groups > 1 && depth === 1 && rows === node.attrs.groups;
};

export function channelSpaces(graph: Graph<'float'>): ChannelSpaces {
  const finder = new Finder(graph);
  for (const input of graph.inputs) finder.lockedAxis(input);
  for (const node of graph.nodes) finder.visit(node);
  for (const output of graph.outputs) finder.lock(output);
  return finder.result();
}

class MutableSpace implements Space {
  readonly channels: number;
  readonly makers: Node[] = [];
  readonly readers: Node[] = [];
  locked = false;
  /** Where it went when it was joined with another. */
  joined: MutableSpace | undefined;

  constructor(channels: number) {
    this.channels = channels;
  }
}

const rootOf = (space: MutableSpace): MutableSpace =>
  space.joined === undefined ? space : rootOf(space.joined);

class Finder {
  readonly #graph: Graph<'float'>;
  readonly #axes = new Map<string, { readonly space: MutableSpace; readonly inner: number }>();
  readonly #spaces: MutableSpace[] = [];

  constructor(graph: Graph<'float'>) {
    this.#graph = graph;
  }

  #shape(tensor: string): readonly number[] {
    return must(this.#graph.tensors.get(tensor), `tensor '${tensor}' is known`).shape;
  }

  #axis(tensor: string): { readonly space: MutableSpace; readonly inner: number } {
    const { space, inner } = must(this.#axes.get(tensor), `'${tensor}' has channels`);
    return { space: rootOf(space), inner };
  }

  #newSpace(tensor: string): MutableSpace {
    const space = new MutableSpace(this.#shape(tensor)[1] ?? 1);
    this.#spaces.push(space);
    this.#axes.set(tensor, { space, inner: 1 });
    return space;
  }

  lockedAxis(tensor: string): void {
    this.#newSpace(tensor).locked = true;
  }

  lock(tensor: string): void {
    this.#axis(tensor).space.locked = true;
  }

  visit(node: Node): void {
    const [output = ''] = node.outputs;
    const [input = ''] = node.inputs;
    if (is(node, conv) || is(node, linear)) this.#layer(node, input, output);
    else if (is(node, add)) this.#addition(node, output);
    else if (is(node, reshape)) this.#reshape(node, input, output);
    else if (is(node, clip) || is(node, maxPool) || is(node, avgPool) || is(node, batchNorm)) {
      this.#axes.set(output, this.#axis(input));
      if (is(node, batchNorm)) this.#axis(input).space.makers.push(node);
    } else this.#opaque(node, output);
  }

  /** Nothing that it reads or makes can lose channels. */
  #opaque(node: Node, output: string): void {
    for (const name of node.inputs) if (this.#axes.has(name)) this.lock(name);
    this.lockedAxis(output);
  }

  #layer(node: Node, input: string, output: string): void {
    if (!is(node, conv) || node.attrs.groups === 1) this.#dense(node, input, output);
    else if (isDepthwise(this.#graph, node)) {
      this.#axis(input).space.makers.push(node);
      this.#axes.set(output, this.#axis(input));
    } else this.#opaque(node, output);
  }

  #dense(node: Node, input: string, output: string): void {
    if (this.#shape(input)[0] !== 1) this.lock(input);
    this.#axis(input).space.readers.push(node);
    this.#newSpace(output).makers.push(node);
  }

  /** Operands of one shape lose the same channels; a constant or a broadcast one forbids it. */
  #addition(node: Node, output: string): void {
    const [a = '', b = ''] = node.inputs;
    const joinable =
      this.#axes.has(a) &&
      this.#axes.has(b) &&
      sameShape(this.#shape(a), this.#shape(b)) &&
      this.#axis(a).inner === this.#axis(b).inner;
    if (!joinable) {
      this.#opaque(node, output);
      return;
    }
    const [one, other] = [this.#axis(a), this.#axis(b)];
    if (one.space !== other.space) this.#join(one.space, other.space);
    this.#axes.set(output, this.#axis(a));
  }

  #join(into: MutableSpace, from: MutableSpace): void {
    into.makers.push(...from.makers);
    into.readers.push(...from.readers);
    into.locked ||= from.locked;
    from.joined = into;
  }

  /** 1xCx... to 1xF: each channel becomes a run of features. */
  #reshape(node: Node, input: string, output: string): void {
    const [from, to] = [this.#shape(input), this.#shape(output)];
    if (from[0] === 1 && to[0] === 1 && to.length === 2) {
      const { space } = this.#axis(input);
      this.#axes.set(output, { space, inner: (to[1] ?? 1) / space.channels });
    } else this.#opaque(node, output);
  }

  result(): ChannelSpaces {
    const roots = this.#spaces.filter((space) => space.joined === undefined);
    return {
      free: roots.filter((s) => !s.locked && s.channels > 1 && s.readers.length > 0),
      axisOf: (tensor) => this.#axis(tensor),
    };
  }
}
