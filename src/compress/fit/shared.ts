/** What several compressions of one network have in common: it is computed for the first and kept for the others. */
import type { Graph } from '../../ir/graph/graph.ts';
import type { LayerTargets } from './reference.ts';

/**
 * For one network, one list of samples, and options that differ in sparsity and weights' bits only. It computes
 * nothing itself, so that results are the same with it and without.
 */
export class Shared {
  readonly #targets = new Map<number, LayerTargets>();
  readonly #pruned = new Map<number, Graph<'float'>>();

  /** The network's own sums; a seed chooses where they are looked at. */
  targets(seed: number, make: () => LayerTargets): LayerTargets {
    return kept(this.#targets, seed, make);
  }

  pruned(sparsity: number, make: () => Graph<'float'>): Graph<'float'> {
    return kept(this.#pruned, sparsity, make);
  }
}

/** What `map` has under a key; made, and kept there, where it has nothing. */
export function kept<K, V>(
  map: { get(key: K): V | undefined; set(key: K, value: V): unknown },
  key: K,
  make: () => V,
): V {
  const old = map.get(key);
  if (old !== undefined) return old;
  const made = make();
  map.set(key, made);
  return made;
}
