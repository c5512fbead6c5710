/**
 * One bit per weight and the values of the nonzeros: 1/8 byte per weight and 1, 1/2 or 1/4 per nonzero. The
 * masks and the values are read in step; values of 4 or 2 bits lie one after the other through all rows, without
 * gaps.
 */
import { at, must } from '../../base/errors.ts';
import {
  accumulate,
  add,
  advance,
  and,
  compare,
  constant,
  load,
  local,
  loop,
  mul,
  pointer,
  shr,
  times,
  variable,
  when,
} from '../kernel/builders.ts';
import type { Expr, Stmt, StoredRows, Table } from '../kernel/kernel.ts';
import type { BitmapFormat, WeightLayout } from '../kernel/weight-format.ts';
import { type Decode, decodeOf, signExtended, type ValueCode, valueCode } from './codes.ts';
import { packRuns } from './dense.ts';
import type { Expansion, RowsOfWeights, RowUse } from './expansion.ts';

function masksOf(values: ArrayLike<number>, { run }: WeightLayout): Uint8Array {
  const perRun = Math.ceil(run / 8);
  const masks = new Uint8Array((values.length / run) * perRun);
  for (let i = 0; i < values.length; i++) {
    const byte = Math.floor(i / run) * perRun + Math.floor((i % run) / 8);
    if (values[i] !== 0) masks[byte] = at(masks, byte) | (1 << ((i % run) % 8));
  }
  return masks;
}

function valueTable(name: string, values: Int8Array, bits: 8 | 4 | 2, code: ValueCode): Table {
  const stored = values.filter((v) => v !== 0);
  // C has no empty arrays.
  if (stored.length === 0) return { name, elem: 'u8', data: new Uint8Array(1) };
  if (bits === 8) return { name, elem: 'u8', data: Uint8Array.from(stored) };
  return { name, elem: 'u8', data: packRuns(stored, stored.length, bits, code.encode) };
}

/** The next value, and the step to the one after it. */
function nextValue(
  bits: 8 | 4 | 2,
  decode: Decode,
): { readonly value: Expr; readonly step: readonly Stmt[] } {
  if (bits === 8) return { value: signExtended(load('wt', 'u8', 0), 8), step: advance('wt', 1) };
  const taken = local('taken');
  const perByte = 8 / bits;
  const byte = load('wt', 'u8', shr(taken, Math.log2(perByte)));
  const shift = mul(and(taken, perByte - 1), bits);
  return { value: decode(shr(byte, shift)), step: [accumulate('taken', 1)] };
}

export function bitmapTables(rows: RowsOfWeights, { bits }: BitmapFormat): readonly Table[] {
  const { name, layout } = rows;
  const values = Int8Array.from(rows.values);
  const code = valueCode(name, bits, rows.codebook);
  const masks: Table = { name: `${name}_masks`, elem: 'u8', data: masksOf(values, layout) };
  return [valueTable(`${name}_weights`, values, bits, code), masks, ...code.tables];
}

export function bitmapExpansion(stored: StoredRows, { bits }: BitmapFormat): Expansion {
  const { layout, stream } = stored;
  const next = nextValue(bits, decodeOf(stored, bits));
  const eight = (count: number, { use }: RowUse, mask: string): readonly Stmt[] => [
    constant(mask, load('masks', 'u8', 0)),
    ...times(count, (bit) =>
      when(compare('ne', and(local(mask), 1 << bit), 0), [...use(next.value, bit), ...next.step]),
    ),
    ...advance('masks', 1),
  ];
  const piece = (offset: Expr, use: RowUse): readonly Stmt[] => [
    use.from(offset),
    ...loop('i', Math.floor(layout.run / 8), () => [...eight(8, use, 'mask'), ...advance('px', 8)]),
    ...(layout.run % 8 > 0 ? eight(layout.run % 8, use, 'mask_rest') : []),
  ];
  const { segments, segmentStride, pieces, pieceStride } = layout;
  return {
    start: [
      pointer('wt', stream, 'u8', 0, { mutable: true }),
      pointer('masks', must(stored.counts, 'masks'), 'u8', 0, { mutable: true }),
      ...(bits === 8 ? [] : [variable('taken', 0)]),
    ],
    row: (use) =>
      loop('ky', segments, (ky) =>
        loop('kx', pieces, (kx) => piece(add(mul(ky, segmentStride), mul(kx, pieceStride)), use)),
      ),
  };
}
