/** How far a measured share can be from the true one. */
import { formatCount, formatPercent } from './numbers.ts';

export interface Share {
  readonly hits: number;
  readonly total: number;
}

export interface ShareInterval extends Share {
  /** hits / total; NaN for none. */
  readonly share: number;
  readonly low: number;
  readonly high: number;
}

/** 97.5 % quantile of the normal distribution: an interval that holds the true share in 95 % of cases. */
const z = 1.959964;

/**
 * Wilson's score interval (E. B. Wilson, 1927): the shares p with |hits / n - p| <= z * sqrt(p * (1 - p) / n).
 * Unlike the textbook interval it stays inside of 0..1 and works for shares near 1.
 */
export function wilson({ hits, total }: Share): ShareInterval {
  const share = hits / total;
  const shrink = 1 + z ** 2 / total;
  const centre = (share + z ** 2 / (2 * total)) / shrink;
  const half = (z / shrink) * Math.sqrt((share * (1 - share)) / total + z ** 2 / (4 * total ** 2));
  return { hits, total, share, low: Math.max(0, centre - half), high: Math.min(1, centre + half) };
}

/** `99.35 % (9,935 of 10,000; 95 % interval 99.17 % to 99.49 %)` */
export function formatShare(counted: Share): string {
  const { hits, total, share, low, high } = wilson(counted);
  const counts = `${formatCount(hits)} of ${formatCount(total)}`;
  return `${formatPercent(share)} (${counts}; 95 % interval ${formatPercent(low)} to ${formatPercent(high)})`;
}
