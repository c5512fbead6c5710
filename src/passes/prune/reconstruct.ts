/** The best values of the weights that are left: least squares on what the layer computed before. */
import { at, cholesky, restricted, type Symmetric, solveFactored } from './symmetric.ts';

/**
 * Minimizes (w - w0)T H (w - w0) + damping over the entries in `kept`; all others become 0.
 *
 *   (H_SS + D) w_S = t_S + D w0_S,   t = H w0
 *
 * where D is `damping` times the mean of H_SS's diagonal on weights (not on the bias, index 0). With another
 * target than w0 itself, `t` is the sum of x y instead: inputs times wanted outputs.
 */
export function reconstruct(
  hessian: Symmetric,
  w0: Float64Array,
  kept: readonly number[],
  damping: number,
  t: Float64Array = times(hessian, w0),
): Float64Array {
  const sub = restricted(hessian, kept);
  const n = kept.length;
  let trace = 0;
  for (let i = 0; i < n; i++) trace += at(sub, i, i);
  const floor = trace > 0 ? trace / n : 1;
  const right = new Float64Array(n);
  kept.forEach((index, i) => {
    const d = floor * (index === 0 ? 1e-9 : damping);
    sub.data[i * n + i] = at(sub, i, i) + d;
    right[i] = (t[index] as number) + d * (w0[index] as number);
  });
  const solved = solveFactored(cholesky(sub), right);
  const made = new Float64Array(w0.length);
  kept.forEach((index, i) => {
    made[index] = solved[i] as number;
  });
  return made;
}

/** H w */
export function times({ size, data }: Symmetric, w: Float64Array): Float64Array {
  const made = new Float64Array(size);
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
