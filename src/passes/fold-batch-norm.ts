/**
 * Batch normalization at inference is y = g x + h per channel, with g = scale / sqrt(var + epsilon) and
 * h = bias - g mean. Three ways to be rid of it, the first that fits:
 *
 *  1. Into the layer before it: rows times g. It moves there through activations, whose bounds become the
 *     channel's own, g clip(x, lo, hi) + h = clip(g x + h, g lo + h, g hi + h) (for g < 0 the bounds change
 *     places); through average pools, which are affine; and for g >= 0 through max-pools, which are monotone.
 *     Channels come out as the network normalized them, so one scale serves them all, and 0 is padded as 0.
 *  2. Into the layer behind it: columns times g, and padding that becomes 0 when normalized: -h / g. An 8-bit
 *     tensor then holds x, whose channels and padding may ask for very different ranges: only where they are
 *     alike, or where the tensor is the network's input, which may have a scale per channel.
 *  3. A depthwise 1x1 convolution.
 *
 * Every fold is computed in float64 and rounded once, so that outputs move by at most a few units in the last
 * place of the terms summed.
 */

import { must } from '../base/errors.ts';
import { type Graph, is, type Node, type NodeOf } from '../ir/graph/graph.ts';
import type { Range } from '../ir/graph/op.ts';
import { boundOf, type Clamp, clampAt, clampedAgain, type RowClamp } from '../ir/integers/row-clamp.ts';
import { avgPool } from '../ir/ops/avg-pool.ts';
import { type BatchNormAttrs, batchNorm } from '../ir/ops/batch-norm.ts';
import { clip } from '../ir/ops/clip.ts';
import { type ConvAttrs, conv } from '../ir/ops/conv.ts';
import { type LinearAttrs, linear } from '../ir/ops/linear.ts';
import { maxPool } from '../ir/ops/max-pool.ts';
import { reshape } from '../ir/ops/reshape.ts';
import { countOf, type Tensor } from '../ir/tensor.ts';
import type { Pass } from './pass.ts';
import {
  constantAt,
  constantOf,
  freshName,
  type Merged,
  type MergeView,
  mergeAll,
  withConstants,
} from './rewrite.ts';

interface Affine {
  readonly gain: Float64Array;
  readonly shift: Float64Array;
}

function affineOf(graph: Graph<'float'>, node: Node, epsilon: number): Affine {
  const [scale, bias, mean, variance] = [1, 2, 3, 4].map(
    (i) => must(constantAt(graph, node, i), `batch norm '${node.name}' has constant parameters`).data,
  );
  const at = (numbers: Tensor['data'] | undefined, c: number): number => numbers?.[c] ?? 0;
  const gain = Float64Array.from(scale ?? [], (s, c) => s / Math.sqrt(at(variance, c) + epsilon));
  return { gain, shift: gain.map((g, c) => at(bias, c) - g * at(mean, c)) };
}

/** What stands between a layer and the batch normalization that is folded into it. */
interface Way {
  readonly layer: Node & NodeOf<ConvAttrs | LinearAttrs>;
  /** From the layer on. */
  readonly clips: readonly Clamp[];
  /** Pools and reshapes that stay, from the layer on. */
  readonly kept: readonly Node[];
  readonly gone: readonly Node[];
}

/** The node that makes `name`, where nothing else reads it. */
function onlyFor(graph: Graph<'float'>, reader: Node, name: string): Node | undefined {
  const shared =
    graph.outputs.includes(name) || graph.nodes.some((n) => n !== reader && n.inputs.includes(name));
  return shared ? undefined : graph.nodes.find(({ outputs }) => outputs.includes(name));
}

/** Whether y = g x + h of what goes into the node gives y of what comes out, channel by channel. */
function commutes(graph: Graph<'float'>, node: Node, { gain }: Affine): boolean {
  if (is(node, maxPool)) return gain.every((g) => g >= 0);
  if (is(node, avgPool)) return !node.attrs.countIncludePad || node.attrs.pads.every((p) => p === 0);
  if (!is(node, reshape)) return false;
  const channels = (name: string | undefined) => graph.tensors.get(name ?? '')?.shape[1];
  return channels(node.inputs[0]) === gain.length && channels(node.outputs[0]) === gain.length;
}

