import { at } from '../base/errors.ts';

/**
 * Resizing of planes, each axis on its own. An axis that shrinks: each output pixel is the mean of the input
 * over its share of the axis (area interpolation). One that grows: linear interpolation between pixel centres,
 * held constant beyond the outermost centres. Pixels are rounded once, halves up.
 */

/** An output pixel as a weighted sum of input pixels from `first` on. */
interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

function areaTaps(i: number, from: number, to: number): Taps {
  const scale = from / to;
  const [begin, end] = [i * scale, Math.min((i + 1) * scale, from)];
  const first = Math.floor(begin);
  const weights: number[] = [];
  for (let p = first; p < end; p++) weights.push((Math.min(p + 1, end) - Math.max(p, begin)) / (end - begin));
  return { first, weights };
}

function linearTaps(i: number, from: number, to: number): Taps {
  const centre = Math.min(Math.max(((i + 0.5) * from) / to - 0.5, 0), from - 1);
  const first = Math.min(Math.floor(centre), Math.max(from - 2, 0));
  const share = centre - first;
  return { first, weights: share === 0 ? [1] : [1 - share, share] };
}

const tapsOf = (from: number, to: number): readonly Taps[] =>
  Array.from({ length: to }, (_, i) => (to < from ? areaTaps(i, from, to) : linearTaps(i, from, to)));

/** One output element: its taps lie `stride` apart, from `base` on. */
function weigh(data: ArrayLike<number>, base: number, stride: number, { first, weights }: Taps): number {
  let total = 0;
  for (let k = 0; k < weights.length; k++) total += at(data, base + (first + k) * stride) * at(weights, k);
  return total;
}

function resizeRows(data: ArrayLike<number>, rows: number, from: number, to: number): Float64Array {
  const taps = tapsOf(from, to);
  const out = new Float64Array(rows * to);
  for (let row = 0; row < rows; row++)
    taps.forEach((tap, x) => {
      out[row * to + x] = weigh(data, row * from, 1, tap);
    });
  return out;
}

type Chw = readonly [c: number, h: number, w: number];

function resizeColumns(data: ArrayLike<number>, [c, h, w]: Chw, to: number): Float64Array {
  const taps = tapsOf(h, to);
  const out = new Float64Array(c * to * w);
  for (let plane = 0; plane < c; plane++)
    taps.forEach((tap, y) => {
      for (let x = 0; x < w; x++) out[(plane * to + y) * w + x] = weigh(data, plane * h * w + x, w, tap);
    });
  return out;
}

/** C,H,W planes to C,`height`,`width` ones, of the same element type. */
export function resizePlanes<T extends Uint8Array | Float32Array>(
  data: T,
  [c, h, w]: Chw,
  height: number,
  width: number,
): T {
  const wide = resizeRows(data, c * h, w, width);
  const exact = resizeColumns(wide, [c, h, width], height);
  const pixels = data instanceof Uint8Array;
  return (pixels ? Uint8Array.from(exact, (x) => Math.floor(x + 0.5)) : Float32Array.from(exact)) as T;
}

/** C,H,W planes with `pad` zeros on all four sides. */
export function padPlanes<T extends Uint8Array | Float32Array>(data: T, [c, h, w]: Chw, pad: number): T {
  const [tall, wide] = [h + 2 * pad, w + 2 * pad];
  const out = (
    data instanceof Uint8Array ? new Uint8Array(c * tall * wide) : new Float32Array(c * tall * wide)
  ) as T;
  for (let row = 0; row < c * h; row++) {
    const to = (Math.floor(row / h) * tall + pad + (row % h)) * wide + pad;
    out.set(data.subarray(row * w, (row + 1) * w), to);
  }
  return out;
}
