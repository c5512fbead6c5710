/**
 * A fused float graph as steps of training. Three kinds suffice: rows of products (`affine`) are convolutions and
 * linear layers with weights that learn, and with fixed ones padding, average pools, additions and transposes.
 * Everything here is plain data, so that it can be sent to other threads.
 */

import { InputError, locate, must } from '../../base/errors.ts';
import { broadcastIndex } from '../../ir/geometry/broadcast.ts';
import { padInto, type Sweep, sweepOf } from '../../ir/geometry/slide.ts';
import { type WindowAxis, windowAxes } from '../../ir/geometry/window.ts';
import { type Graph, is, type Node } from '../../ir/graph/graph.ts';
import { type Clamp, clampAt, type RowClamp } from '../../ir/integers/row-clamp.ts';
import { add } from '../../ir/ops/add.ts';
import { avgPool } from '../../ir/ops/avg-pool.ts';
import { clip } from '../../ir/ops/clip.ts';
import { type PoolAttrs, poolAxes } from '../../ir/ops/common/pool.ts';
import { conv } from '../../ir/ops/conv.ts';
import { linear } from '../../ir/ops/linear.ts';
import { maxPool } from '../../ir/ops/max-pool.ts';
import { reshape } from '../../ir/ops/reshape.ts';
import { softmax } from '../../ir/ops/softmax.ts';
import { transpose } from '../../ir/ops/transpose.ts';
import { countOf, type Shape, type Tensor } from '../../ir/tensor.ts';
import { elementBytes } from './kernels.ts';

/** Row r has the terms `rowStarts[r]` to `rowStarts[r + 1]`, each a byte offset into its input. */
export interface Terms {
  readonly rowStarts: Int32Array;
  readonly offsets: Int32Array;
}

/** y[row, pixel] = bias[row] + sum of weight[term] x[pixel + offset[term]]. Addresses are bytes in the values. */
export interface Affine {
  readonly kind: 'affine';
  readonly rows: number;
  readonly terms: Terms;
  readonly pixelStarts: Int32Array;
  readonly x: number;
  readonly y: number;
  readonly values:
    | { readonly kind: 'layer'; readonly layer: number }
    | { readonly kind: 'fixed'; readonly weights: Float32Array; readonly bias: Float32Array };
  /** Whether anything that learns lies before the input. */
  readonly inputLearns: boolean;
}

interface MaxPool {
  readonly kind: 'maxPool';
  readonly channels: number;
  readonly planeBytes: number;
  readonly taps: Int32Array;
  readonly pixelStarts: Int32Array;
  readonly x: number;
  readonly y: number;
}

interface ClampStep {
  readonly kind: 'clamp';
  readonly x: number;
  readonly count: number;
  readonly clamp: Clamp;
}

interface SoftmaxStep {
  readonly kind: 'softmax';
  readonly x: number;
  readonly y: number;
  /** lines x size x inner elements; `size` of them sum to 1. */
  readonly lines: number;
  readonly size: number;
  readonly inner: number;
}

/** `learns`: whether its output depends on weights that learn, so that it has a backward step. */
export type Step = (Affine | MaxPool | ClampStep | SoftmaxStep) & { readonly learns: boolean };

/** A convolution or linear layer: weights of rows x terms in their own order. */
export interface Layer {
  readonly node: string;
  readonly weight: string;
  /** '' for none. */
  readonly bias: string;
  readonly rows: number;
  readonly termsPerRow: number;
  /** Of all weights. */
  readonly offsets: Int32Array;
  /** How often each weight is used for one sample. */
  readonly pixels: number;
}

export interface Network {
  readonly steps: readonly Step[];
  readonly layers: readonly Layer[];
  /** Of all activations of a group. */
  readonly valueBytes: number;
  readonly input: number;
  readonly inputShape: Shape;
  readonly output: number;
  readonly outputCount: number;
}

/** An activation while building. */
interface Span {
  readonly at: number;
  readonly shape: Shape;
  readonly learns: boolean;
}

class Builder {
  readonly steps: Step[] = [];
  readonly layers: Layer[] = [];
  readonly places = new Map<string, Span>();
  bytes = 0;

  place(shape: Shape, learns: boolean): Span {
    const at = this.bytes;
    this.bytes += countOf(shape) * elementBytes;
    return { at, shape, learns };
  }

