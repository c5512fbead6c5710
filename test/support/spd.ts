/** Small least-squares problems for laws. */
import fc from 'fast-check';
import { mulberry32, normal } from '../../src/base/random.ts';
import { addOuter, type Symmetric, zeros } from '../../src/compress/fit/symmetric.ts';

export interface SmallProblem {
  /** Sum of columns' outer products; index 0 is a constant 1. Positive definite: more columns than terms. */
  readonly hessian: Symmetric;
  /** A row of weights behind its bias. */
  readonly row: Float64Array;
}

/** Correlated columns, so that compensation matters. */
export function problemOf(terms: number, seed: number): SmallProblem {
  const random = mulberry32(seed);
  const hessian = zeros(terms + 1);
  const common = Float64Array.from({ length: terms }, () => normal(random));
  for (let k = 0; k < 4 * terms + 8; k++) {
    const shared = normal(random);
    const column = Float64Array.from({ length: terms + 1 }, (_, i) =>
      i === 0 ? 1 : normal(random) + shared * common[i - 1]!,
    );
    addOuter(hessian, column, 0.1 + random());
  }
  return { hessian, row: Float64Array.from({ length: terms + 1 }, () => normal(random)) };
}

export const problems = (most = 7): fc.Arbitrary<SmallProblem> =>
  fc.tuple(fc.integer({ min: 2, max: most }), fc.integer()).map(([terms, seed]) => problemOf(terms, seed));

/** The same matrix with both triangles, as rows. */
export const full = ({ size, data }: Symmetric): number[][] =>
  Array.from({ length: size }, (_, i) =>
    Array.from({ length: size }, (_, j) => data[Math.max(i, j) * size + Math.min(i, j)]!),
  );

/** Gaussian elimination with pivots: another way to solve than the one that is tested. */
export function solved(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const m = a.map((row, i) => [...row, b[i]!]);
  const n = m.length;
  for (let c = 0; c < n; c++) {
    const pivot = m
      .slice(c)
      .reduce((best, row, i) => (Math.abs(row[c]!) > Math.abs(m[best]![c]!) ? i + c : best), c);
    [m[c], m[pivot]] = [m[pivot]!, m[c]!];
    for (let r = 0; r < n; r++)
      if (r !== c) {
        const factor = m[r]![c]! / m[c]![c]!;
        for (let k = c; k <= n; k++) m[r]![k]! -= factor * m[c]![k]!;
      }
  }
  return m.map((row, i) => row[n]! / row[i]!);
}

/** The least (w - row)T H (w - row) over w with zeros at `gone`. */
export function bestWithout({ hessian, row }: SmallProblem, gone: readonly number[]): number {
  const h = full(hessian);
  const kept = h.map((_, i) => i).filter((i) => !gone.includes(i));
  const target = kept.map((i) => h[i]!.reduce((sum, x, j) => sum + x * row[j]!, 0));
  const w = solved(
    kept.map((i) => kept.map((j) => h[i]![j]!)),
    target,
  );
  const error = Array.from(row, (x, i) => (kept.includes(i) ? w[kept.indexOf(i)]! - x : -x));
  return error.reduce((sum, e, i) => sum + e * h[i]!.reduce((s, x, j) => s + x * error[j]!, 0), 0);
}
