/** What several compressions of one network have in common: it is computed for the first and kept for the others. */
import type { Graph } from '../../ir/graph/graph.ts';
import type { Ranked } from '../prune/obs.ts';
import type { LayerTargets } from './reference.ts';

/**
 * For one network, one list of samples, and options that differ in sparsity and weights' bits only. It computes
 * nothing itself, so that results are the same with it and without.
 */
export class Shared {
  readonly #targets = new Map<number, LayerTargets>();
  readonly #pruned = new Map<number, Graph<'float'>>();
  #ranked: Ranked | undefined;

  /** The network's own sums; a seed chooses where they are looked at. */
  targets(seed: number, make: () => LayerTargets): LayerTargets {
    return kept(this.#targets, seed, make);
  }

  pruned(sparsity: number, make: () => Graph<'float'>): Graph<'float'> {
    return kept(this.#pruned, sparsity, make);
  }

  /** The order in which the weights of the network as it is would go. */
  ranked(make: () => Ranked): Ranked {
    this.#ranked ??= make();
    return this.#ranked;
  }
}

function kept<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const old = map.get(key);
  if (old !== undefined) return old;
  const made = make();
  map.set(key, made);
  return made;
}
