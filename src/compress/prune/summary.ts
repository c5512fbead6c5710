/** What pruning did to each layer. */

import { at, must } from '../../base/errors.ts';
import { nonzerosIn } from '../../base/extremes.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { macLayers } from '../fit/layers.ts';
import { SampleRun } from '../gradient/sample-run.ts';

/** The effect of pruning on a layer. */
export interface PrunedLayer {
  readonly node: string;
  readonly weights: number;
  /** Weights that are not zero. */
  readonly kept: number;
  /** kept / weights */
  readonly density: number;
  /**
   * Squared error of the layer's sums in the new network, relative to the sums' own squares in the old one; 0 where
   * channels are gone.
   */
  readonly error: number;
}

/** Samples that errors are measured on; more change nothing but the third digit. */
const measuredSamples = 100;

/** @param reference the network before, with the same layers */
export function summary(
  graph: Graph<'float'>,
  reference: Graph<'float'>,
  samples: readonly Float32Array[],
): readonly PrunedLayer[] {
  const layers = macLayers(graph);
  const [lost, whole] = [new Float64Array(layers.length), new Float64Array(layers.length)];
  const [now, before] = [new SampleRun(graph), new SampleRun(reference)];
  for (const sample of samples.slice(0, measuredSamples)) {
    for (const run of [now, before]) run.forward(sample);
    now.sums.forEach((sums, l) => {
      const old = must(before.sums[l], 'both have the layer');
      if (old.length !== sums.length) return;
      sums.forEach((x, i) => {
        lost[l] = at(lost, l) + (x - at(old, i)) ** 2;
        whole[l] = at(whole, l) + at(old, i) ** 2;
      });
    });
  }
  const sizes = new Map(macLayers(reference).map((l) => [l.node.name, l.weights.length]));
  return layers.map(({ node, weights }, l) => {
    const before = must(sizes.get(node.name), 'both have the layer');
    const kept = nonzerosIn(weights);
    const error = at(whole, l) > 0 ? at(lost, l) / at(whole, l) : 0;
    return { node: node.name, weights: before, kept, density: kept / before, error };
  });
}
