/**
 * Gradients of a weighted sum of the network's outputs with respect to every layer's sums, for one sample.
 * Clamps pass a gradient strictly inside of their bounds; a max-pool passes it to the first largest element.
 */

import { DefectError, must } from '../../base/errors.ts';
import { broadcastIndex } from '../../ir/geometry/broadcast.ts';
import { type Sweep, sweepOf } from '../../ir/geometry/slide.ts';
import { type Graph, is, type Node } from '../../ir/graph/graph.ts';
import { type Clamp, clampAt, type RowClamp } from '../../ir/integers/row-clamp.ts';
import { add } from '../../ir/ops/add.ts';
import { avgPool } from '../../ir/ops/avg-pool.ts';
import { batchNorm } from '../../ir/ops/batch-norm.ts';
import { clip } from '../../ir/ops/clip.ts';
import { type PoolAttrs, poolAxes } from '../../ir/ops/common/pool.ts';
import { type ConvAttrs, conv, convAxes } from '../../ir/ops/conv.ts';
import { linear } from '../../ir/ops/linear.ts';
import { maxPool } from '../../ir/ops/max-pool.ts';
import { softmax } from '../../ir/ops/softmax.ts';
import { type TransposeAttrs, transpose } from '../../ir/ops/transpose.ts';
import { countOf, type Shape, stridesOf, type Tensor } from '../../ir/tensor.ts';
import type { Recorded } from './forward.ts';

/** The tensor whose error counts: the output, or what a softmax makes it of (near 1 it hides every error). */
export function logitsOf(graph: Graph<'float'>): string {
  const output = must(graph.outputs[0], 'a float graph has an output');
  const maker = graph.nodes.find((node) => node.outputs.includes(output));
  return maker !== undefined && is(maker, softmax) ? (maker.inputs[0] ?? output) : output;
}

/**
 * @param direction weights of the elements of `logitsOf(graph)`
 * @returns by node name, the gradients of the layers' sums (before clamp and pool)
 */
export function gradients(
  graph: Graph<'float'>,
  run: Recorded,
  direction: Float64Array,
): ReadonlyMap<string, Float64Array> {
  const byTensor = new Map<string, Float64Array>([[logitsOf(graph), direction]]);
  const bySums = new Map<string, Float64Array>();
  for (const node of graph.nodes.toReversed()) {
    const gradient = byTensor.get(node.outputs[0] ?? '');
    if (gradient === undefined) continue;
    const step = new Step(graph, run, node, byTensor);
    const ofSums = step.back(gradient);
    if (ofSums !== undefined) bySums.set(node.name, ofSums);
  }
  return bySums;
}

/** One node on the way back. */
class Step {
  readonly #graph: Graph<'float'>;
  readonly #run: Recorded;
  readonly #node: Node;
  readonly #gradients: Map<string, Float64Array>;

  constructor(graph: Graph<'float'>, run: Recorded, node: Node, byTensor: Map<string, Float64Array>) {
    this.#graph = graph;
    this.#run = run;
    this.#node = node;
    this.#gradients = byTensor;
  }

  #value(index: number): Tensor {
    const name = this.#node.inputs[index] ?? '';
    return must(this.#graph.tensors.get(name)?.constant ?? this.#run.values.get(name), `'${name}' is known`);
  }

  /** Adds to the gradient of an input, unless it is a constant. */
  #add(index: number, gradient: Float64Array): void {
    const name = this.#node.inputs[index] ?? '';
    if (this.#graph.tensors.get(name)?.constant !== undefined) return;
    const old = this.#gradients.get(name);
    this.#gradients.set(name, old === undefined ? gradient : old.map((g, i) => g + (gradient[i] as number)));
  }

  /** @returns the gradient of the sums, of layers that have weights. */
  back(gradient: Float64Array): Float64Array | undefined {
    const node = this.#node;
    const sums = this.#run.sums.get(node.name);
    if (sums !== undefined) return this.#layer(gradient, sums);
    if (is(node, add)) this.#addition(gradient, node.attrs.clamp);
    else if (is(node, clip)) this.#add(0, throughClamp(gradient, this.#value(0), node.attrs));
    else if (is(node, maxPool)) this.#add(0, throughMaxPool(gradient, this.#value(0), node.attrs));
    else if (is(node, avgPool)) this.#add(0, throughAveragePool(gradient, this.#value(0), node.attrs));
    else if (is(node, batchNorm)) this.#add(0, this.#normalization(gradient, node.attrs.epsilon));
    else if (is(node, transpose)) this.#add(0, throughTranspose(gradient, this.#value(0).shape, node.attrs));
    else if (node.op.alias) this.#add(0, gradient);
    else if (!is(node, softmax)) throw new DefectError(`no gradient of operator '${node.op.kind}'`);
    return undefined;
  }