  /** Bounds that differ by channel are a step per channel. */
  clamp({ at, shape, learns }: Span, clamp: RowClamp | undefined): void {
    if (clamp === undefined) return;
    const { lo, hi } = clamp;
    if (typeof lo === 'number' && typeof hi === 'number') {
      this.steps.push({ kind: 'clamp', x: at, count: countOf(shape), clamp: { lo, hi }, learns });
      return;
    }
    const [, channels = 1, ...spatial] = shape;
    const count = countOf(spatial);
    for (let c = 0; c < channels; c++) {
      const x = at + c * count * elementBytes;
      this.steps.push({ kind: 'clamp', x, count, clamp: clampAt(clamp, c), learns });
    }
  }

  /** Element i of the new place is bias[i] plus weight x value over `terms(i)`: [address in elements, weight]. */
  fixed(
    shape: Shape,
    from: readonly Span[],
    terms: (i: number) => readonly (readonly [address: number, weight: number])[],
    bias: (i: number) => number = () => 0,
  ): Span {
    const learns = from.some((place) => place.learns);
    const to = this.place(shape, learns);
    const rows = countOf(shape);
    const lists = Array.from({ length: rows }, (_, i) => terms(i));
    const rowStarts = new Int32Array(rows + 1);
    lists.forEach((list, i) => {
      rowStarts[i + 1] = (rowStarts[i] ?? 0) + list.length;
    });
    const flat = lists.flat();
    this.steps.push({
      kind: 'affine',
      rows,
      terms: { rowStarts, offsets: Int32Array.from(flat, ([address]) => address) },
      pixelStarts: new Int32Array(1),
      x: 0,
      y: to.at,
      values: {
        kind: 'fixed',
        weights: Float32Array.from(flat, ([, weight]) => weight),
        bias: Float32Array.from(lists, (_, i) => bias(i)),
      },
      inputLearns: learns,
      learns,
    });
    return to;
  }
}

/** Per element of a padded channel: the element of the channel that lies there, or -1. */
function paddedIndex(sweep: Sweep): Int32Array {
  const padded = new Float64Array(sweep.paddedCount).fill(-1);
  padInto(
    padded,
    0,
    Float64Array.from({ length: sweep.inCount }, (_, i) => i),
    0,
    sweep,
  );
  return Int32Array.from(padded);
}

const addressOf = (place: Span, element: number): number => place.at + element * elementBytes;

function padded(b: Builder, x: Span, sweep: Sweep, value: (channel: number) => number): Span {
  if (sweep.paddedCount === sweep.inCount) return x;
  const index = paddedIndex(sweep);
  const inside = (i: number): number => index[i % sweep.paddedCount] ?? -1;
  const channelOf = (i: number): number => Math.floor(i / sweep.paddedCount);
  return b.fixed(
    [1, x.shape[1] ?? 1, sweep.paddedCount],
    [x],
    (i) => (inside(i) < 0 ? [] : [[addressOf(x, channelOf(i) * sweep.inCount + inside(i)), 1]]),
    (i) => (inside(i) < 0 ? value(channelOf(i)) : 0),
  );
}

const inBytes = (elements: Int32Array): Int32Array => elements.map((n) => n * elementBytes);

function pool(b: Builder, attrs: PoolAttrs, image: Span): Span {
  const axes = poolAxes(attrs, image.shape);
  const sweep = sweepOf(axes);
  const x = padded(b, image, sweep, () => Number.NEGATIVE_INFINITY);
  const channels = image.shape[1] ?? 1;
  const y = b.place([1, channels, ...axes.map((axis) => axis.out)], x.learns);
  b.steps.push({
    kind: 'maxPool',
    channels,
    planeBytes: sweep.paddedCount * elementBytes,
    taps: inBytes(sweep.taps),
    pixelStarts: inBytes(sweep.starts),
    x: x.at,
    y: y.at,
    learns: x.learns,
  });
  return y;
}

function average(b: Builder, attrs: PoolAttrs, x: Span): Span {
  const axes = poolAxes(attrs, x.shape);
  const sweep = sweepOf(axes);
  const index = paddedIndex(sweep);
  const ones: Tensor = {
    dtype: 'float64',
    shape: [1, 1, ...x.shape.slice(2)],
    data: new Float64Array(sweep.inCount).fill(1),
  };
  // The average of ones is the share of the divisor that lies inside of the image.
  const share = must(avgPool.reference(attrs, [ones])[0], 'an average').data;
  return b.fixed([1, x.shape[1] ?? 1, ...axes.map((axis) => axis.out)], [x], (i) => {
    const [channel, pixel] = [Math.floor(i / sweep.outCount), i % sweep.outCount];
    const inside = [...sweep.taps]
      .map((tap) => index[(sweep.starts[pixel] ?? 0) + tap] ?? -1)
      .filter((element) => element >= 0);
    const weight = (share[pixel] ?? 0) / inside.length;
    return inside.map((element) => [addressOf(x, channel * sweep.inCount + element), weight] as const);
  });
}

