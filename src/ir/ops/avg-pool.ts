import type { OpDef } from '../op.ts';
import { newestOpset, required } from './common/inputs.ts';
import { explicitPool, inferPool, type PoolAttrs, parsePool, poolAxes, poolTensor } from './common/pool.ts';
import { addTap, type Sweep } from './common/sweep.ts';
import type { WindowAxis } from './common/window.ts';

/** Elements of each window along one axis that count: the real ones, or with padding those in the padded axis. */
function countsAlong(axis: WindowAxis, includePad: boolean): number[] {
  const [first, end] = includePad ? [-axis.before, axis.in + axis.after] : [0, axis.in];
  return Array.from({ length: axis.out }, (_, i) => {
    const start = i * axis.stride - axis.before;
    return Array.from({ length: axis.kernel }, (_, k) => start + k * axis.dilation).filter(
      (at) => at >= first && at < end,
    ).length;
  });
}

/** What each window's sum is divided by: the product of the counts along the axes. */
const divisors = (axes: readonly WindowAxis[], includePad: boolean): number[] =>
  axes
    .map((axis) => countsAlong(axis, includePad))
    .reduce((all, counts) => all.flatMap((n) => counts.map((m) => n * m)), [1]);

const averageOfTaps =
  (counts: readonly number[]) =>
  (out: Float64Array, padded: Float64Array, sweep: Sweep): void => {
    for (const tap of sweep.taps) addTap(out, padded, tap, 1, sweep);
    for (let i = 0; i < out.length; i++) out[i] = (out[i] as number) / (counts[i] as number);
  };

/**
 * Mean of each window. x[N,C,spatial...], 1 to 3 spatial axes. What ceil mode adds at the end is never
 * counted. ONNX AveragePool-1, 7, 10, 11, 19, 22.
 */
export const avgPool: OpDef<PoolAttrs> = {
  kind: 'avgPool',
  onnx: { AveragePool: { since: 1, upTo: newestOpset, parse: parsePool } },
  infer: inferPool,
  reference(attrs, inputs) {
    const x = required(inputs, 0, 'X');
    const counts = divisors(poolAxes(attrs, x.shape), attrs.countIncludePad);
    return [poolTensor(attrs, x, 0, averageOfTaps(counts))];
  },
  explicit: explicitPool,
};
