import { expect, test } from 'vitest';
import type { MacLayer } from '../../../src/compress/fit/layers.ts';
import { rowSystems } from '../../../src/compress/fit/row-systems.ts';

test('rows that keep the same columns share one Hessian, across rows of removed channels', () => {
  const [rows, terms] = [40, 4];
  const weights = Float32Array.from({ length: rows * terms }, (_, i) => {
    const removed = Math.floor(i / terms) % 2 === 1;
    return removed || i % terms === 2 ? 0 : 1;
  });
  const systems = rowSystems({ rows, terms, groups: 1, weights } as unknown as MacLayer);
  const made = Array.from({ length: rows }, (_, row) => systems?.system(row));
  expect(made.map((system) => [...(system?.kept ?? [])])).toEqual(
    Array.from({ length: rows }, (_, row) => (row % 2 === 1 ? [0] : [0, 1, 2, 4])),
  );
  const shared = made.filter((_, row) => row % 2 === 0).map((system) => system?.hessian);
  expect(new Set(shared).size).toBe(1);
});