interface Weighted {
  readonly node: Node;
  readonly x: Span;
  readonly shape: Shape;
  readonly rows: number;
  /** Byte offsets of the terms of all rows. */
  readonly offsets: Int32Array;
  readonly pixelStarts: Int32Array;
  readonly inputLearns: boolean;
}

function learned(b: Builder, layer: Weighted): Span {
  const { node, x, rows, offsets, pixelStarts, shape, inputLearns } = layer;
  const weight = node.inputs[1] ?? '';
  if (b.layers.some((other) => other.weight === weight))
    throw new InputError({
      found: `weights '${weight}' shared with another layer`,
      supported: 'own weights',
    });
  const y = b.place(shape, true);
  const termsPerRow = offsets.length / rows;
  b.steps.push({
    kind: 'affine',
    rows,
    terms: { rowStarts: Int32Array.from({ length: rows + 1 }, (_, r) => r * termsPerRow), offsets },
    pixelStarts,
    x: x.at,
    y: y.at,
    values: { kind: 'layer', layer: b.layers.length },
    inputLearns,
    learns: true,
  });
  const bias = node.inputs[2] ?? '';
  b.layers.push({
    node: node.name,
    weight,
    bias,
    rows,
    termsPerRow,
    offsets,
    pixels: pixelStarts.length,
  });
  return y;
}

type Convolution = Parameters<typeof conv.infer>[0];

function convolution(b: Builder, graph: Graph<'float'>, node: Node, attrs: Convolution, input: Span): Span {
  const w = weightOf(graph, node);
  const [outs = 0, depth = 0] = w.shape;
  const axes: WindowAxis[] = windowAxes(attrs, input.shape, w.shape.slice(2));
  const sweep = sweepOf(axes);
  const x = padded(b, input, sweep, (channel) => attrs.padValues?.[channel] ?? 0);
  const taps = sweep.taps.length;
  const offsets = Int32Array.from({ length: outs * depth * taps }, (_, i) => {
    const row = Math.floor(i / (depth * taps));
    const firstChannel = Math.floor((row * attrs.groups) / outs) * depth;
    const channel = firstChannel + Math.floor((i % (depth * taps)) / taps);
    return (channel * sweep.paddedCount + (sweep.taps[i % taps] ?? 0)) * elementBytes;
  });
  const sums = learned(b, {
    node,
    x,
    shape: [1, outs, ...axes.map((axis) => axis.out)],
    rows: outs,
    offsets,
    pixelStarts: inBytes(sweep.starts),
    inputLearns: input.learns,
  });
  b.clamp(sums, attrs.clamp);
  return attrs.pool === undefined ? sums : pool(b, attrs.pool, sums);
}

function linearLayer(
  b: Builder,
  graph: Graph<'float'>,
  node: Node,
  clamp: RowClamp | undefined,
  x: Span,
): Span {
  const [outs = 0, features = 0] = weightOf(graph, node).shape;
  if (x.shape[0] !== 1)
    throw new InputError({ found: `a linear layer on ${x.shape[0]} rows`, supported: 'one row per sample' });
  const offsets = Int32Array.from({ length: outs * features }, (_, i) => (i % features) * elementBytes);
  const y = learned(b, {
    node,
    x,
    shape: [1, outs],
    rows: outs,
    offsets,
    pixelStarts: new Int32Array(1),
    inputLearns: x.learns,
  });
  b.clamp(y, clamp);
  return y;
}

function weightOf(graph: Graph<'float'>, node: Node): Tensor {
  const name = node.inputs[1] ?? '';
  const found = graph.tensors.get(name)?.constant;
  if (found === undefined)
    throw new InputError({ found: `weights '${name}' that are computed`, supported: 'constant weights' });
  return found;
}

