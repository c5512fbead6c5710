/** Integer meanings of reductions and normalizations: naive loops over groups, integers without a size. */
import type { QuantizedNormalization } from '../../src/ir/ops/kernels/group-norm.ts';
import type { ShiftedSum } from '../../src/ir/ops/kernels/shifted-sum.ts';
import type { NormalizeAttrs } from '../../src/ir/ops/normalize-groups.ts';
import type { ReduceAttrs } from '../../src/ir/ops/reduce.ts';
import type { Bytes } from './operators.ts';
import { byteOf } from './requantize.ts';

type Shape = readonly number[];

const count = (shape: Shape): number => shape.reduce((n, size) => n * size, 1);

/** Indices along each axis of a row-major element. */
function indexOf(element: number, shape: Shape): number[] {
  const index: number[] = [];
  let rest = element;
  for (const size of shape.toReversed()) {
    index.unshift(rest % size);
    rest = Math.floor(rest / size);
  }
  return index;
}

/** Row-major elements that differ along some axes only, group by group. */
function groups(shape: Shape, axes: readonly number[]): readonly (readonly number[])[] {
  const found = new Map<string, number[]>();
  for (let element = 0; element < count(shape); element++) {
    const key = indexOf(element, shape)
      .map((i, axis) => (axes.includes(axis) ? 0 : i))
      .join();
    found.set(key, [...(found.get(key) ?? []), element]);
  }
  return [...found.values()];
}

const outputShape = (shape: Shape, { axes, keepDims }: ReduceAttrs): number[] =>
  shape.flatMap((n, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [n]));

function reduced(attrs: ReduceAttrs, x: Bytes, f: (bytes: readonly number[]) => number): Bytes {
  const data = groups(x.shape, attrs.axes).map((group) => f(group.map((i) => x.data[i]!)));
  return { shape: outputShape(x.shape, attrs), data: Int32Array.from(data) };
}

const total = (numbers: readonly number[]): number => numbers.reduce((sum, x) => sum + x, 0);

export const sumOracle = (attrs: ReduceAttrs, q: ShiftedSum, x: Bytes): Bytes =>
  reduced(attrs, x, (bytes) =>
    byteOf(total(bytes) * q.factor + q.offset, q.requant, 0, {
      zeroPoint: q.zeroPoint,
      ...(q.bounds ?? { lo: 0, hi: 255 }),
    }),
  );

export const extremeOracle = (attrs: ReduceAttrs, which: 'max' | 'min', x: Bytes): Bytes =>
  reduced(attrs, x, (bytes) => Math[which](...bytes));

const scaledBy = (x: number, bits: number): number => Math.floor(x * 2 ** bits);
const cut = (x: number, lo: number, hi: number): number => Math.min(hi, Math.max(lo, x));

/** m, what it lost in 128ths, and the variance of a row, in the units of the definition. */
function moments(row: readonly number[], { zero, bits, epsilon }: QuantizedNormalization) {
  const n = row.length;
  if (zero !== undefined) {
    const squares = total(row.map((q) => (q - zero) ** 2));
    return { mean: zero, rest: 0, variance: Math.max(1, scaledBy(squares, bits) + epsilon) };
  }
  const mean = Math.floor((total(row) + Math.floor(n / 2)) / n);
  const left = total(row) - n * mean;
  const spread = total(row.map((q) => (q - mean) ** 2));
  const corrected = scaledBy(spread, bits) - Math.floor(scaledBy(left * left, bits) / n);
  const rest = Math.floor((128 * left + 64 * n + Math.floor(n / 2)) / n) - 64;
  return { mean, rest, variance: Math.max(1, corrected + epsilon) };
}

/** round(2^29 / root) of the root of w 4^j in 2^28..2^30, and j. */
function inverseRoot(w: number): { readonly over: number; readonly j: number } {
  let [scaled, j] = [w, 0];
  while (scaled >= 2 ** 30) [scaled, j] = [Math.floor(scaled / 4), j - 1];
  while (scaled < 2 ** 28) [scaled, j] = [scaled * 4, j + 1];
  const root = Math.round(Math.sqrt(scaled));
  return { over: Math.floor((2 ** 29 + Math.floor(root / 2)) / root), j };
}

function narrowRow(row: readonly number[], q: QuantizedNormalization) {
  const { mean, rest, variance } = moments(row, q);
  return { variance, distance: (x: number): number => (x - mean) * 128 - rest };
}

/** Of 16 bits: distances times 4^j in 2^15ths, by the largest of them; squares of a few of their upper bits. */
function wideRow(
  row: readonly number[],
  { zero }: QuantizedNormalization,
  { bits, epsilons }: NonNullable<QuantizedNormalization['wide']>,
) {
  const n = row.length;
  const mean = zero ?? Math.floor((total(row) + 32768 * n + Math.floor(n / 2)) / n) - 32768;
  const largest = Math.max(1, ...row.map((x) => Math.min(65535, Math.abs(x - mean))));
  const j = Math.min(inverseRoot(largest).j, epsilons.length - 1);
  const distance = (x: number): number => cut(Math.floor(((x - mean) * 4 ** j) / 2 ** 15), -32767, 32767);
  const squares = total(row.map((x) => Math.floor(distance(x) / 2 ** (15 - bits) + 0.5) ** 2));
  return { variance: Math.max(1, squares + epsilons[j]!), distance };
}

/** Which of the gains and shifts is an element's, whose shape ends where the view's does. */
function parameterOf(element: number, view: Shape, shape: Shape): number {
  const index = indexOf(element, view).slice(view.length - shape.length);
  return shape.reduce((at, size, axis) => at * size + (size === 1 ? 0 : index[axis]!), 0);
}

export function normalizeOracle({ view, axes }: NormalizeAttrs, q: QuantizedNormalization, x: Bytes): Bytes {
  const data = new Int32Array(x.data.length);
  for (const group of groups(view, axes)) {
    const row = group.map((i) => x.data[i]!);
    const { variance, distance } = q.wide === undefined ? narrowRow(row, q) : wideRow(row, q, q.wide);
    const { over, j } = inverseRoot(variance);
    const by = cut(q.shift - j, 1, 30);
    for (const i of group) {
      const t = distance(x.data[i]!);
      const z = cut(Math.floor((t * over + 2 ** (by - 1)) / 2 ** by), -32767, 32767);
      const p = parameterOf(i, view, q.parameters);
      const y = Math.floor((z * q.gains[p]! + q.shifts[p]!) / 2 ** q.last) + q.zeroPoint;
      data[i] = cut(y, q.lo, q.hi);
    }
  }
  return { shape: x.shape, data };
}
