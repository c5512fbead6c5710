/**
 * Symmetric positive definite matrices in float64, of which only the lower triangle is kept up to date. The loops read
 * unchecked, which is what pruning's time goes into: lengths are checked before them.
 */
import { DefectError, holds, InputError } from '../../base/errors.ts';
import { largestOf } from '../../base/extremes.ts';

export interface Symmetric {
  readonly size: number;
  /** size x size, row-major; element (i, j) counts for j <= i. */
  readonly data: Float64Array;
}

export const zeros = (size: number): Symmetric => ({ size, data: new Float64Array(size * size) });

export const entry = ({ size, data }: Symmetric, i: number, j: number): number =>
  data[i >= j ? i * size + j : j * size + i] as number;

/** What is made of a matrix; asked for the same one again, it is not made anew. Rows that share one follow another. */
export function lastKept<T, More extends readonly unknown[]>(
  make: (a: Symmetric, ...more: More) => T,
): (a: Symmetric, ...more: More) => T {
  let last: { readonly of: Symmetric; readonly made: T } | undefined;
  return (a, ...more) => {
    if (last?.of !== a) last = { of: a, made: make(a, ...more) };
    return last.made;
  };
}

/** a += weight * x xT; what is 0 in x costs nothing (half of what a ReLU leaves is). */
export function addOuter(a: Symmetric, x: Float64Array, weight: number): void {
  const { size, data } = a;
  holds(x, size);
  for (let i = 0; i < size; i++) {
    const scaled = weight * (x[i] as number);
    if (scaled === 0) continue;
    const row = i * size;
    for (let j = 0; j <= i; j++) data[row + j] = (data[row + j] as number) + scaled * (x[j] as number);
  }
}

/** The mean of the diagonal from `first` on; 0 for none. */
export function meanDiagonal(a: Symmetric, first = 0): number {
  let sum = 0;
  for (let i = first; i < a.size; i++) sum += entry(a, i, i);
  return a.size > first ? sum / (a.size - first) : 0;
}

/** Rows and columns `index`. */
export function restricted(a: Symmetric, index: ArrayLike<number>): Symmetric {
  const made = zeros(index.length);
  holds({ length: a.size }, largestOf(index) + 1);
  for (let i = 0; i < index.length; i++)
    for (let j = 0; j <= i; j++)
      made.data[i * made.size + j] = entry(a, index[i] as number, index[j] as number);
  return made;
}

/** Callers add damping first; only numbers beyond float64, or nearly, are the user's. */
function notDefinite({ size, data }: Symmetric, term: number): Error {
  const largest = data.reduce((most, x) => (Number.isNaN(x) ? x : Math.max(most, Math.abs(x))), 0);
  if (largest < 1e290)
    return new DefectError(`a Hessian of ${size} terms is not positive definite at term ${term}`);
  return new InputError({
    where: 'pruning or rounding weights',
    found: `squares of activations times gradients of ${largest}`,
    supported: 'sums of squares within float64 (up to 1.8e308)',
    todo: 'the weights or the samples are too large: check them, and normalize the samples as in training',
  });
}

/**
 * The lower factor L of a = L LT.
 * @throws DefectError when `a` is not positive definite: callers add damping first; InputError when it is for
 * numbers beyond float64.
 */
export function cholesky(a: Symmetric): Symmetric {
  const { size: n } = a;
  holds(a.data, n * n);
  const l = a.data.slice();
  for (let first = 0; first < n; first += blockRows) {
    const end = Math.min(n, first + blockRows);
    if (end === first + blockRows) factorRows(l, n, first);
    for (let i = first; i < end; i++) {
      for (let j = end === first + blockRows ? first : 0; j < i; j++)
        l[i * n + j] = reduced(l, n, i, j) / (l[j * n + j] as number);
      const left = reduced(l, n, i, i);
      if (!(left > 0 && left < Infinity)) throw notDefinite(a, i);
      l[i * n + i] = Math.sqrt(left);
    }
  }
  return { size: n, data: l };
}

/** a_ij less the products of rows i and j of L before column j. */
function reduced(l: Float64Array, n: number, i: number, j: number): number {
  let sum = l[i * n + j] as number;
  for (let k = 0; k < j; k++) sum -= (l[i * n + k] as number) * (l[j * n + k] as number);
  return sum;
}

const blockRows = 4;

/** Columns before `first` of four rows from there on: four independent sums, which read the rows above together. */
function factorRows(l: Float64Array, n: number, first: number): void {
  const [a, b, c, d] = [first * n, (first + 1) * n, (first + 2) * n, (first + 3) * n];
  for (let j = 0; j < first; j++) {
    const row = j * n;
    let [sa, sb, sc, sd] = [l[a + j] as number, l[b + j] as number, l[c + j] as number, l[d + j] as number];
    for (let k = 0; k < j; k++) {
      const x = l[row + k] as number;
      sa -= (l[a + k] as number) * x;
      sb -= (l[b + k] as number) * x;
      sc -= (l[c + k] as number) * x;
      sd -= (l[d + k] as number) * x;
    }
    const pivot = l[row + j] as number;
    l[a + j] = sa / pivot;
    l[b + j] = sb / pivot;
    l[c + j] = sc / pivot;
    l[d + j] = sd / pivot;
  }
}

/** The solution x of L LT x = b, in place of b. */
export function solveFactored(factor: Symmetric, b: Float64Array): Float64Array {
  const { size: n, data: l } = factor;
  holds(b, n);
  for (let i = 0; i < n; i++) {
    let sum = b[i] as number;
    for (let k = 0; k < i; k++) sum -= (l[i * n + k] as number) * (b[k] as number);
    b[i] = sum / (l[i * n + i] as number);
  }
  for (let i = n - 1; i >= 0; i--) {
    const x = (b[i] as number) / (l[i * n + i] as number);
    b[i] = x;
    for (let k = 0; k < i; k++) b[k] = (b[k] as number) - (l[i * n + k] as number) * x;
  }
  return b;
}

/** The inverse of L, row by row: M L = I. */
function inverseOfFactor({ size: n, data: l }: Symmetric): Float64Array {
  const m = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    m[i * n + i] = 1;
    for (let k = i; k >= 0; k--) {
      const value = (m[i * n + k] as number) / (l[k * n + k] as number);
      m[i * n + k] = value;
      for (let j = 0; j < k; j++) m[i * n + j] = (m[i * n + j] as number) - value * (l[k * n + j] as number);
    }
  }
  return m;
}

/** a^-1 = L^-T L^-1. */
export function inverse(a: Symmetric): Symmetric {
  const { size: n } = a;
  const m = inverseOfFactor(cholesky(a));
  const made = zeros(n);
  for (let k = 0; k < n; k++)
    for (let i = 0; i <= k; i++) {
      const factor = m[k * n + i] as number;
      if (factor === 0) continue;
      for (let j = 0; j <= i; j++)
        made.data[i * n + j] = (made.data[i * n + j] as number) + factor * (m[k * n + j] as number);
    }
  return made;
}

/** xT a x */
export function quadratic(a: Symmetric, x: Float64Array): number {
  const { size: n, data } = a;
  holds(x, n);
  let total = 0;
  for (let i = 0; i < n; i++) {
    const xi = x[i] as number;
    if (xi === 0) continue;
    let sum = 0.5 * xi * (data[i * n + i] as number);
    for (let j = 0; j < i; j++) sum += (data[i * n + j] as number) * (x[j] as number);
    total += 2 * xi * sum;
  }
  return total;
}