/** From the batch normalization back to a layer; undefined where the way is barred. */
function wayBack(graph: Graph<'float'>, norm: Node, affine: Affine): Way | undefined {
  const kept: Node[] = [];
  const gone: Node[] = [];
  const clips: Clamp[] = [];
  for (let reader = norm; ; ) {
    const node = onlyFor(graph, reader, reader.inputs[0] ?? '');
    if (node === undefined) return undefined;
    if (is(node, conv) || is(node, linear))
      return is(node, conv) && node.attrs.pool !== undefined ? undefined : { layer: node, clips, kept, gone };
    // The bounds move on to the layer: past max-pools, which are monotone, but not past averages.
    if (is(node, clip)) {
      clips.unshift(node.attrs);
      gone.unshift(node);
    } else if (commutes(graph, node, affine) && !(is(node, avgPool) && clips.length > 0)) kept.unshift(node);
    else return undefined;
    reader = node;
  }
}

/** g clip(x, lo, hi) + h as bounds of g x + h. */
function movedBounds(clamp: RowClamp, { gain, shift }: Affine): RowClamp {
  const moved = Array.from(gain, (g, c): Clamp => {
    const { lo, hi } = clampAt(clamp, c);
    const h = at(shift, c);
    if (g === 0) return { lo: h, hi: h };
    return g > 0 ? { lo: g * lo + h, hi: g * hi + h } : { lo: g * hi + h, hi: g * lo + h };
  });
  const rounded = (bounds: readonly number[]) => boundOf(bounds.map(Math.fround));
  return { lo: rounded(moved.map(({ lo }) => lo)), hi: rounded(moved.map(({ hi }) => hi)) };
}

/** w' = g w, b' = g b + h, row by row. */
function foldedLayer(graph: Graph<'float'>, { layer, clips }: Way, affine: Affine): Layer | undefined {
  const { gain, shift } = affine;
  const weight = constantAt(graph, layer, 1);
  if (weight === undefined || weight.shape[0] !== gain.length) return undefined;
  const row = weight.data.length / gain.length;
  const bias = constantAt(graph, layer, 2);
  const clamp = clips.reduce<RowClamp | undefined>(clampedAgain, layer.attrs.clamp);
  return {
    weight: constantOf(
      weight.shape,
      Float32Array.from(weight.data, (w, i) => w * at(gain, Math.floor(i / row))),
    ),
    bias: Float32Array.from(gain, (g, c) => g * (bias?.data[c] ?? 0) + at(shift, c)),
    attrs: { ...layer.attrs, ...(clamp === undefined ? {} : { clamp: movedBounds(clamp, affine) }) },
    input: layer.inputs[0] ?? '',
  };
}

/** The graph with one batch normalization folded into the layer before it. */
function foldBack(graph: Graph<'float'>): Graph<'float'> | undefined {
  for (const norm of graph.nodes) {
    if (!is(norm, batchNorm)) continue;
    const affine = affineOf(graph, norm, norm.attrs.epsilon);
    const way = wayBack(graph, norm, affine);
    const folded = way && foldedLayer(graph, way, affine);
    if (way !== undefined && folded !== undefined) return withFolded(graph, norm, way, folded);
  }
  return undefined;
}

/** Gains that are all 1 (or 0) leave nothing to be folded of them. */
const isUnit = (gain: Float64Array): boolean => gain.every((g) => g === 0 || Math.abs(g - 1) < 1e-6);

/**
 * Gains of both signs do not pass a max-pool, their magnitudes do: y = g x + h = s (|g| x) + h. Behind the pool a
 * normalization of the signs is left, of channels that are alike.
 */
function splitSigns(graph: Graph<'float'>): Graph<'float'> | undefined {
  for (const norm of graph.nodes) {
    if (!is(norm, batchNorm)) continue;
    const affine = affineOf(graph, norm, norm.attrs.epsilon);
    const magnitudes = { gain: affine.gain.map(Math.abs), shift: affine.shift };
    const way = wayBack(graph, norm, magnitudes);
    if (way !== undefined && !isUnit(magnitudes.gain)) return withSplit(graph, norm, affine);
  }
  return undefined;
}

