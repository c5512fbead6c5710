import { describe, expect, test } from 'vitest';
import { keptAt, type TracedRow, tracedRows, tracedTables } from '../../src/program/traced.ts';
import { built } from '../support/pipeline.ts';
import { recipesOf } from '../support/property.ts';
import { int8Sample } from '../support/sample-programs.ts';

const row = (slot: number, kind: TracedRow['kind']): TracedRow => ({
  step: 0,
  slot,
  kind,
  address: 0,
  length: 1,
});

describe('places of checksums', () => {
  test('are used again when nothing needs their slot', () => {
    const rows = [
      row(0, 'written'),
      row(0, 'read'),
      row(1, 'written'),
      row(2, 'written'),
      row(1, 'read'),
      row(3, 'written'),
      row(2, 'read'),
      row(3, 'read'),
    ];
    expect(keptAt(rows)).toEqual({ places: [0, 0, 0, 1, 0, 0, 1, 0], count: 2 });
  });

  test('hold what was written until it is read', () => {
    for (const recipe of recipesOf(5, 12)) {
      const rows = tracedRows(built(recipe, 'net').program);
      const { places, count } = keptAt(rows);
      const held: number[] = [];
      rows.forEach(({ slot, kind }, i) => {
        const place = places[i]!;
        expect(place).toBeLessThan(count);
        if (kind === 'read') expect(held[place]).toBe(slot);
        held[place] = slot;
      });
    }
  });

  test('a slot that is never written', () => {
    expect(() => keptAt([row(4, 'read')])).toThrow('slot 4 is read');
  });
});

test('a program is traced from its input to its output', () => {
  expect(tracedRows(int8Sample).map(({ step, slot, kind }) => `${step} ${kind} ${slot}`)).toEqual([
    '-1 written 0',
    '0 read 0',
    '0 written 1',
    '1 read 1',
    '1 written 2',
    '2 read 2',
    '2 written 3',
    '3 read 3',
  ]);
  expect(tracedTables(int8Sample).map(({ name }) => name)).toEqual([
    'conv_weights',
    'conv_bias',
    'conv_multiplier',
    'conv_shift',
  ]);
});
