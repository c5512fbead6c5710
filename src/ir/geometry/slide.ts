/**
 * Windows moved over data, for the references of convolution and pooling. The channel is padded first, so that
 * no loop has bounds to check; then each kernel tap is swept over all outputs at once, row by row. Sums are
 * float64.
 */
import { at, holds } from '../../base/errors.ts';
import type { Numbers } from '../tensor.ts';
import { paddedSize, unitAxis, type WindowAxis } from './window.ts';

/** Depth, height, width; missing ones are 1. */
type Three<T> = readonly [T, T, T];

export interface Sweep {
  /** Elements of one channel before, with padding, and after. */
  readonly inCount: number;
  readonly paddedCount: number;
  readonly outCount: number;
  /** Per kernel tap, in row-major order: where its first element lies in the padded channel. */
  readonly taps: Int32Array;
  /** Per output element: where its window begins in the padded channel. */
  readonly starts: Int32Array;
  /** Per row of the output: how far its elements lie from those of the first row, in the padded channel. */
  readonly rows: Int32Array;
  readonly width: number;
  readonly step: number;
  readonly axes: Three<WindowAxis>;
  readonly padded: Three<number>;
}

export function sweepOf(spatial: readonly WindowAxis[]): Sweep {
  const [a = unitAxis, b = unitAxis, c = unitAxis] = [
    ...new Array<WindowAxis>(3 - spatial.length).fill(unitAxis),
    ...spatial,
  ];
  const axes: Three<WindowAxis> = [a, b, c];
  const padded: Three<number> = [paddedSize(a), paddedSize(b), paddedSize(c)];
  return {
    inCount: a.in * b.in * c.in,
    paddedCount: padded[0] * padded[1] * padded[2],
    outCount: a.out * b.out * c.out,
    taps: offsets(padded, [a.kernel, b.kernel, c.kernel], [a.dilation, b.dilation, c.dilation]),
    starts: offsets(padded, [a.out, b.out, c.out], [a.stride, b.stride, c.stride]),
    rows: offsets(padded, [a.out, b.out, 1], [a.stride, b.stride, 1]),
    width: c.out,
    step: c.stride,
    axes,
    padded,
  };
}

/** Offsets of the points `step * (0..count - 1)` on each axis, row-major. */
function offsets(size: Three<number>, count: Three<number>, step: Three<number>): Int32Array {
  const found = new Int32Array(count[0] * count[1] * count[2]);
  let next = 0;
  for (let d = 0; d < count[0]; d++)
    for (let h = 0; h < count[1]; h++)
      for (let w = 0; w < count[2]; w++)
        found[next++] = (d * step[0] * size[1] + h * step[1]) * size[2] + w * step[2];
  return found;
}

/** Copies the channel that begins at `from` into the padded one that begins at `to`; the padding stays. */
export function padInto(target: Float64Array, to: number, source: Numbers, from: number, sweep: Sweep): void {
  const [d, h, w] = sweep.axes;
  let read = from;
  holds(source, from + sweep.inCount);
  for (let z = 0; z < d.in; z++)
    for (let y = 0; y < h.in; y++) {
      const row = to + ((z + d.before) * sweep.padded[1] + y + h.before) * sweep.padded[2] + w.before;
      for (let x = 0; x < w.in; x++) target[row + x] = source[read++] as number;
    }
}

/** sums[i] += weight * (the element under the tap for output i) */
export function addTap(
  sums: Float64Array,
  source: Float64Array,
  tap: number,
  weight: number,
  sweep: Sweep,
): void {
  const { rows, width, step } = sweep;
  let out = 0;
  for (let r = 0; r < rows.length; r++) {
    let read = tap + at(rows, r);
    for (let x = 0; x < width; x++, out++, read += step)
      sums[out] = at(sums, out) + weight * at(source, read);
  }
}

/** best[i] = max(best[i], the element under the tap for output i) */
export function maxTap(best: Float64Array, source: Float64Array, tap: number, sweep: Sweep): void {
  const { rows, width, step } = sweep;
  let out = 0;
  for (let r = 0; r < rows.length; r++) {
    let read = tap + at(rows, r);
    for (let x = 0; x < width; x++, out++, read += step)
      if (at(source, read) > at(best, out)) best[out] = at(source, read);
  }
}
