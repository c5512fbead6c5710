/** What the axes of several pictures have in common. */
import type { Program } from '../../program/program.ts';
import { formatCount } from '../../text/numbers.ts';

/** `240k`, for axes. */
export const shortCount = (n: number): string => {
  if (n >= 1e6) return `${Number((n / 1e6).toPrecision(3))}M`;
  return n >= 1e4 ? `${Number((n / 1e3).toPrecision(3))}k` : formatCount(n);
};

export const names = ({ steps }: Program): readonly string[] => steps.map(({ kernel }) => kernel.name);

/** Long names of layers do not fit beside an axis. */
export const leftFor = (labels: readonly string[]): number =>
  Math.min(160, 24 + 7 * Math.max(...labels.map((label) => label.length)));
