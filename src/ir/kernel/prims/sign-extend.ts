import { int } from '../../../wasm/code.ts';
import { i32 } from '../../../wasm/instructions.ts';
import type { Interval } from '../interval.ts';
import type { Primitive } from '../primitive.ts';

const half = (bits: number): number => 2 ** (bits - 1);

/**
 * Values of fewer than 32 bits that were loaded or cut out without their sign. Compilers turn it into a load
 * that extends the sign (8 bits) or one SBFX; with masks instead of shifts gcc 12 does so for neither.
 */
export const signExtend: Primitive = {
  name: 'sign_extend',
  doc: "the lowest bits of x, 1 to 31 of them, as a number in two's complement",
  params: [
    { name: 'x', type: 'i32' },
    { name: 'bits', type: 'i32' },
  ],
  result: 'i32',
  c99: ['return (int32_t)((uint32_t)x << (32 - bits)) >> (32 - bits);'],
  js: (x = 0, bits = 1) => (x << (32 - bits)) >> (32 - bits),
  wasm(_, x = [], bits = []) {
    const away = i32.sub(int(32), bits);
    return i32.shr(i32.shl(x, away), away);
  },
  violation: (_x, bits = { lo: 0, hi: 0 }) =>
    bits.lo < 1 || bits.hi > 31 ? `bits in ${bits.lo}..${bits.hi}, defined for 1..31` : undefined,
  range: (x: Interval = { lo: 0, hi: 0 }, bits: Interval = { lo: 1, hi: 1 }) => {
    const kept = half(bits.lo);
    if (x.lo >= -kept && x.hi < kept) return x;
    return { lo: -half(bits.hi), hi: half(bits.hi) - 1 };
  },
  // To 8 bits it is part of the byte's load.
  cost: (_, bits) => (bits?.kind === 'int' && bits.value === 8 ? undefined : 'signExtend'),
};
