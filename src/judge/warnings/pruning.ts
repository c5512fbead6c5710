/** Fewer weights went than were to go. */
import type { Sparsity } from '../../compress/prune/sparsity.ts';
import type { Build } from '../build.ts';
import type { Warning } from './warning.ts';

/** Whether less was reached than asked, by more than one weight and half a point. */
export const fallsShort = ({ asked = 0, reached, weights }: Sparsity): boolean =>
  asked - reached > 0.005 + 1 / Math.max(1, weights);

const percent = (x: number): string => `${Math.round(100 * x)} %`;

const reasons = {
  channel:
    'only whole channels are removed; one of each layer stays, and so do those of the input, of the output and of tensors whose channels cannot be removed',
  obs: 'the pattern or the prices of weights allow no more',
  magnitude: 'the pattern or the prices of weights allow no more',
} as const;

export const shortfallText = ({ asked = 0, reached, method = 'obs' }: Sparsity): string =>
  `asked for ${percent(asked)} zeros, reached ${percent(reached)}: ${reasons[method]}`;

export const pruningWarnings = ({ sparsity }: Build): readonly Warning[] =>
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
