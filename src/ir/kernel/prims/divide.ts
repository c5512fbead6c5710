import { int } from '../../../wasm/code.ts';
import { i32, select } from '../../../wasm/instructions.ts';
import type { Interval } from '../interval.ts';
import type { Primitive } from '../primitive.ts';

function nearest(x: number, n: number): number {
  const half = Math.floor(n / 2);
  // + 0: never -0.
  return Math.trunc((x > 0 ? x + half : x - half) / n) + 0;
}

/** Averages of signed bytes, as TensorFlow Lite and CMSIS-NN round them. */
export const divideNearest: Primitive = {
  name: 'divide_nearest',
  doc: 'x / n to the nearest integer, halves away from 0; n >= 1',
  params: [
    { name: 'x', type: 'i32' },
    { name: 'n', type: 'i32' },
  ],
  result: 'i32',
  c99: ['return (x > 0 ? x + n / 2 : x - n / 2) / n;'],
  js: (x = 0, n = 1) => nearest(x, n),
  wasm(fresh, x = [], n = []) {
    const half = fresh('i32');
    const moved = select(i32.add(x, half.get), i32.sub(x, half.get), i32.gt(x, int(0)));
    return [...half.set(i32.shr(n, int(1))), ...i32.div(moved, n)];
  },
  violation(x = { lo: 0, hi: 0 }, n = { lo: 1, hi: 1 }) {
    if (n.lo < 1) return `divisor in ${n.lo}..${n.hi}, defined for 1..2147483647`;
    const half = Math.floor(n.hi / 2);
    const far = x.lo - half < -(2 ** 31) || x.hi + half >= 2 ** 31;
    return far ? `numerator in ${x.lo}..${x.hi}, beyond int32 with half of ${n.hi}` : undefined;
  },
  // The nearest integer to x / n grows with x, and comes nearer to 0 with n.
  range(x = { lo: 0, hi: 0 }, n = { lo: 1, hi: 1 }): Interval {
    const at = [x.lo, x.hi].flatMap((a) => [nearest(a, Math.max(1, n.lo)), nearest(a, Math.max(1, n.hi))]);
    return { lo: Math.min(...at), hi: Math.max(...at) };
  },
  cost: 'divide',
};
