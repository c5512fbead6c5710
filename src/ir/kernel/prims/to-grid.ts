/** Real numbers onto grids. */
import { f32, float, i32, select } from '../../../wasm/instructions.ts';
import type { Primitive } from '../primitive.ts';

/** Added and taken away it leaves the nearest integer of what is below 2^22. */
const magic = 1.5 * 2 ** 23;
const most = 2 ** 22;

const cut = (x: number, lo: number, hi: number): number => (x > lo ? Math.min(x, hi) : lo);

/** The nearest integer within bounds. What is no number is the lower bound, as in ONNX's QuantizeLinear. */
export const nearestWithin: Primitive = {
  name: 'nearest_within_f32',
  doc: 'rint(x), halves to even, of x cut to lo..hi within +-2^22; lo where x is no number',
  params: [
    { name: 'x', type: 'f32' },
    { name: 'lo', type: 'i32' },
    { name: 'hi', type: 'i32' },
  ],
  result: 'i32',
  c99: [
    'x = x > (float)lo ? x : (float)lo;',
    'x = x < (float)hi ? x : (float)hi;',
    'x = x + 12582912.0f;',
    'return (int32_t)(x - 12582912.0f);',
  ],
  js: (x = 0, lo = 0, hi = 0) => Math.fround(Math.fround(cut(x, lo, hi) + magic) - magic),
  wasm(fresh, x = [], lo = [], hi = []) {
    const kept = fresh('f32');
    const [least, largest] = [f32.convert(lo), f32.convert(hi)];
    return [
      ...kept.set(select(x, least, f32.gt(x, least))),
      ...kept.set(select(kept.get, largest, f32.lt(kept.get, largest))),
      ...i32.truncate(f32.sub(f32.add(kept.get, float(magic)), float(magic))),
    ];
  },
  violation: (_x, lo = { lo: 0, hi: 0 }, hi = { lo: 0, hi: 0 }) =>
    lo.lo >= -most && hi.hi <= most && lo.hi <= hi.lo
      ? undefined
      : `bounds ${lo.lo} and ${hi.hi}, which are not in order within 2^22 of 0`,
  range: (_x, lo = { lo: 0, hi: 0 }, hi = { lo: 0, hi: 0 }) => ({ lo: lo.lo, hi: hi.hi }),
  cost: 'otherCall',
};
