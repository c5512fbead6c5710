import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { table } from '../../src/text/table.ts';

describe('table', () => {
  test('columns under their heads, numbers to the right, no blanks at line ends', () => {
    const text = table(
      [{ head: 'layer' }, { head: 'MAC', align: 'right' }],
      [
        ['conv1', '117,600'],
        ['fc', '840'],
      ],
    );
    expect(text.split('\n')).toEqual([
      'layer      MAC',
      '-----  -------',
      'conv1  117,600',
      'fc         840',
    ]);
  });

  test('fits 80 columns whatever is in it', () => {
    const cell = fc.string({ unit: fc.constantFrom('a', 'b', '/', '_', '0'), maxLength: 90 });
    fc.assert(
      fc.property(fc.array(fc.tuple(cell, cell, cell, cell), { minLength: 1, maxLength: 5 }), (rows) => {
        const columns = ['a', 'b', 'c', 'd'].map((head) => ({ head }));
        for (const line of table(columns, rows).split('\n')) expect(line.length).toBeLessThanOrEqual(80);
      }),
    );
  });

  test('cuts the longest cells, visibly, and leaves short ones whole', () => {
    const text = table([{ head: 'a' }, { head: 'b' }], [['x'.repeat(100), 'short']], 30);
    expect(text).toContain('short');
    expect(text).toContain('x\u2026');
    expect(text.split('\n')).toHaveLength(3);
  });
});
