import { InputError } from '../../base/errors.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { checkPattern, type Pattern } from './pattern.ts';

/**
 * What a removed weight is worth: the same everywhere (`flash`), how often an inference uses it to the power of 0.8
 * (`macs`: 207 for LeNet-5's first layer, 1 for linear layers), or a number by node name.
 */
export type Price = 'flash' | 'macs' | ReadonlyMap<string, number>;

export interface PruneOptions {
  /**
   * `obs`: optimal brain surgeon; `magnitude`: the smallest weights; `channel`: whole output channels, so that
   * shapes shrink.
   */
  readonly method: 'obs' | 'magnitude' | 'channel';
  readonly pattern?: Pattern;
  /** The share of all weights of convolutions and linear layers that is to go: 0 to 1. */
  readonly sparsity: number;
  readonly price?: Price;
  /** Inputs of the network as `calibrate` takes them; no labels. A few hundred. */
  readonly samples: readonly Float32Array[];
  readonly seed?: number;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** @throws InputError for options that mean nothing. */
export function checkOptions(options: PruneOptions, graph: Graph<'float'>): void {
  const { sparsity, price } = options;
  if (!(sparsity >= 0 && sparsity <= 1))
    throw new InputError({
      where: 'pruning',
      found: `sparsity ${sparsity}`,
      supported: '0 (nothing goes) to 1 (all weights go)',
      todo: 'give the share of weights that is to become zero, e.g. 0.85',
    });
  checkPattern(options.pattern ?? 'none');
  if (price === undefined || typeof price === 'string') return;
  for (const [name, worth] of price) {
    if (!graph.nodes.some((node) => node.name === name))
      throw new InputError({
        where: 'pruning prices',
        found: `no node '${name}'`,
        supported: graph.nodes.map((node) => node.name).join(', '),
      });
    if (!(worth > 0 && Number.isFinite(worth)))
      throw new InputError({
        where: `pruning price of node '${name}'`,
        found: String(worth),
        supported: 'numbers above 0',
      });
  }
}
