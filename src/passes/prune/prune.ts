/**
 * Pruning without training: the weights that the network's outputs need least become zero, and those that are
 * left make up for them. Needs a few hundred unlabelled inputs.
 */

import { must } from '../../ir/errors.ts';
import type { Graph } from '../../ir/graph.ts';
import { checkSamples } from '../calibrate.ts';
import { type MacLayer, macLayers } from './layers.ts';
import { candidates, masksFor } from './obs.ts';
import { checkOptions, type PruneOptions } from './options.ts';
import { type AllWeights, masked, refitted, relativeError, withWeights } from './refit.ts';
import { statistics } from './statistics.ts';

export interface PrunedLayer {
  readonly node: string;
  readonly weights: number;
  /** Weights that are not zero. */
  readonly kept: number;
  /** kept / weights */
  readonly density: number;
  /** Relative squared error of the layer's sums on the samples, all else being as it was. */
  readonly error: number;
}

export interface Pruned {
  /** Zeros in the weights, all biases refitted. */
  readonly graph: Graph<'float'>;
  readonly layers: readonly PrunedLayer[];
}

/**
 * @param graph fused.
 * @throws InputError for a sparsity, pattern, price or sample that cannot be used.
 */
export function prune(graph: Graph<'float'>, options: PruneOptions): Pruned {
  checkOptions(options, graph);
  const input = must(graph.inputs[0], 'a float graph has an input');
  checkSamples(options.samples, must(graph.tensors.get(input), 'the input has a type').shape);
  const layers = macLayers(graph);
  const problems = statistics(graph, layers, options.samples, {
    seed: options.seed ?? 1,
    projections: 2,
    focus: 0.5,
    onProgress: (done, total) => options.onProgress?.('measuring layers', done, total),
  });
  const all = candidates(problems, options, (done, total) =>
    options.onProgress?.('ranking weights', done, total),
  );
  const weights = layers.reduce((sum, layer) => sum + layer.weights.length, 0);
  const masks = masksFor(layers, all, Math.round(options.sparsity * weights));
  const made = (options.method === 'magnitude' ? masked : refitted)(layers, problems, masks);
  const errorOf = (layer: MacLayer): number =>
    relativeError(problems, layer, must(made.get(layer), 'every layer was made'));
  return { graph: withWeights(graph, made), layers: layers.map((l) => summary(l, made, errorOf(l))) };
}

function summary(layer: MacLayer, made: AllWeights, error: number): PrunedLayer {
  const weights = layer.weights.length;
  const kept = must(made.get(layer), 'every layer was made').weights.reduce(
    (n, w) => n + (w === 0 ? 0 : 1),
    0,
  );
  return { node: layer.node.name, weights, kept, density: kept / weights, error };
}
