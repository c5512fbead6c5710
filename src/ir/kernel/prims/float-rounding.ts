import { f32, float, i32, inFloat64, select } from '../../../wasm/instructions.ts';
import type { Primitive } from '../primitive.ts';

/** a b + c where float64 holds it: rounded once, as one fused instruction does. */
export const multiplyAdd: Primitive = {
  name: 'multiply_add',
  doc: 'a * b + c in float64, then rounded to float',
  params: [
    { name: 'a', type: 'f32' },
    { name: 'b', type: 'f32' },
    { name: 'c', type: 'f32' },
  ],
  result: 'f32',
  c99: ['return (float)((double)a * (double)b + (double)c);'],
  js: (a = 0, b = 0, c = 0) => Math.fround(a * b + c),
  wasm: (_, a = [], b = [], c = []) => inFloat64.multiplyAdd(a, b, c),
  violation: () => undefined,
  range: () => ({ lo: 0, hi: 0 }),
  cost: 'otherCall',
};

/** The nearest integer within +-2^21, of two the even one. */
function nearestEven(x: number): number {
  const cut = Math.max(-(2 ** 21), Math.min(2 ** 21, x));
  const near = Math.round(cut);
  return (near - cut === 0.5 && near % 2 !== 0 ? near - 1 : near) + 0;
}

export const roundEven: Primitive = {
  name: 'round_even',
  doc: 'the nearest integer, halves to even; |result| is cut off at 2^21',
  params: [{ name: 'x', type: 'f32' }],
  result: 'i32',
  c99: [
    'x = x < -2097152.0f ? -2097152.0f : x > 2097152.0f ? 2097152.0f : x;',
    'x = x + 12582912.0f;',
    'return (int32_t)(x - 12582912.0f);',
  ],
  js: (x = 0) => nearestEven(x),
  wasm(_, x = []) {
    const [lo, hi, magic] = [float(-(2 ** 21)), float(2 ** 21), float(1.5 * 2 ** 23)];
    const cut = select(lo, select(hi, x, f32.gt(x, hi)), f32.lt(x, lo));
    return i32.truncate(f32.sub(f32.add(cut, magic), magic));
  },
  violation: () => undefined,
  range: () => ({ lo: -(2 ** 21), hi: 2 ** 21 }),
  cost: 'otherCall',
};