  #layer(gradient: Float64Array, sums: Tensor): Float64Array {
    const node = this.#node;
    const needed = this.#graph.inputs[0] !== node.inputs[0];
    if (is(node, conv)) {
      const { clamp, pool } = node.attrs;
      const unpooled = pool === undefined ? gradient : throughMaxPool(gradient, sums, pool);
      const ofSums = throughClamp(unpooled, sums, clamp);
      if (needed) this.#add(0, throughConv(ofSums, this.#value(0), this.#value(1), node.attrs));
      return ofSums;
    }
    const ofSums = throughClamp(gradient, sums, is(node, linear) ? node.attrs.clamp : undefined);
    if (needed) this.#add(0, throughLinear(ofSums, this.#value(1)));
    return ofSums;
  }

  #addition(gradient: Float64Array, clamp: Clamp | undefined): void {
    const [a, b] = [this.#value(0), this.#value(1)];
    const shape = must(this.#run.values.get(this.#node.outputs[0] ?? ''), 'a sum is known').shape;
    const [fromA, fromB] = [broadcastIndex(a.shape, shape), broadcastIndex(b.shape, shape)];
    const inside = gradient.map((g, i) => {
      const sum = (a.data[fromA[i] as number] as number) + (b.data[fromB[i] as number] as number);
      return clamp === undefined || (sum > clamp.lo && sum < clamp.hi) ? g : 0;
    });
    this.#add(0, summedTo(inside, fromA, a.data.length));
    this.#add(1, summedTo(inside, fromB, b.data.length));
  }

  #normalization(gradient: Float64Array, epsilon: number): Float64Array {
    const { shape } = this.#value(0);
    const inner = countOf(shape.slice(2));
    const [scale, variance] = [this.#value(1).data, this.#value(4).data];
    return gradient.map((g, i) => {
      const c = Math.floor(i / inner) % scale.length;
      return (g * (scale[c] as number)) / Math.sqrt((variance[c] as number) + epsilon);
    });
  }
}

/** What several elements were broadcast from gets their sum. */
function summedTo(gradient: Float64Array, from: Int32Array, length: number): Float64Array {
  const made = new Float64Array(length);
  gradient.forEach((g, i) => {
    const to = from[i] as number;
    made[to] = (made[to] as number) + g;
  });
  return made;
}

/** @param data [1, channels, ...], before the clamp */
function throughClamp(
  gradient: Float64Array,
  { data, shape }: Tensor,
  clamp: RowClamp | undefined,
): Float64Array {
  if (clamp === undefined) return gradient;
  const [, channels = 1, ...spatial] = shape;
  const inner = countOf(spatial);
  const bounds = Array.from({ length: channels }, (_, c) => clampAt(clamp, c));
  return gradient.map((g, i) => {
    const { lo, hi } = must(bounds[Math.floor(i / inner) % channels], 'a channel has bounds');
    return (data[i] as number) > lo && (data[i] as number) < hi ? g : 0;
  });
}

/** y[row] = w[row] x: the gradient of x is wT times that of y. */
function throughLinear(gradient: Float64Array, w: Tensor): Float64Array {
  const [rows = 1, terms = 1] = w.shape;
  const batch = gradient.length / rows;
  const made = new Float64Array(batch * terms);
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i] as number;
    if (g === 0) continue;
    const [from, to] = [(i % rows) * terms, Math.floor(i / rows) * terms];
    for (let t = 0; t < terms; t++)
      made[to + t] = (made[to + t] as number) + g * (w.data[from + t] as number);
  }
  return made;
}

function throughConv(gradient: Float64Array, x: Tensor, w: Tensor, attrs: ConvAttrs): Float64Array {
  const sweep = sweepOf(convAxes(attrs, [x, w]));
  const { taps, starts, paddedCount, outCount } = sweep;
  const [outs = 1, perGroup = 1] = w.shape;
  const terms = perGroup * taps.length;
  const offsets = Int32Array.from(
    { length: terms },
    (_, t) => Math.floor(t / taps.length) * paddedCount + (taps[t % taps.length] as number),
  );
  const padded = new Float64Array((x.shape[1] ?? 1) * paddedCount);
  for (let i = 0; i < gradient.length; i++) {
    const g = gradient[i] as number;
    if (g === 0) continue;
    const row = Math.floor(i / outCount);
    const group = Math.floor((row * attrs.groups) / outs);
    const start = group * perGroup * paddedCount + (starts[i % outCount] as number);
    for (let t = 0; t < terms; t++) {
      const to = start + (offsets[t] as number);
      padded[to] = (padded[to] as number) + g * (w.data[row * terms + t] as number);
    }
  }
  return unpadded(padded, x.shape[1] ?? 1, sweep);
}

