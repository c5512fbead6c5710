/** Tables read back by their description alone, and tables that do not follow it. */
import { describe, expect, test } from 'vitest';
import { DefectError } from '../../src/base/errors.ts';
import type { Kernel, StoredWeights } from '../../src/ir/kernel/kernel.ts';
import type { WeightFormat, WeightLayout } from '../../src/ir/kernel/weight-format.ts';
import { decodeRows } from '../../src/program/rows.ts';
import * as ir from '../support/ir.ts';

/** Rows of four terms. */
const layout = (rows: number, lanes = 1): WeightLayout => ({
  ...{ rows, lanes, segments: 1, segmentStride: 4, pieces: 1, pieceStride: 4, run: 4 },
});
interface Tables {
  readonly stream: readonly number[];
  readonly counts?: readonly number[];
  readonly codebook?: readonly number[];
}
function kernelOf(format: WeightFormat, l: WeightLayout, { stream, counts, codebook }: Tables): Kernel {
  const tables = [
    ir.table('w', 'u8', [...stream]),
    ...(counts === undefined ? [] : [ir.table('n', 'u8', [...counts])]),
    ...(codebook === undefined ? [] : [ir.table('book', 'i8', [...codebook])]),
  ];
  const weights: StoredWeights = {
    ...{ format, layout: l, stream: 'w', elem: 'i8', walk: 'runs' },
    ...(counts === undefined ? {} : { counts: 'n' }),
    ...(codebook === undefined ? {} : { codebook: 'book' }),
  };
  return { ...ir.kernel('k', [], []), tables, weights };
}
const rowsOf = (...args: Parameters<typeof kernelOf>): number[][] =>
  decodeRows(kernelOf(...args)).map((row) => [...row]);

const csr8: WeightFormat = { kind: 'csr', bits: 8, unroll: 1, segmented: false };
const dense4: WeightFormat = { kind: 'dense', bits: 4 };

describe('reads', () => {
  test('rows that lie in turns, byte by byte', () =>
    expect(rowsOf({ kind: 'dense', bits: 8 }, layout(2, 2), { stream: [1, 5, 2, 6, 3, 7, 4, 8] })).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8],
    ]));
  test('two weights to a byte, the lower half first, with signs', () =>
    expect(rowsOf(dense4, layout(1), { stream: [0xf1, 0x87] })).toEqual([[1, -1, 7, -8]]));
  test('values of a codebook', () =>
    expect(rowsOf(dense4, layout(1), { stream: [0x10, 0x02], codebook: [0, 40, -90] })).toEqual([
      [0, 40, -90, 0],
    ]));
  test('distances and weights, as many as each row has', () =>
    expect(rowsOf(csr8, layout(2), { stream: [1, 9, 2, 0xfe, 0, 5], counts: [2, 1] })).toEqual([
      [0, 9, 0, -2],
      [5, 0, 0, 0],
    ]));
  test('bits that say where weights are', () =>
    expect(rowsOf({ kind: 'bitmap', bits: 8 }, layout(1), { stream: [7, 8], counts: [0b1010] })).toEqual([
      [0, 7, 0, 8],
    ]));
});

describe('refuses', () => {
  test.each<[string, Parameters<typeof kernelOf>, RegExp]>([
    ['a table that ends early', [csr8, layout(1), { stream: [1], counts: [1] }], /'w' ends after 1 numbers/],
    ['numbers too many', [csr8, layout(1), { stream: [1, 9, 0], counts: [1] }], /'w' has 1 numbers too many/],
    ['counts too many', [csr8, layout(1), { stream: [1, 9], counts: [1, 0] }], /'n' has 1 numbers too many/],
    [
      'a weight beyond the row',
      [csr8, layout(1), { stream: [4, 9], counts: [1] }],
      /weight 9 has no place of its own/,
    ],
    [
      'two weights in one place',
      [csr8, layout(1), { stream: [1, 9, 0, 3], counts: [2] }],
      /weight 3 has no place/,
    ],
    [
      'a bit beyond the row',
      [{ kind: 'bitmap', bits: 8 }, layout(1), { stream: [7], counts: [16] }],
      /a bit beyond its run/,
    ],
    ['a missing table', [csr8, layout(1), { stream: [1, 9] }], /has a table/],
  ])('%s', (_, args, message) => {
    expect(() => rowsOf(...args)).toThrow(DefectError);
    expect(() => rowsOf(...args)).toThrow(message);
  });
});
