/** Requantization against its definitions, in integers of any size. */

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { printPrimitive } from '../../../../src/emit/c/kernel.ts';
import { requantOf } from '../../../../src/ir/integers/requant.ts';
import type { Interval } from '../../../../src/ir/kernel/interval.ts';
import type { Primitive } from '../../../../src/ir/kernel/primitive.ts';
import {
  requantizeCompact,
  requantizeDouble,
  requantizeFloat,
  requantizeHalves,
  requantizeHigh,
  requantizePow2,
  requantizeSingle,
} from '../../../../src/ir/kernel/prims/requantize.ts';
import { compileSanitized } from '../../../support/host-c.ts';
import { testWith } from '../../../support/toolchain.ts';

const int32 = fc.oneof(
  fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  fc.integer({ min: -1000, max: 1000 }),
  fc.constantFrom(-(2 ** 31), 2 ** 31 - 1, 0, -1, 1),
);
const multiplier = fc.oneof(
  fc.integer({ min: 2 ** 30, max: 2 ** 31 - 1 }),
  fc.constantFrom(1, 2 ** 30, 2 ** 31 - 1),
);
const shift = fc.integer({ min: 0, max: 30 });

const floorShift = (x: bigint, bits: bigint): bigint => x >> bits;
const single = (acc: number, m: number, s: number): number =>
  Number(floorShift(BigInt(acc) * BigInt(m) + (1n << BigInt(30 + s)), BigInt(31 + s)));

/** TensorFlow Lite: doubling high multiplication, then division by a power of two rounded half away from zero. */
function double(acc: number, m: number, s: number): number {
  const high = floorShift(BigInt(acc) * BigInt(m) + (1n << 30n), 31n);
  const mask = (1n << BigInt(s)) - 1n;
  const threshold = (mask >> 1n) + (high < 0n ? 1n : 0n);
  return Number(floorShift(high, BigInt(s)) + ((high & mask) > threshold ? 1n : 0n));
}

const holds = (primitive: Primitive, lowest: number, meaning: (a: number, m: number, s: number) => number) =>
  fc.assert(
    fc.property(int32, multiplier, fc.integer({ min: lowest, max: 30 }), (acc, m, s) => {
      expect(primitive.js(acc, m, s)).toBe(meaning(acc, m, s));
    }),
    { numRuns: 5000 },
  );

test('single', () => holds(requantizeSingle, 0, single));
test('high', () => holds(requantizeHigh, 2, single));
test('double', () => holds(requantizeDouble, 0, double));

test('ties of double round away from zero, of single up', () => {
  expect(requantizeDouble.js(-3, 2 ** 30, 0)).toBe(-1);
  expect(requantizeSingle.js(-3, 2 ** 30, 0)).toBe(-1);
  expect(requantizeDouble.js(-2, 2 ** 30, 1)).toBe(-1);
  expect(requantizeSingle.js(-2, 2 ** 30, 1)).toBe(0);
});

test('pow2 of the largest accumulator by one bit has no room for the rounding', () => {
  const [largest, one] = [
    { lo: 2 ** 31 - 1, hi: 2 ** 31 - 1 },
    { lo: 1, hi: 1 },
  ];
  expect(requantizePow2.violation(largest, one)).toMatch('acc in 2147483647..2147483647');
  expect(requantizePow2.violation({ lo: 0, hi: 2 ** 31 - 2 }, one)).toBeUndefined();
});

test('pow2 is a rounding shift', () =>
  fc.assert(
    fc.property(int32, fc.integer({ min: 1, max: 30 }), (acc, s) => {
      expect(requantizePow2.js(acc, s)).toBe(Number((BigInt(acc) + (1n << BigInt(s - 1))) >> BigInt(s)));
    }),
  ));

test('two halves of 16 bits are one rounding', () =>
  fc.assert(
    fc.property(int32, fc.integer({ min: 1, max: 32767 }), fc.integer({ min: 17, max: 46 }), (acc, m, s) => {
      const high = (acc >> 16) * m + Math.floor(((acc & 65535) * m) / 65536) + 2 ** (s - 17);
      expect(high).toBe(high | 0);
      expect(high >> (s - 16)).toBe(requantizeHalves.js(acc, m, s));
      expect(requantizeHalves.js(acc, m, s)).toBe(
        Number((BigInt(acc) * BigInt(m) + (1n << BigInt(s - 1))) >> BigInt(s)),
      );
    }),
  ));

test('float rounds the float32 product half to even', () => {
  expect(requantizeFloat.js(5, 0.5)).toBe(2);
  expect(requantizeFloat.js(7, 0.5)).toBe(4);
  expect(requantizeFloat.js(-5, 0.5)).toBe(-2);
  expect(requantizeFloat.js(2 ** 24 + 1, Math.fround(2 ** -20))).toBe(16);
});

