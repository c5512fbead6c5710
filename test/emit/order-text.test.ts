import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { layoutLines } from '../../src/emit/order-text.ts';
import { slot } from '../support/ir.ts';

/** What the header's formula says about element (c, y, x), or (i, j, k). */
function position(lines: readonly string[], c: number, y: number, x: number): number {
  const formula = /\[(.*)\]$/.exec(lines.at(-1)!)![1]!;
  const names = /element \((.*)\) is/.exec(lines.at(-1)!)![1]!.split(', ');
  return new Function(...names, `return ${formula}`)(c, y, x);
}

describe('the formula in the header finds every element', () => {
  test.each(['interleaved', 'row-major'])('%s', (kind) => {
    fc.assert(
      fc.property(fc.tuple(...[0, 1, 2].map(() => fc.integer({ min: 1, max: 5 }))), ([C, H, W]) => {
        const length = C! * H! * W!;
        const order = Array.from({ length }, (_, i) => (i % C!) * H! * W! + Math.floor(i / C!));
        const shape = [1, C!, H!, W!];
        const base = slot({ name: 's', address: 0, elem: 'u8', length, shape });
        const lines = layoutLines(kind === 'interleaved' ? { ...base, order } : base, 'a');
        for (let i = 0; i < length; i++) {
          const logical = kind === 'interleaved' ? order[i]! : i;
          const x = logical % W!;
          const y = Math.floor(logical / W!) % H!;
          const c = Math.floor(logical / W! / H!);
          expect(position(lines, c, y, x)).toBe(i);
        }
      }),
    );
  });
});

test('a vector has no formula', () => {
  const s = slot({ name: 's', address: 0, elem: 'u8', length: 4, shape: [1, 4] });
  expect(layoutLines(s, 'a')).toEqual(['shape 1x4, row-major']);
});

test('any other order is written down', () => {
  const s = slot({ name: 's', address: 0, elem: 'u8', length: 3, shape: [3], order: [2, 0, 1] });
  expect(layoutLines(s, 'a').at(-1)).toBe('  2, 0, 1');
});
