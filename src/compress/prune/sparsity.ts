/** What is zero of a network's weights. */
import { nonzerosIn } from '../../base/extremes.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { macLayers } from '../fit/layers.ts';
import type { PruneOptions } from './prune.ts';

/** Shares of the weights of convolutions and linear layers, as many as the model that was given has. */
export interface Sparsity {
  /** Zero in the model already. */
  readonly given: number;
  /** Zero or gone in the build, before its weights were rounded. */
  readonly reached: number;
  readonly weights: number;
  readonly asked?: number;
  readonly method?: PruneOptions['method'];
}

/** @param given before pruning, fused @param made after it */
export function sparsityOf(
  given: Graph<'float'>,
  made: Graph<'float'>,
  options: Pick<PruneOptions, 'sparsity' | 'method'> | undefined,
): Sparsity {
  const weights = macLayers(given).reduce((sum, layer) => sum + layer.weights.length, 0);
  const share = (graph: Graph<'float'>): number => (weights === 0 ? 0 : 1 - nonzeros(graph) / weights);
  const asked = options === undefined ? {} : { asked: options.sparsity, method: options.method };
  return { given: share(given), reached: share(made), weights, ...asked };
}

export const nonzeros = (graph: Graph<'float'>): number =>
  macLayers(graph).reduce((sum, { weights }) => sum + nonzerosIn(weights), 0);
