import fc from 'fast-check';
import { expect, test } from 'vitest';
import { signExtend } from '../../../../src/ir/kernel/prims/sign-extend.ts';

const bits = fc.integer({ min: 1, max: 31 });
const int32 = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });

test('the lowest bits as a number in two’s complement', () => {
  fc.assert(
    fc.property(int32, bits, (x, n) => {
      expect(signExtend.js(x, n)).toBe(Number(BigInt.asIntN(n, BigInt(x))));
    }),
  );
});

test('bounds hold every result', () => {
  fc.assert(
    fc.property(int32, int32, bits, bits, fc.double({ min: 0, max: 1, noNaN: true }), (a, b, m, n, f) => {
      const x = { lo: Math.min(a, b), hi: Math.max(a, b) };
      const width = { lo: Math.min(m, n), hi: Math.max(m, n) };
      const { lo, hi } = signExtend.range(x, width);
      for (const of of [width.lo, width.hi]) {
        const value = signExtend.js(Math.floor(x.lo + f * (x.hi - x.lo)), of);
        expect(value).toBeGreaterThanOrEqual(lo);
        expect(value).toBeLessThanOrEqual(hi);
      }
    }),
  );
});

test('widths outside of 1 to 31 are refused', () => {
  const at = (x: number) => ({ lo: x, hi: x });
  expect(signExtend.violation(at(5), at(0))).toMatch(/bits in 0..0/);
  expect(signExtend.violation(at(5), at(32))).toMatch(/bits in 32..32/);
  expect(signExtend.violation(at(5), { lo: 1, hi: 31 })).toBeUndefined();
});
