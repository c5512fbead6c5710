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
import type { ChannelMap, Remade } from '../ir/graph/affine.ts';
import type { Graph, Node } from '../ir/graph/graph.ts';
import type { Range } from '../ir/graph/op.ts';
import { boundAt, composed } from '../ir/integers/row-clamp.ts';
import {
  asLayer,
  foldBack,
  foldForward,
  isAliased,
  mapOf,
  type Serves,
  wayBack,
  withFolded,
} from './fold-maps.ts';
import type { Pass } from './pass.ts';
import { activationInput, exhausted, type Merged, type MergeView, mergeAll, remade } from './rewrite.ts';

/** What has no kernel at all. Constants that are added are left to `fuse`, behind whose views they may belong. */
const isNorm = ({ op }: Node): boolean => op.float32 === undefined && op.affine.kind === 'channelwise';
const norms = (graph: Graph<'float'>): readonly Node[] => graph.nodes.filter(isNorm);

/** Gains that are all 1 (or 0) leave nothing to be folded of them. */
const isUnit = (gain: readonly number[]): boolean => gain.every((g) => g === 0 || Math.abs(g - 1) < 1e-6);

/** The node's operator as another map; undefined where it can be few. */
const again = ({ op: { affine } }: Node, f: ChannelMap): Remade<unknown> | undefined =>
  affine.kind === 'channelwise' ? affine.again?.(f) : undefined;

/**
 * Gains of both signs do not pass a max-pool, their magnitudes do: y = g x + h = s (|g| x) + h. Behind the pool a
 * normalization of the signs is left, of channels that are alike.
 */
function splitSigns(graph: Graph<'float'>): Graph<'float'> | undefined {
  for (const norm of norms(graph)) {
    const { gain, shift } = must(mapOf(graph, norm), 'a normalization is a map');
    const sizes = { gain: gain.map((g) => Math.fround(Math.abs(g))), shift: gain.map(() => 0) };
    const signs = again(norm, { gain: gain.map(Math.sign), shift });
    const way = signs === undefined || isUnit(sizes.gain) ? undefined : wayBack(graph, norm, sizes);
    if (way !== undefined) return withFolded(graph, norm, way, signs);
  }
  return undefined;
}

/** Gains that differ by more leave the columns of the smaller ones too few of the bits of a row. */
const alikeGains = 8;
/** In standard deviations from the mean: padding farther out takes too much of the range of 8 bits. */
const farthestPadding = 8;

/** What the tensor in front of a batch normalization can hold: any range per channel, or one for all. */
export type InputGrid = 'by channel' | Range;

/** Whether the tensor before the map can serve the layer behind it in 8 bits, where that pads with these numbers. */
function servesLayer(
  graph: Graph<'float'>,
  inputs: InputGrid,
  input: string,
  { gain, trained }: ChannelMap,
  padding: readonly number[],
): boolean {
  const isInput = graph.inputs.includes(input);
  if (isInput && inputs === 'by channel') return true;
  // A depthwise convolution reads images only: features that a flatten left in the order of memory are none.
  if (graph.tensors.get(input)?.shape.length === 2 && isAliased(graph, input)) return true;
  const gains = gain.filter((g) => g !== 0).map(Math.abs);
  if (Math.max(...gains) > alikeGains * Math.min(...gains)) return false;
  if (isInput && inputs !== 'by channel')
    return padding.every((p) => p >= inputs.lo - 0.5 && p <= inputs.hi + 0.5);
  if (trained === undefined) return padding.length === 0;
  const { mean, deviation } = trained;
  return padding.every((p, c) => Math.abs(p - boundAt(mean, c)) <= farthestPadding * boundAt(deviation, c));
}

/** Two in a row are one. Further in than the input, what was trained knows more of the values in front of it. */
function bothAsOne({ graph, first, second, fresh }: MergeView): Merged | undefined {
  const input = activationInput(graph, first);
  const [a, b] = [mapOf(graph, first), mapOf(graph, second)];
  if (a === undefined || b === undefined) return undefined;
  if (b.trained !== undefined && !graph.inputs.includes(input)) return undefined;
  const both = composed(a, b);
  const made = both.clamp === undefined ? again(second, both) : undefined;
  return made && remade(fresh, second, made, input);
}

/** The first that is left as a layer, which takes in those behind it. */
function layered(graph: Graph<'float'>): Graph<'float'> | undefined {
  const [first] = norms(graph);
  return first && exhausted(asLayer(graph, first), (current) => foldBack(current, norms(current)));
}

/** @param inputs what the network's input can hold */
export const foldBatchNormFor = (inputs: InputGrid): Pass<'float', 'float'> => ({
  name: 'fold-batch-norm',
  doc: 'no batch normalization is left; outputs move within float32 rounding',
  run(graph) {
    const back = exhausted(graph, (current) => foldBack(current, norms(current)) ?? splitSigns(current));
    const forward = mergeAll(back, (view) => {
      const serves: Serves = (...asked) => servesLayer(view.graph, inputs, ...asked);
      return bothAsOne(view) ?? (isNorm(view.first) ? foldForward(view, serves) : undefined);
    });
    return exhausted(forward, layered);
  },
});

/** For inputs in real units. */
export const foldBatchNorm = foldBatchNormFor('by channel');
