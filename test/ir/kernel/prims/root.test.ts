import { expect, test } from 'vitest';
import { log2, root15, rootShift } from '../../../../src/ir/kernel/prims/root.ts';
import { Draw } from '../../../support/draw.ts';

const draw = new Draw(4);
const numbers = [
  ...Array.from({ length: 3000 }, (_, i) => i + 1),
  ...Array.from({ length: 31 }, (_, bit) => [2 ** bit, 2 ** bit + 1, 2 ** (bit + 1) - 1]).flat(),
  ...Array.from({ length: 20_000 }, () => Math.floor(2 ** draw.between(0, 31))),
];
const ends = (x: number) => ({ lo: x, hi: x });

test('roots of 15 bits, to the nearest', () => {
  let worst = 0;
  for (const x of numbers) {
    const [moved, root] = [x * 4 ** rootShift.js(x), root15.js(x)];
    expect(moved >= 2 ** 28 && moved < 2 ** 30).toBe(true);
    worst = Math.max(worst, Math.abs(root - Math.sqrt(Math.floor(moved))));
  }
  expect(worst).toBeLessThanOrEqual(0.5);
});

test('logarithms within 12 units', () => {
  const worst = Math.max(...numbers.map((x) => Math.abs(log2.js(x) - 65536 * Math.log2(x))));
  expect(worst).toBeLessThan(12);
  expect([1, 2, 1024, 2 ** 30].map((x) => log2.js(x))).toEqual([0, 65536, 655_360, 1_966_080]);
});

test.each([rootShift, root15, log2].map((p) => [p.name, p] as const))(
  '%s: bounds hold every result',
  (_, p) => {
    for (let i = 0; i < 2000; i++) {
      const [a, b, c] = [0, 1, 2].map(() => Math.floor(2 ** draw.between(0, 31))).sort((x, y) => x - y);
      const { lo, hi } = p.range({ lo: a!, hi: c! });
      const value = p.js(b!);
      if (!(value >= lo && value <= hi)) expect(value, `${b} in ${a}..${c}`).toBe(lo);
    }
    expect(p.violation(ends(0))).toMatch(/x in 0..0/);
    expect(p.violation({ lo: 1, hi: 2 ** 31 - 1 })).toBeUndefined();
  },
);
