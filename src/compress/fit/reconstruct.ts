/** The best values of the weights that are left: least squares on what the layer computed before. */
import { at, holds } from '../../base/errors.ts';
import { cholesky, entry, meanDiagonal, restricted, type Symmetric, solveFactored } from './symmetric.ts';

/** Least squares whose matrix is factored once, for as many right-hand sides as share it. */
export interface Solver {
  /** The w that minimizes wT H w - 2 wT t + d |w - w0|^2. */
  solve(t: Float64Array, w0: Float64Array): Float64Array;
}

/**
 * d is `damping` times the mean of H's diagonal (almost nothing on the bias, index 0, whose unit is another):
 *
 *   (H + D) w = t + D w0
 */
export function solverOf(hessian: Symmetric, damping: number): Solver {
  const { size } = hessian;
  const system = { size, data: hessian.data.slice() };
  const mean = meanDiagonal(hessian, 1);
  const constant = at(hessian.data, 0);
  const added = new Float64Array(size).fill(damping * (mean > 0 ? mean : 1));
  added[0] = constant > 0 ? 1e-9 * constant : 1;
  for (let i = 0; i < size; i++) system.data[i * size + i] = entry(system, i, i) + at(added, i);
  const factor = cholesky(system);
  return {
    solve: (t, w0) =>
      solveFactored(
        factor,
        t.map((x, i) => x + at(added, i) * at(w0, i)),
      ),
  };
}

/**
 * The entries in `kept` that minimize (w - w0)T H (w - w0), all others being 0: a solver's on the kept rows and
 * columns, with t = H w0.
 */
export function reconstruct(
  hessian: Symmetric,
  w0: Float64Array,
  kept: readonly number[],
  damping: number,
): Float64Array {
  const t = times(hessian, w0);
  const pick = (from: Float64Array) => Float64Array.from(kept, (i) => at(from, i));
  const solved = solverOf(restricted(hessian, kept), damping).solve(pick(t), pick(w0));
  const made = new Float64Array(w0.length);
  kept.forEach((index, i) => {
    made[index] = at(solved, i);
  });
  return made;
}

/** H w; the loops read unchecked */
export function times({ size, data }: Symmetric, w: Float64Array): Float64Array {
  const made = new Float64Array(size);
  holds(w, size);
  for (let i = 0; i < size; i++) {
    const wi = w[i] as number;
    let sum = (data[i * size + i] as number) * wi;
    for (let j = 0; j < i; j++) {
      const h = data[i * size + j] as number;
      sum += h * (w[j] as number);
      made[j] = (made[j] as number) + h * wi;
    }
    made[i] = (made[i] as number) + sum;
  }
  return made;
}