/** The elements of each padded channel that are not padding. */
function unpadded(padded: Float64Array, channels: number, sweep: Sweep): Float64Array {
  const [d, h, w] = sweep.axes;
  const made = new Float64Array(channels * sweep.inCount);
  let to = 0;
  for (let c = 0; c < channels; c++)
    for (let z = 0; z < d.in; z++)
      for (let y = 0; y < h.in; y++) {
        const plane = c * sweep.paddedCount + (z + d.before) * sweep.padded[1] * sweep.padded[2];
        const row = plane + (y + h.before) * sweep.padded[2] + w.before;
        for (let i = 0; i < w.in; i++) made[to++] = padded[row + i] as number;
      }
  return made;
}

/** Where each element of one channel lies in the padded channel; -1 for padding. */
function paddedIndex(sweep: Sweep): Int32Array {
  const ones = Float64Array.from({ length: sweep.paddedCount }, (_, i) => i);
  const index = new Int32Array(sweep.paddedCount).fill(-1);
  unpadded(ones, 1, sweep).forEach((position, i) => {
    index[position] = i;
  });
  return index;
}

/** Per output of one channel and tap: the element of the channel that it covers, or -1 for padding. */
interface Windows {
  readonly covered: Int32Array;
  readonly taps: number;
  readonly inCount: number;
  readonly outCount: number;
}

/** By the attributes of a node, which sees one shape only. */
const windowsByNode = new WeakMap<PoolAttrs, Windows>();

function windowsOf(x: Tensor, attrs: PoolAttrs): Windows {
  const known = windowsByNode.get(attrs);
  if (known !== undefined) return known;
  const sweep = sweepOf(poolAxes(attrs, x.shape));
  const { inCount, outCount } = sweep;
  const index = paddedIndex(sweep);
  const taps = sweep.taps.length;
  const covered = Int32Array.from({ length: outCount * taps }, (_, i) => {
    const start = sweep.starts[Math.floor(i / taps)] as number;
    return index[start + (sweep.taps[i % taps] as number)] as number;
  });
  const made = { covered, taps, inCount, outCount };
  windowsByNode.set(attrs, made);
  return made;
}

function throughMaxPool(gradient: Float64Array, x: Tensor, attrs: PoolAttrs): Float64Array {
  const { covered, taps, inCount, outCount } = windowsOf(x, attrs);
  const made = new Float64Array(x.data.length);
  for (let o = 0; o < gradient.length; o++) {
    const g = gradient[o] as number;
    if (g === 0) continue;
    const channel = Math.floor(o / outCount) * inCount;
    const from = (o % outCount) * taps;
    let [best, largest] = [-1, Number.NEGATIVE_INFINITY];
    for (let t = from; t < from + taps; t++) {
      const i = channel + (covered[t] as number);
      if (i < channel || (best >= 0 && (x.data[i] as number) <= largest)) continue;
      [best, largest] = [i, x.data[i] as number];
    }
    made[best] = (made[best] as number) + g;
  }
  return made;
}

function throughAveragePool(gradient: Float64Array, x: Tensor, attrs: PoolAttrs): Float64Array {
  const { covered, taps, inCount, outCount } = windowsOf(x, attrs);
  const made = new Float64Array(x.data.length);
  for (let o = 0; o < gradient.length; o++) {
    const channel = Math.floor(o / outCount) * inCount;
    const inside = covered
      .subarray((o % outCount) * taps, (o % outCount) * taps + taps)
      .filter((i) => i >= 0);
    const share = (gradient[o] as number) / (attrs.countIncludePad ? taps : inside.length);
    for (const i of inside) made[channel + i] = (made[channel + i] as number) + share;
  }
  return made;
}

function throughTranspose(gradient: Float64Array, shape: Shape, { perm }: TransposeAttrs): Float64Array {
  const strides = stridesOf(shape);
  const permuted = perm.map((axis) => shape[axis] ?? 1);
  const made = new Float64Array(gradient.length);
  const steps = stridesOf(permuted);
  gradient.forEach((g, i) => {
    const to = perm.reduce(
      (sum, axis, k) => sum + (Math.floor(i / (steps[k] ?? 1)) % (permuted[k] ?? 1)) * (strides[axis] ?? 1),
      0,
    );
    made[to] = g;
  });
  return made;
}
