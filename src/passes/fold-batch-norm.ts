/**
 * Batch normalization at inference is y = g x + h per channel, with g = scale / sqrt(var + epsilon) and
 * h = bias - g mean. After a convolution or linear layer it scales the layer's rows; before one it scales the
 * columns and moves the padding, whose value must become 0 after normalization: -h / g. Anywhere else it is a
 * depthwise 1x1 convolution. Every fold is computed in float64 and rounded once, so that outputs move by at
 * most a few units in the last place of the terms summed.
 */
import { must } from '../ir/errors.ts';
import { type Graph, is, type Node } from '../ir/graph.ts';
import { batchNorm } from '../ir/ops/batch-norm.ts';
import { type ConvAttrs, conv } from '../ir/ops/conv.ts';
import { linear } from '../ir/ops/linear.ts';
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

function merge(view: MergeView): Merged | undefined {
  const { first, second } = view;
  if (is(second, batchNorm)) return foldAfter(view, second.attrs.epsilon);
  if (is(first, batchNorm)) return foldBefore(view, first.attrs.epsilon);
  return undefined;
}

/** w' = g w, b' = g b + h, row by row. */
function foldAfter(view: MergeView, epsilon: number): Merged | undefined {
  const { first, second, graph } = view;
  const foldable =
    (is(first, conv) && first.attrs.clamp === undefined && first.attrs.pool === undefined) ||
    (is(first, linear) && first.attrs.clamp === undefined);
  const weight = view.constant(first, 1);
  if (!foldable || weight === undefined) return undefined;
  const { gain, shift } = affineOf(graph, second, epsilon);
  const row = weight.data.length / gain.length;
  const bias = view.constant(first, 2);
  return layerWith(view, first, {
    weight: constantOf(
      weight.shape,
      Float32Array.from(weight.data, (w, i) => w * at(gain, Math.floor(i / row))),
    ),
    bias: Float32Array.from(gain, (g, c) => g * (bias?.data[c] ?? 0) + at(shift, c)),
    attrs: first.attrs,
    input: first.inputs[0] ?? '',
  });
}

const at = (numbers: Float64Array, i: number): number => numbers[i] ?? 0;

/** w'[o, c] = w[o, c] g[c], b' = b + sum w[o, c] h[c]; a convolution's padding becomes -h / g. */
function foldBefore(view: MergeView, epsilon: number): Merged | undefined {
  const { first, second, graph } = view;
  const weight = view.constant(second, 1);
  if (weight === undefined || !(is(second, conv) || is(second, linear))) return undefined;
  const affine = affineOf(graph, first, epsilon);
  // A gain of 0 maps every padding value to the same: there is none that becomes 0 after normalization.
  if (is(second, conv) && affine.gain.some((g) => g === 0)) return undefined;
  const attrs = is(second, conv) ? withPadding(second.attrs, affine) : second.attrs;
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
  return layerWith(view, second, {
    weight: constantOf(
      weight.shape,
      Float32Array.from(weight.data, (w, i) => w * at(affine.gain, channelOf(i))),
    ),
    bias: Float32Array.from(bias),
    attrs,
    input: first.inputs[0] ?? '',
  });
}

/** The padding that the old padding value is the normalized form of: (p - h) / g. */
function withPadding(attrs: ConvAttrs, { gain, shift }: Affine): ConvAttrs {
  const old = attrs.padValues;
  return { ...attrs, padValues: Array.from(gain, (g, c) => ((old?.[c] ?? 0) - at(shift, c)) / g) };
}

interface Layer {
  readonly weight: Tensor;
  readonly bias: Float32Array;
  readonly attrs: unknown;
  readonly input: string;
}

function layerWith(view: MergeView, layer: Node, l: Layer): Merged {
  const weight = view.fresh(`${layer.name}.weight`);
  const bias = view.fresh(`${layer.name}.bias`);
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

export const foldBatchNorm: Pass<'float', 'float'> = {
  name: 'fold-batch-norm',
  doc: 'no batch normalization is left; outputs move within float32 rounding',
  run: (graph) => asConvolution(mergeAll(graph, merge)),
};
