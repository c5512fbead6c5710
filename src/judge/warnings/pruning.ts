/** Fewer weights went than were to go. */
import type { Compiled } from '../../compile.ts';
import { macLayers } from '../../compress/fit/layers.ts';
import type { PruneOptions } from '../../compress/prune/prune.ts';
import type { Graph } from '../../ir/graph/graph.ts';
import type { Warning } from './warning.ts';

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

const nonzeros = (graph: Graph<'float'>): number =>
  macLayers(graph).reduce((sum, { weights }) => sum + weights.reduce((n, w) => n + Number(w !== 0), 0), 0);

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

/** Whether less was reached than asked, by more than one weight and half a point. */
export const fallsShort = ({ asked = 0, reached, weights }: Sparsity): boolean =>
  asked - reached > 0.005 + 1 / Math.max(1, weights);

const percent = (x: number): string => `${Math.round(100 * x)} %`;

const reasons = {
  channel:
    'whole channels go, one of each layer stays, and so do those of the input, of the output and of tensors whose channels are not free to go',
  obs: 'the pattern or what weights are worth lets no more go',
  magnitude: 'the pattern or what weights are worth lets no more go',
} as const;

export const shortfallText = ({ asked = 0, reached, method = 'obs' }: Sparsity): string =>
  `asked for ${percent(asked)} zeros, reached ${percent(reached)}: ${reasons[method]}`;

export const pruningWarnings = ({ sparsity }: Compiled): readonly Warning[] =>
  sparsity === undefined || !fallsShort(sparsity)
    ? []
    : [
        {
          kind: 'pruning',
          text: shortfallText(sparsity),
          todo:
            sparsity.method === 'channel'
              ? 'prune single weights: --prune obs'
              : 'ask for less, or take another --pattern',
        },
      ];