const interval = (x: number, y: number): Interval => ({ lo: Math.min(x, y), hi: Math.max(x, y) });
const inside = (r: Interval, f: number): number => r.lo + Math.floor(f * (r.hi - r.lo));

describe('bounds hold every result', () => {
  test.each([requantizeSingle, requantizeDouble, requantizeHigh])('$name', (primitive) => {
    const fraction = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(int32, int32, multiplier, multiplier, shift, shift, fraction, (a, b, m, n, s, t, f) => {
        const box = [interval(a, b), interval(m, n), interval(Math.max(2, s), Math.max(2, t))] as const;
        const { lo, hi } = primitive.range(...box);
        const value = primitive.js(inside(box[0], f), inside(box[1], 1 - f), inside(box[2], f));
        expect(value).toBeGreaterThanOrEqual(lo);
        expect(value).toBeLessThanOrEqual(hi);
      }),
    );
  });
});

test('a real scale becomes a multiplier and shift within 2^-31 of it', () => {
  fc.assert(
    fc.property(fc.double({ min: 2 ** -30, max: 1, noNaN: true }), (scale) => {
      const { multiplier: m, shift: s } = requantOf('single', [scale]);
      expect(Math.abs((m[0]! * 2 ** -(31 + s[0]!)) / scale - 1)).toBeLessThanOrEqual(2 ** -30);
    }),
  );
});

const compactCase = fc
  .record({
    m: fc.integer({ min: 1, max: 65535 }),
    s: fc.integer({ min: 1, max: 30 }),
    f: fc.double({ min: -1, max: 1, noNaN: true }),
  })
  .map(({ m, s, f }) => ({ m, s, acc: Math.trunc((f * (2 ** 31 - 1 - 2 ** (s - 1))) / m) }));

test('compact is one rounding, halves up, wherever it is defined', () => {
  fc.assert(
    fc.property(compactCase, ({ acc, m, s }) => {
      const exact = (BigInt(acc) * BigInt(m) + (1n << BigInt(s - 1))) >> BigInt(s);
      expect(requantizeCompact.js(acc, m, s)).toBe(Number(exact));
      const [a, b, c] = [acc, m, s].map((x) => ({ lo: x, hi: x }));
      expect(requantizeCompact.violation(a!, b!, c!)).toBeUndefined();
      expect(requantizeCompact.range(a!, b!, c!)).toEqual({ lo: Number(exact), hi: Number(exact) });
    }),
    { numRuns: 2000 },
  );
});

test('compact refuses products beyond int32, and multipliers and shifts beyond theirs', () => {
  const at = (x: number) => ({ lo: x, hi: x });
  expect(requantizeCompact.violation(at(2 ** 23), at(255), at(8))).toBeUndefined();
  expect(requantizeCompact.violation(at(2 ** 23), at(256), at(8))).toMatch(/acc \* multiplier/);
  expect(requantizeCompact.violation(at(-(2 ** 23)), at(256), at(8))).toBeUndefined();
  expect(requantizeCompact.violation(at(1), at(0), at(8))).toMatch(/multiplier in 0..0/);
  expect(requantizeCompact.violation(at(1), at(1), at(0))).toMatch(/shift in 0..0/);
  expect(requantizeCompact.violation(at(1), at(1), at(31))).toMatch(/shift in 31..31/);
});

testWith(['gcc'])(
  'in the registers of Armv6-M the product of halves is the same, and nothing overflows',
  () => {
    const source = [
      '#include <stdint.h>',
      printPrimitive(requantizeHigh, 'whole_'),
      printPrimitive(requantizeHigh, 'halves_', 'v6m'),
      'static const int32_t some[] = {INT32_MIN, INT32_MIN + 1, -65537, -65536, -65535, -1, 0, 1, 65535, 65536, INT32_MAX};',
      'int main(void) {',
      '    uint32_t x = 1;',
      '    for (int32_t i = 0; i < 3000000; i++) {',
      '        x = x * 1664525u + 1013904223u;',
      '        int32_t acc = i % 4 == 0 ? some[(x >> 8) % 11] : (int32_t)x >> (i % 20);',
      '        x = x * 1664525u + 1013904223u;',
      '        int32_t multiplier = i % 7 == 0 ? (i % 2 == 0 ? INT32_MAX : 1) : (int32_t)(x >> 1) | 1;',
      '        int32_t shift = 2 + (int32_t)((x >> 5) % 29);',
      '        if (whole_requantize_high(acc, multiplier, shift) != halves_requantize_high(acc, multiplier, shift))',
      '            return 1;',
      '    }',
      '    return 0;',
      '}',
      '',
    ].join('\n');
    const built = compileSanitized(source);
    try {
      expect(built.run()).toEqual({ status: 0, stderr: '' });
    } finally {
      built.remove();
    }
  },
);
