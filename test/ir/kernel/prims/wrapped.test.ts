import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Primitive } from '../../../../src/ir/kernel/primitive.ts';
import { wrappedDifference, wrappedProduct, wrappedSum } from '../../../../src/ir/kernel/prims/wrapped.ts';

const meanings: readonly (readonly [Primitive, (a: bigint, b: bigint) => bigint])[] = [
  [wrappedSum, (a, b) => a + b],
  [wrappedDifference, (a, b) => a - b],
  [wrappedProduct, (a, b) => a * b],
];

/** Of all sizes, so that some results fit 32 bits and some do not. */
const ends = fc.tuple(fc.integer(), fc.integer({ min: 0, max: 31 })).map(([x, by]) => x >> by);
const intervals = fc.tuple(ends, ends).map(([a, b]) => ({ lo: Math.min(a, b), hi: Math.max(a, b) }));
const within = ({ lo, hi }: { lo: number; hi: number }, f: number) => Math.round(lo + f * (hi - lo));
const parts = fc.double({ min: 0, max: 1, noNaN: true });

test.each(meanings)('the lowest 32 bits of the exact result, within the bounds: $name', (p, meaning) => {
  fc.assert(
    fc.property(intervals, intervals, parts, parts, (a, b, f, g) => {
      const { lo, hi } = p.range(a, b);
      for (const [i, j] of [
        [f, g],
        [0, 0],
        [0, 1],
        [1, 0],
        [1, 1],
      ] as const) {
        const [x, y] = [within(a, i), within(b, j)];
        const value = p.js(x, y);
        expect(value).toBe(Number(BigInt.asIntN(32, meaning(BigInt(x), BigInt(y)))));
        expect(value >= lo && value <= hi).toBe(true);
      }
    }),
  );
});
