/** Whether one tensor is another one in another arrangement, or scaled. */

import { at } from '../../base/errors.ts';
import { type Shape, sizeAlong } from '../../ir/tensor.ts';

/** `y[i]` of a tensor is `x[from[i]]`, row-major. */
export interface Arrangement {
  readonly name: string;
  readonly from: readonly number[];
}

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** What people mix up about an image of `shape` (channel, height, width). Identities are left out. */
export function arrangements(shape: Shape): readonly Arrangement[] {
  const [channels, last] = [sizeAlong(shape, 0), sizeAlong(shape, 1)];
  const [height, width] = shape.length === 3 ? [last, sizeAlong(shape, 2)] : [1, last];
  const pixels = height * width;
  const all = range(channels * pixels);
  const asHwc = all.map((i) => (i % channels) * pixels + Math.floor(i / channels));
  const asChw = all.map((i) => (i % pixels) * channels + Math.floor(i / pixels));
  const reversed = all.map((i) => (channels - 1 - Math.floor(i / pixels)) * pixels + (i % pixels));
  const turned = all.map((i) => {
    const [c, rest] = [Math.floor(i / pixels), i % pixels];
    return c * pixels + (rest % height) * width + Math.floor(rest / height);
  });
  const candidates: readonly Arrangement[] = [
    { name: 'channels last (HWC) where channels first (CHW) is expected', from: asHwc },
    { name: 'channels first (CHW) where channels last (HWC) is expected', from: asChw },
    {
      name: channels === 3 ? 'channels in reverse order (RGB against BGR)' : 'channels in reverse order',
      from: reversed,
    },
    { name: 'rows and columns swapped', from: turned },
  ];
  return candidates.filter(({ from }) => from.some((x, i) => x !== i));
}

export interface Line {
  readonly factor: number;
  readonly offset: number;
  /** Share of the variance that is explained, 0 to 1. */
  readonly fit: number;
}

/** The least squares of y = factor x + offset; fit 0 where x does not vary. */
export function lineOf(x: ArrayLike<number>, y: ArrayLike<number>, take: (i: number) => boolean): Line {
  let [n, sx, sy, sxx, sxy, syy] = [0, 0, 0, 0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    if (!take(i)) continue;
    const [a, b] = [at(x, i), at(y, i)];
    n++;
    sx += a;
    sy += b;
    sxx += a * a;
    sxy += a * b;
    syy += b * b;
  }
  const [vx, vy, cov] = [sxx - (sx * sx) / n, syy - (sy * sy) / n, sxy - (sx * sy) / n];
  if (!(vx > 0) || !(vy > 0)) return { factor: 0, offset: n === 0 ? 0 : sy / n, fit: 0 };
  const factor = cov / vx;
  return { factor, offset: (sy - factor * sx) / n, fit: (cov * cov) / (vx * vy) };
}
