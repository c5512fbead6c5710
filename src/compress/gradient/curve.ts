/** Real functions of single elements, and products. Rare, so in JavaScript; slopes are those of chords in float64. */
import { holds, must } from '../../base/errors.ts';
import type { Curve } from '../../ir/graph/gradient.ts';
import { isCanonical, type RealFunction } from '../../ir/graph/op.ts';
import { ops } from '../../ir/ops/index.ts';
import { elementBytes } from './kernels.ts';

interface Elements {
  readonly f: Curve;
  /** Bytes. */
  readonly x: number;
  readonly y: number;
  readonly count: number;
}

function functionOf({ kind, attrs }: Curve): (x: number) => number {
  const real: RealFunction<unknown> | undefined = ops
    .filter(isCanonical)
    .find((op) => op.kind === kind)?.real;
  const { value } = must(real, `${kind} is one real function`);
  return (x) => value(attrs, x);
}

/** Half a chord of 2^-16 of x: with the third derivative and float64's rounding it is off by some 1e-10. */
function slopeAt(f: (x: number) => number, x: number): number {
  const half = 2 ** -17 * Math.max(1, Math.abs(x));
  const slope = (f(x + half) - f(x - half)) / (2 * half);
  // At the end of a domain.
  return Number.isFinite(slope) ? slope : 0;
}

/** @param lanes samples side by side */
export function curveForward(values: Float32Array, { f, x, y, count }: Elements, lanes: number): void {
  const [value, from, to] = [functionOf(f), (x / elementBytes) * lanes, (y / elementBytes) * lanes];
  holds(values, Math.max(from, to) + count * lanes);
  for (let i = 0; i < count * lanes; i++) values[to + i] = value(values[from + i] as number);
}

/** Gradients lie as values do. */
export function curveBackward(
  values: Float32Array,
  gradients: Float32Array | Float64Array,
  { f, x, y, count }: Elements,
  lanes: number,
): void {
  const [value, from, to] = [functionOf(f), (x / elementBytes) * lanes, (y / elementBytes) * lanes];
  for (const list of [values, gradients]) holds(list, Math.max(from, to) + count * lanes);
  for (let i = 0; i < count * lanes; i++)
    gradients[from + i] =
      (gradients[from + i] as number) +
      (gradients[to + i] as number) * slopeAt(value, values[from + i] as number);
}

interface Factors {
  /** Bytes. */
  readonly factors: readonly [number, number];
  readonly y: number;
  readonly count: number;
}

export function productForward(values: Float32Array, { factors, y, count }: Factors, lanes: number): void {
  const [a, b, to] = [...factors, y].map((bytes) => (bytes / elementBytes) * lanes) as [
    number,
    number,
    number,
  ];
  holds(values, Math.max(a, b, to) + count * lanes);
  for (let i = 0; i < count * lanes; i++)
    values[to + i] = (values[a + i] as number) * (values[b + i] as number);
}

/** Of a square both factors gain. */
export function productBackward(
  values: Float32Array,
  gradients: Float32Array | Float64Array,
  { factors, y, count }: Factors,
  lanes: number,
): void {
  const [a, b, to] = [...factors, y].map((bytes) => (bytes / elementBytes) * lanes) as [
    number,
    number,
    number,
  ];
  for (const list of [values, gradients]) holds(list, Math.max(a, b, to) + count * lanes);
  for (let i = 0; i < count * lanes; i++) {
    const gradient = gradients[to + i] as number;
    gradients[a + i] = (gradients[a + i] as number) + gradient * (values[b + i] as number);
    gradients[b + i] = (gradients[b + i] as number) + gradient * (values[a + i] as number);
  }
}