function addition(
  b: Builder,
  graph: Graph<'float'>,
  node: Node,
  clamp: RowClamp | undefined,
  shape: Shape,
): Span {
  const constants = node.inputs.map((name) => graph.tensors.get(name)?.constant);
  const places = node.inputs.map((name) => b.places.get(name));
  const index = node.inputs.map((_, i) =>
    broadcastIndex(must(constants[i] ?? places[i], 'an operand of an addition').shape, shape),
  );
  const moving = places.flatMap((place, i) => (place === undefined ? [] : [{ place, i }]));
  const y = b.fixed(
    shape,
    moving.map(({ place }) => place),
    (e) => moving.map(({ place, i }) => [addressOf(place, index[i]?.[e] ?? 0), 1] as const),
    (e) => constants.reduce((sum, c, i) => sum + (c?.data[index[i]?.[e] ?? 0] ?? 0), 0),
  );
  b.clamp(y, clamp);
  return y;
}

function transposed(b: Builder, node: Node, x: Span): Span {
  const index: Tensor = {
    dtype: 'int32',
    shape: x.shape,
    data: Int32Array.from({ length: countOf(x.shape) }, (_, i) => i),
  };
  const moved = must(
    transpose.reference(node.attrs as { perm: number[] }, [index])[0],
    'a transposed tensor',
  );
  return b.fixed(moved.shape, [x], (i) => [[addressOf(x, moved.data[i] ?? 0), 1]]);
}

function softmaxOf(b: Builder, axis: number, x: Span): Span {
  const y = b.place(x.shape, x.learns);
  const size = x.shape[axis] ?? 1;
  const inner = countOf(x.shape.slice(axis + 1));
  const lines = countOf(x.shape.slice(0, axis));
  b.steps.push({ kind: 'softmax', x: x.at, y: y.at, lines, size, inner, learns: x.learns });
  return y;
}

function build(b: Builder, graph: Graph<'float'>, node: Node): Span {
  if (is(node, add)) {
    const shape = must(graph.tensors.get(node.outputs[0] ?? ''), 'outputs have types').shape;
    return addition(b, graph, node, node.attrs.clamp, shape);
  }
  const x = b.places.get(node.inputs[0] ?? '');
  if (x === undefined) throw new InputError({ found: 'a constant as its input', supported: 'activations' });
  if (is(node, conv)) return convolution(b, graph, node, node.attrs, x);
  if (is(node, linear)) return linearLayer(b, graph, node, node.attrs.clamp, x);
  if (is(node, maxPool)) return pool(b, node.attrs, x);
  if (is(node, avgPool)) return average(b, node.attrs, x);
  if (is(node, reshape)) return { ...x, shape: node.attrs.shape };
  if (is(node, transpose)) return transposed(b, node, x);
  if (is(node, softmax)) return softmaxOf(b, node.attrs.axis, x);
  if (is(node, clip)) {
    const y = b.fixed(x.shape, [x], (i) => [[addressOf(x, i), 1]]);
    b.clamp(y, node.attrs);
    return y;
  }
  throw new InputError({
    found: `operator '${node.op.kind}' in fine-tuning`,
    supported: 'conv, linear, maxPool, avgPool, add, clip, reshape, transpose, softmax',
    todo: 'fold batch norms and fuse the graph first',
  });
}

/** The nodes without a softmax at the end: training compares what goes into it. */
function nodesToLogits(graph: Graph<'float'>): readonly Node[] {
  const last = graph.nodes.at(-1);
  const final = last !== undefined && is(last, softmax) && graph.outputs.includes(last.outputs[0] ?? '');
  return final ? graph.nodes.slice(0, -1) : graph.nodes;
}

/**
 * The network's steps up to its logits (a softmax at the end is left away).
 * @throws InputError naming the node for operators without a gradient here, shared or computed weights
 */
export function networkOf(graph: Graph<'float'>): Network {
  const input = must(graph.inputs[0], 'a float graph has an input');
  const inputShape = must(graph.tensors.get(input), 'the input has a type').shape;
  const b = new Builder();
  b.places.set(input, b.place(inputShape, false));
  const nodes = nodesToLogits(graph);
  for (const node of nodes) {
    const made = locate(`node '${node.name}'`, () => build(b, graph, node));
    b.places.set(node.outputs[0] ?? '', made);
  }
  const logits = nodes === graph.nodes ? graph.outputs[0] : graph.nodes.at(-1)?.inputs[0];
  const output = must(b.places.get(logits ?? ''), 'the logits are made by a node');
  return {
    steps: b.steps,
    layers: b.layers,
    valueBytes: b.bytes,
    input: must(b.places.get(input), 'the input has its place').at,
    inputShape,
    output: output.at,
    outputCount: countOf(output.shape),
  };
}