function withSplit(
  graph: Graph<'float'>,
  norm: Node & NodeOf<BatchNormAttrs>,
  { gain, shift }: Affine,
): Graph<'float'> {
  const [input = ''] = norm.inputs;
  const sized = freshName(graph, `${norm.outputs[0]}.sized`);
  const vector = (values: Float64Array) => constantOf([values.length], Float32Array.from(values));
  const [zeros, ones] = [gain.map(() => 0), gain.map(() => 1)];
  const before = [gain.map(Math.abs), zeros, zeros, ones].map(vector);
  const behind = [gain.map(Math.sign), shift, zeros, ones].map(vector);
  const names = [...before, ...behind].map((_, i) => freshName(graph, `${norm.name}.split.${i}`));
  const made = (name: string, from: string, to: string, parameters: readonly string[]): Node => ({
    ...norm,
    name,
    attrs: { epsilon: 0 } satisfies BatchNormAttrs,
    inputs: [from, ...parameters],
    outputs: [to],
  });
  const nodes = graph.nodes.flatMap((node) =>
    node === norm
      ? [
          made(`${norm.name}.size`, input, sized, names.slice(0, 4)),
          made(norm.name, sized, norm.outputs[0] ?? '', names.slice(4)),
        ]
      : [node],
  );
  const tensors = new Map(graph.tensors).set(sized, must(graph.tensors.get(input), 'a known tensor'));
  const constants = new Map([...before, ...behind].map((t, i) => [names[i] ?? '', t] as const));
  return withConstants({ ...graph, tensors, nodes }, constants);
}

/** Tensors between the layer and the last node hold normalized numbers now: they get names of their own. */
function withFolded(graph: Graph<'float'>, norm: Node, way: Way, folded: Layer): Graph<'float'> {
  const { layer, kept, gone } = way;
  const made = layerWith((stem) => freshName(graph, stem), layer, folded);
  const chain = [layer, ...kept];
  const tensors = new Map(graph.tensors);
  const outputs = chain.map((node, i) => {
    const [old = ''] = node.outputs;
    if (i === chain.length - 1) return norm.outputs[0] ?? '';
    const name = freshName({ ...graph, tensors }, `${old}.normalized`);
    tensors.set(name, must(graph.tensors.get(old), 'a known tensor'));
    return name;
  });
  const first: Node = {
    name: layer.name,
    op: layer.op,
    attrs: made.attrs,
    inputs: made.inputs,
    outputs: outputs.slice(0, 1),
    origin: [layer, ...gone, norm].flatMap(({ origin }) => origin),
  };
  const nodes = graph.nodes.flatMap((node): readonly Node[] => {
    if (node === layer) return [first];
    if (node === norm || gone.includes(node)) return [];
    const i = kept.indexOf(node);
    return i < 0
      ? [node]
      : [{ ...node, inputs: outputs.slice(i, i + 1), outputs: outputs.slice(i + 1, i + 2) }];
  });
  return withConstants({ ...graph, tensors, nodes }, made.constants ?? new Map());
}

const at = (numbers: Float64Array, i: number): number => numbers[i] ?? 0;

/** Gains that differ by more leave the columns of the smaller ones too few of the bits of a row. */
const alikeGains = 8;
/** In standard deviations from the mean: padding farther out takes too much of the range of 8 bits. */
const farthestPadding = 8;

/** What the tensor in front of a batch normalization can hold: any range per channel, or one for all. */
export type InputGrid = 'by channel' | Range;

/** Whether a reshape or transpose stands before a tensor, since the last layer. */
function isAliased(graph: Graph<'float'>, name: string): boolean {
  const maker = graph.nodes.find(({ outputs }) => outputs.includes(name));
  if (maker === undefined || is(maker, conv) || is(maker, linear)) return false;
  return maker.op.alias === true || maker.inputs.some((input) => isAliased(graph, input));
}

