/** Bounds of the rarer operations against all pairs of small intervals and the ends of int32. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Interval } from '../../../src/ir/kernel/interval.ts';
import { callBounds, rareRange } from '../../../src/prove/interval/runtime.ts';

const min = -2147483648;
const max = 2147483647;

/** The results that C defines; undefined for the others. */
const meaning = {
  div: (a: number, b: number) => (b === 0 || (a === min && b === -1) ? undefined : Math.trunc(a / b)),
  mod: (a: number, b: number) => (b === 0 || (a === min && b === -1) ? undefined : a % b),
  shl: (a: number, b: number) => {
    if (a < 0 || b < 0 || b > 31) return undefined;
    return a * 2 ** b <= max ? a * 2 ** b : undefined;
  },
  shr: (a: number, b: number) => (b < 0 || b > 31 ? undefined : a >> b),
  and: (a: number, b: number) => a & b,
  or: (a: number, b: number) => a | b,
  xor: (a: number, b: number) => a ^ b,
} as const;
const ops = Object.keys(meaning) as (keyof typeof meaning)[];

const inside = (range: Interval, x: number): boolean => range.lo <= x && x <= range.hi;

function expectSound(op: keyof typeof meaning, a: Interval, b: Interval, as: number[], bs: number[]): void {
  const range = rareRange(op, a, b);
  for (const x of as)
    for (const y of bs) {
      const z = meaning[op](x, y);
      if (z !== undefined && !inside(range, z))
        throw new Error(`${x} ${op} ${y} = ${z} is not in ${range.lo}..${range.hi}`);
    }
}

const span = ({ lo, hi }: Interval): number[] => Array.from({ length: hi - lo + 1 }, (_, i) => lo + i);

describe.each(ops)('%s', (op) => {
  test('all intervals within -6..6', () => {
    for (const lo of span({ lo: -6, hi: 6 }))
      for (const hi of span({ lo, hi: 6 }))
        for (const bLo of span({ lo: -6, hi: 6 }))
          for (const bHi of span({ lo: bLo, hi: 6 }))
            expectSound(op, { lo, hi }, { lo: bLo, hi: bHi }, span({ lo, hi }), span({ lo: bLo, hi: bHi }));
  });

  test('intervals of all sizes, at their ends and between', () => {
    const end = fc.oneof(
      fc.integer({ min, max }),
      fc.integer({ min: -40, max: 40 }),
      fc.constantFrom(min, max),
    );
    const interval = fc.tuple(end, end, fc.nat(1_000_000)).map(([p, q, part]) => {
      const [lo, hi] = [Math.min(p, q), Math.max(p, q)];
      return {
        lo,
        hi,
        members: [lo, hi, lo + Math.floor(((hi - lo) * part) / 1_000_000), Math.min(lo + 1, hi)],
      };
    });
    fc.assert(
      fc.property(interval, interval, (a, b) => expectSound(op, a, b, a.members, b.members)),
      { numRuns: 2000 },
    );
  });
});

test('calls are bounded for the arguments given, whatever was asked before', () => {
  const clamp = callBounds('clamp');
  for (let i = 0; i < 1000; i++)
    expect(clamp(i, i + 5, 0, 0, 500, 500).range).toEqual({ lo: Math.min(i, 500), hi: Math.min(i + 5, 500) });
});
