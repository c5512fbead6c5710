import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { drawDigit } from '../../src/data/digits.ts';
import { prepare } from '../../src/data/prepare.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { floats } from '../../src/ir/tensor.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';

const drawn = fc.tuple(fc.integer({ min: 0, max: 9 }), fc.nat(100_000));
/** How many rows (or columns) the ink reaches over. */
function spanOf(pixels: Uint8Array, place: (i: number) => number): number {
  const places = [...pixels].flatMap((ink, i) => (ink >= 128 ? [place(i)] : []));
  return Math.max(...places) - Math.min(...places) + 1;
}

describe('drawDigit', () => {
  test('the same arguments give the same picture, another seed another', () => {
    expect(drawDigit(5, 3)).toEqual(drawDigit(5, 3));
    expect(drawDigit(5, 3)).not.toEqual(drawDigit(5, 4));
  });

  test('ink is centred by mass, in a box of 20, and neither faint nor a blot', () => {
    fc.assert(
      fc.property(drawn, ([digit, seed]) => {
        const pixels = drawDigit(digit, seed);
        expect(pixels).toHaveLength(784);
        let [mass, x, y] = [0, 0, 0];
        pixels.forEach((ink, i) => {
          mass += ink;
          x += ink * ((i % 28) + 0.5);
          y += ink * (Math.floor(i / 28) + 0.5);
        });
        expect(Math.abs(x / mass - 14)).toBeLessThan(0.25);
        expect(Math.abs(y / mass - 14)).toBeLessThan(0.25);
        expect(mass / 255 / 784).toBeGreaterThan(0.03);
        expect(mass / 255 / 784).toBeLessThan(0.3);
        const rows = spanOf(pixels, (i) => Math.floor(i / 28));
        const columns = spanOf(pixels, (i) => i % 28);
        expect(Math.max(rows, columns)).toBeGreaterThanOrEqual(18);
        expect(Math.max(rows, columns)).toBeLessThanOrEqual(21);
      }),
      { numRuns: 60 },
    );
  });

  test('LeNet-5, which has only ever seen MNIST, reads at least 97 of 100', () => {
    const file = new URL('../../models/lenet5.onnx', import.meta.url);
    const graph = canonicalize.run(importOnnx(new Uint8Array(readFileSync(file)), { name: 'lenet5' }));
    const hits = Array.from({ length: 200 }, (_, i) => {
      const array = { dtype: 'uint8', shape: [28, 28], data: drawDigit(i % 10, Math.floor(i / 10)) } as const;
      const input = floats(
        [1, 1, 32, 32],
        prepare({ where: 'drawn', array }, [1, 32, 32], { pad: 2 }).real(0),
      );
      const [logits] = evaluate(graph, new Map([[graph.inputs[0]!, input]])).values();
      return logits!.data.indexOf(Math.max(...logits!.data)) === i % 10;
    }).filter(Boolean).length;
    expect(hits / 200).toBeGreaterThanOrEqual(0.97);
  });
});