/** Whether the tensor before the batch normalization can serve the layer behind it in 8 bits. */
function foldsForward(
  { graph, first, second }: MergeView,
  { attrs: { epsilon } }: NodeOf<{ readonly epsilon: number }>,
  affine: Affine,
  padding: readonly number[] | undefined,
  inputs: InputGrid,
): boolean {
  // A gain of 0 maps every padding value to the same: there is none that becomes 0 after normalization.
  if (padding !== undefined && affine.gain.some((g) => g === 0)) return false;
  const isInput = graph.inputs.includes(first.inputs[0] ?? '');
  if (isInput && inputs === 'by channel') return true;
  // A depthwise convolution reads images only: features that a flatten left in the order of memory are none.
  if (is(second, linear) && isAliased(graph, first.inputs[0] ?? '')) return true;
  const gains = affine.gain.filter((g) => g !== 0).map(Math.abs);
  if (Math.max(...gains) > alikeGains * Math.min(...gains)) return false;
  if (padding === undefined) return true;
  if (isInput && inputs !== 'by channel')
    return padding.every((p) => p >= inputs.lo - 0.5 && p <= inputs.hi + 0.5);
  const [mean, variance] = [3, 4].map((i) => must(constantAt(graph, first, i), 'a constant parameter').data);
  return padding.every((p, c) => {
    const deviation = Math.sqrt((variance?.[c] ?? 0) + epsilon);
    return Math.abs(p - (mean?.[c] ?? 0)) <= farthestPadding * deviation;
  });
}

/** Two in a row at the input are one: y = g2 (g1 x + h1) + h2. Further in, the second is of what was trained. */
function composed(view: MergeView): Merged | undefined {
  const { graph, first, second, fresh } = view;
  if (!is(first, batchNorm) || !is(second, batchNorm)) return undefined;
  const [input = ''] = first.inputs;
  if (!graph.inputs.includes(input)) return undefined;
  const [a, b] = [affineOf(graph, first, first.attrs.epsilon), affineOf(graph, second, second.attrs.epsilon)];
  const gain = b.gain.map((g, c) => g * at(a.gain, c));
  const shift = b.gain.map((g, c) => g * at(a.shift, c) + at(b.shift, c));
  const constants = new Map(
    [gain, shift, gain.map(() => 0), gain.map(() => 1)].map(
      (values, i) =>
        [fresh(`${second.name}.both.${i}`), constantOf([values.length], Float32Array.from(values))] as const,
    ),
  );
  return {
    named: second,
    op: batchNorm,
    attrs: { epsilon: 0 } satisfies BatchNormAttrs,
    inputs: [input, ...constants.keys()],
    constants,
  };
}

/** w'[o, c] = w[o, c] g[c], b' = b + sum w[o, c] h[c]; a convolution's padding becomes -h / g. */
function foldBefore(view: MergeView, inputs: InputGrid): Merged | undefined {
  const { first, second, graph } = view;
  if (!is(first, batchNorm)) return undefined;
  const weight = view.constant(second, 1);
  if (weight === undefined || !(is(second, conv) || is(second, linear))) return undefined;
  const affine = affineOf(graph, first, first.attrs.epsilon);
  const padding = is(second, conv) ? movedPadding(second.attrs, affine) : undefined;
  if (!foldsForward(view, first, affine, padding, inputs)) return undefined;
  const attrs = padding === undefined ? second.attrs : { ...second.attrs, padValues: padding };
  const [outputs = 1, depth = 1] = weight.shape;
  const taps = weight.data.length / (outputs * depth);
  const groups = is(second, conv) ? second.attrs.groups : 1;
  const channelOf = (i: number): number => {
    const [o, c] = [Math.floor(i / (depth * taps)), Math.floor(i / taps) % depth];
    return Math.floor((o * groups) / outputs) * depth + c;
  };
  const bias = Float64Array.from({ length: outputs }, (_, o) => view.constant(second, 2)?.data[o] ?? 0);
  weight.data.forEach((w: number, i: number) => {
    const o = Math.floor(i / (depth * taps));
    bias[o] = at(bias, o) + w * at(affine.shift, channelOf(i));
  });
  return layerWith(view.fresh, second, {
    weight: constantOf(
      weight.shape,
      Float32Array.from(weight.data, (w, i) => w * at(affine.gain, channelOf(i))),
    ),
    bias: Float32Array.from(bias),
    attrs,
    input: first.inputs[0] ?? '',
  });
}

