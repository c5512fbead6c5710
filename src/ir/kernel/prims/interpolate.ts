import { int } from '../../../wasm/code.ts';
import { i32 } from '../../../wasm/instructions.ts';
import type { Interval } from '../interval.ts';
import type { Primitive } from '../primitive.ts';

const none: Interval = { lo: 0, hi: 0 };

/** Between two neighbours of a table. Rounded, the result still lies between them: what intervals alone cannot know. */
export const interpolate: Primitive = {
  name: 'interpolate',
  doc: 'a + (b - a) * part / 2^bits, rounded half up; part in 0..2^bits - 1, within int32',
  params: [
    { name: 'a', type: 'i32' },
    { name: 'b', type: 'i32' },
    { name: 'part', type: 'i32' },
    { name: 'bits', type: 'i32' },
  ],
  result: 'i32',
  c99: ['return a + (((b - a) * part + ((int32_t)1 << (bits - 1))) >> bits);'],
  js: (a = 0, b = 0, part = 0, bits = 1) => a + Math.floor(((b - a) * part + 2 ** (bits - 1)) / 2 ** bits),
  wasm(_, a = [], b = [], part = [], bits = []) {
    const half = i32.shl(int(1), i32.sub(bits, int(1)));
    return i32.add(a, i32.shr(i32.add(i32.mul(i32.sub(b, a), part), half), bits));
  },
  violation(a = none, b = none, part = none, bits = { lo: 1, hi: 1 }) {
    if (bits.lo < 1 || bits.hi > 15) return `bits in ${bits.lo}..${bits.hi}, defined for 1..15`;
    if (part.lo < 0 || part.hi >= 2 ** bits.lo) return `part in ${part.lo}..${part.hi}, of ${bits.lo} bits`;
    const far = Math.max(Math.abs(b.hi - a.lo), Math.abs(b.lo - a.hi));
    return far * Math.max(1, part.hi) + 2 ** (bits.hi - 1) < 2 ** 31
      ? undefined
      : `neighbours ${far} apart, beyond int32`;
  },
  range: (a = none, b = none) => ({ lo: Math.min(a.lo, b.lo), hi: Math.max(a.hi, b.hi) }),
  cost: 'otherCall',
};
