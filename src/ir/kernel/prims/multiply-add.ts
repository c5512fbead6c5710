import { inFloat64 } from '../../../wasm/instructions.ts';
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
