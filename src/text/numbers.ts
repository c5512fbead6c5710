/** Numbers as people read them. */

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** `12,300` */
export const formatCount = (n: number): string => grouped.format(n);

/** `12,300 B`: never kilobytes, whose size is disputed. */
export const formatBytes = (n: number): string => `${formatCount(n)} B`;

/** 0.9935 is `99.35 %`. */
export const formatPercent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** `1 file`, `2 files` */
export const formatMany = (n: number, one: string, many = `${one}s`): string =>
  `${formatCount(n)} ${n === 1 ? one : many}`;
