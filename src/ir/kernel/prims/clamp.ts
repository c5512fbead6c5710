import { i32, i32x4, select } from '../../../wasm/instructions.ts';
import type { Primitive } from '../primitive.ts';

/** Saturation; compilers know the pattern (USAT, VMIN/VMAX). */
export const clamp: Primitive = {
  name: 'clamp',
  doc: 'x, but not below lo and not above hi',
  params: [
    { name: 'x', type: 'i32' },
    { name: 'lo', type: 'i32' },
    { name: 'hi', type: 'i32' },
  ],
  result: 'i32',
  c99: ['return x < lo ? lo : x > hi ? hi : x;'],
  js: (x = 0, lo = 0, hi = 0) => (x < lo ? lo : x > hi ? hi : x),
  wasm: (_, x = [], lo = [], hi = []) => select(lo, select(hi, x, i32.gt(x, hi)), i32.lt(x, lo)),
  lanes: (_, x = [], lo = [], hi = []) => i32x4.min(i32x4.max(x, i32x4.splat(lo)), i32x4.splat(hi)),
  violation: () => undefined,
  range: (x = { lo: 0, hi: 0 }, lo = { lo: 0, hi: 0 }, hi = { lo: 0, hi: 0 }) => ({
    lo: Math.max(Math.min(x.lo, hi.lo), Math.min(lo.lo, hi.lo)),
    hi: Math.max(Math.min(x.hi, hi.hi), lo.hi),
  }),
  cost: 'clamp',
};
