import { int } from '../../../wasm/code.ts';
import { i32 } from '../../../wasm/instructions.ts';
import { allInts } from '../interval.ts';
import type { Primitive } from '../primitive.ts';

/** gcc from 4.7 on and clang know it as one instruction, where the chip has one. */
export const bytesReversed: Primitive = {
  name: 'bytes_reversed',
  doc: 'the four bytes of x in the opposite order',
  params: [{ name: 'x', type: 'i32' }],
  result: 'i32',
  c99: [
    'uint32_t u = (uint32_t)x;',
    'return (int32_t)(u >> 24 | (u >> 8 & 0xff00u) | (u << 8 & 0xff0000u) | u << 24);',
  ],
  js: (x = 0) => (x >>> 24) | ((x >>> 8) & 0xff00) | ((x << 8) & 0xff0000) | (x << 24),
  wasm(_, x = []) {
    const byte = (from: number, to: number) => i32.shl(i32.and(i32.shr(x, int(from)), int(255)), int(to));
    return i32.or(i32.or(byte(24, 0), byte(16, 8)), i32.or(byte(8, 16), byte(0, 24)));
  },
  violation: () => undefined,
  range: () => allInts,
  cost: 'otherCall',
};
