import { InputError } from '../../base/errors.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import { checkPattern, type Pattern } from './pattern.ts';

const words = ['weights', 'bytes', 'macs'] as const;

/**
 * The cost of a weight, which its removal saves: the same everywhere (`weights`); the bits of its value and,
 * from the density of its layer, of its place (`bytes`; training counts the bias and scale of a row too); how often an
 * inference uses it to the power of 0.8 (`macs`: 207 for LeNet-5's first layer, 1 for linear layers); or a number by
 * node name, 1 for those without.
 */
export type Price = (typeof words)[number] | ReadonlyMap<string, number>;

/** What the price of a layer's weights depends on. */
export interface PricedLayer {
  readonly node: string;
  /** How often one inference uses each weight. */
  readonly positions: number;
  /** Share of its weights that are not 0. */
  readonly density: number;
  /** Of a stored weight. */
  readonly bits: number;
}

/**
 * With the exponent 1 a multiplication would be worth the same everywhere, with 0 a weight. On LeNet-5 at 80 %, other
 * digits: 0.5 leaves 1/2.4 of the multiplications; 0.75 1/3.4 and 1 1/5.1, with 0.0101 and 0.0172 as the outputs'
 * relative squared error.
 */
const macExponent = 0.8;

/** log2(1 / density) + log2(e): the bits that say where the nonzeros of a sparse row are, per nonzero. */
const placeBits = (density: number): number => Math.log2(1 / density) + Math.LOG2E;

/** Of one weight. */
export function priceOf({ node, positions, density, bits }: PricedLayer, price: Price): number {
  switch (price) {
    case 'weights':
      return 1;
    case 'bytes':
      return bits + placeBits(density);
    case 'macs':
      return positions ** macExponent;
    default:
      return price.get(node) ?? 1;
  }
}

/** Which weights to set to zero, and how many. */
export interface PruneOptions {
  /**
   * `obs`: optimal brain surgeon; `magnitude`: the smallest weights; `channel`: whole output channels, so that
   * shapes shrink.
   */
  readonly method: 'obs' | 'magnitude' | 'channel';
  /** What zeros come in; single weights when absent. */
  readonly pattern?: Pattern;
  /** The share of all weights of convolutions and linear layers that is to go: 0 to 1. */
  readonly sparsity: number;
  /** Default `weights`. */
  readonly price?: Price;
  /** Inputs of the network as `calibrate` takes them; no labels. A few hundred. */
  readonly samples: readonly Float32Array[];
  /** Default 1. */
  readonly seed?: number;
  readonly onProgress?: (what: string, done: number, total: number) => void;
}

/** @throws InputError for options that mean nothing. */
export function checkOptions(options: PruneOptions, graph: Graph<'float'>): void {
  const { sparsity, price = 'weights' } = options;
  if (!(sparsity >= 0 && sparsity <= 1))
    throw new InputError({
      where: 'pruning',
      found: `sparsity ${sparsity}`,
      supported: '0 (no weight is removed) to 1 (all are removed)',
      todo: 'give the share of weights that is to become zero, e.g. 0.85',
    });
  checkPattern(options.pattern ?? 'none');
  checkPrice(price, graph);
}

/** @throws InputError for another word, a node that the graph does not have, or a number that is no price. */
export function checkPrice(price: Price, graph: Graph<'float'>): void {
  if (typeof price === 'string') {
    if (words.includes(price)) return;
    throw new InputError({
      where: 'pruning',
      found: `price '${price}'`,
      supported: `${words.join(', ')}, or a number by node name`,
    });
  }
  for (const [name, value] of price) {
    if (!graph.nodes.some((node) => node.name === name))
      throw new InputError({
        where: 'pruning prices',
        found: `no node '${name}'`,
        supported: graph.nodes.map((node) => node.name).join(', '),
      });
    if (!(value > 0 && Number.isFinite(value)))
      throw new InputError({
        where: `pruning price of node '${name}'`,
        found: String(value),
        supported: 'numbers above 0',
      });
  }
}
