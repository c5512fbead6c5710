/** Entries of sparse rows: as few as hold all nonzeros, and bridges only where a distance does not fit. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { entriesOf } from '../../../src/ir/formats/nonzeros.ts';
import { runs } from '../../support/kernels.ts';

const single = (largestDelta: number) => ({ width: 1, largestDelta });

/** Distances of the entries of a row whose only nonzeros are at these places. */
function deltas(places: readonly number[], largestDelta: number): readonly number[] {
  const values = new Int8Array(1 + Math.max(...places));
  for (const place of places) values[place] = 3;
  const offsets = Array.from(values, (_, i) => i);
  return entriesOf(values, offsets, single(largestDelta)).map(({ delta }) => delta);
}

test('a distance that just fits needs no bridge, the next one does', () => {
  expect(deltas([15], 15)).toEqual([15]);
  expect(deltas([16], 15)).toEqual([15, 1]);
  expect(deltas([30], 15)).toEqual([15, 15]);
  expect(deltas([31], 15)).toEqual([15, 15, 1]);
  expect(deltas([2, 17], 15)).toEqual([2, 15]);
  expect(deltas([255], 255)).toEqual([255]);
});

test('random rows: an entry a nonzero, and the fewest bridges between them', () => {
  const rows = fc.uniqueArray(fc.nat({ max: 300 }), { minLength: 1, maxLength: 12 });
  let exact = 0;
  fc.assert(
    fc.property(rows, fc.constantFrom(1, 3, 15, 40), (unsorted, largest) => {
      const places = unsorted.toSorted((a, b) => a - b);
      const distances = places.map((place, i) => place - (places[i - 1] ?? 0));
      const found = deltas(places, largest);
      const bridges = distances.map((d) => Math.max(0, Math.ceil(d / largest) - 1));
      expect(found.length).toBe(places.length + bridges.reduce((a, b) => a + b, 0));
      expect(found.reduce((a, b) => a + b, 0)).toBe(places.at(-1));
      exact += distances.some((d) => d > 0 && d % largest === 0) ? 1 : 0;
    }),
    runs(200),
  );
  expect(exact).toBeGreaterThan(40);
});