/** The padding that the old padding value is the normalized form of, (p - h) / g, where there is any. */
function movedPadding({ pads, padValues }: ConvAttrs, { gain, shift }: Affine): number[] | undefined {
  if (pads.every((p) => p === 0)) return undefined;
  return Array.from(gain, (g, c) => ((padValues?.[c] ?? 0) - at(shift, c)) / g);
}

interface Layer {
  readonly weight: Tensor;
  readonly bias: Float32Array;
  readonly attrs: unknown;
  readonly input: string;
}

function layerWith(fresh: MergeView['fresh'], layer: Node, l: Layer): Merged {
  const weight = fresh(`${layer.name}.weight`);
  const bias = fresh(`${layer.name}.bias`);
  return {
    named: layer,
    op: layer.op,
    attrs: l.attrs,
    inputs: [l.input, weight, bias],
    constants: new Map([
      [weight, l.weight],
      [bias, constantOf([l.bias.length], l.bias)],
    ]),
  };
}

/** What could not be folded, as a depthwise 1x1 convolution. */
function asConvolution(graph: Graph<'float'>): Graph<'float'> {
  const found = graph.nodes.find((node) => is(node, batchNorm));
  if (found === undefined || !is(found, batchNorm)) return graph;
  const { gain, shift } = affineOf(graph, found, found.attrs.epsilon);
  const input = found.inputs[0] ?? '';
  const shape = must(graph.tensors.get(input), 'a known tensor').shape;
  const spatial = shape.length === 4;
  const names = ['weight', 'bias', 'image', 'affine'].map((s) => freshName(graph, `${found.name}.${s}`));
  const [weight = '', bias = '', image = '', affine = ''] = names;
  const [output = ''] = found.outputs;
  const image4 = [1, gain.length, 1, countOf(shape) / gain.length];
  const layer: Node = {
    name: found.name,
    op: conv,
    attrs: {
      kernel: [1, 1],
      strides: [1, 1],
      pads: [0, 0, 0, 0],
      autoPad: 'NOTSET',
      dilations: [1, 1],
      groups: gain.length,
    } satisfies ConvAttrs,
    inputs: [spatial ? input : image, weight, bias],
    outputs: [spatial ? output : affine],
    origin: found.origin,
  };
  const reshaped = (name: string, from: string, to: string, target: readonly number[]): Node => ({
    name,
    op: reshape,
    attrs: { shape: target },
    inputs: [from],
    outputs: [to],
    origin: found.origin,
  });
  const nodes = spatial
    ? [layer]
    : [
        reshaped(`${found.name}.in`, input, image, image4),
        layer,
        reshaped(`${found.name}.out`, affine, output, shape),
      ];
  const tensors = new Map(graph.tensors);
  if (!spatial) for (const name of [image, affine]) tensors.set(name, { dtype: 'float32', shape: image4 });
  const constants = new Map([
    [weight, constantOf([gain.length, 1, 1, 1], Float32Array.from(gain))],
    [bias, constantOf([gain.length], Float32Array.from(shift))],
  ]);
  return asConvolution(
    withConstants(
      { ...graph, tensors, nodes: graph.nodes.flatMap((n) => (n === found ? nodes : [n])) },
      constants,
    ),
  );
}

/** @param inputs what the network's input can hold */
export const foldBatchNormFor = (inputs: InputGrid): Pass<'float', 'float'> => ({
  name: 'fold-batch-norm',
  doc: 'no batch normalization is left; outputs move within float32 rounding',
  run(graph) {
    let current = graph;
    const once = () => foldBack(current) ?? splitSigns(current);
    for (let next = once(); next !== undefined; next = once()) current = next;
    return asConvolution(mergeAll(current, (view) => composed(view) ?? foldBefore(view, inputs)));
  },
});

/** For inputs in real units. */
export const foldBatchNorm = foldBatchNormFor('by channel');
