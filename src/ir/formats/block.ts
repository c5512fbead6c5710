/** Runs of neighbours: one 8-bit distance, then the values, zeros among them: 1 + width bytes per block. */

import { DefectError } from '../../base/errors.ts';
import { load, times } from '../kernel/builders.ts';
import type { BlockFormat } from '../kernel/weight-format.ts';
import { signExtended } from './codes.ts';
import type { Expansion, RowsOfWeights } from './expansion.ts';
import { gatherExpansion, type UnitCode } from './nonzeros.ts';

const unitOf = (width: number): UnitCode => ({
  entriesPerUnit: 1,
  bytesPerUnit: 1 + width,
  largestDelta: 255,
  width,
  tables: [],
  pack: (entries) => entries.flatMap(({ delta, values }) => [delta, ...values.map((v) => v & 255)]),
  unpack: (at) => [
    {
      prepare: [],
      delta: load('wt', 'u8', at),
      values: times(width, (i) => signExtended(load('wt', 'u8', at + 1 + i), 8)),
    },
  ],
});

/** Terms `width` apart at most must be neighbours in memory: windows of one piece, counted by rows. */
export function blockExpansion(rows: RowsOfWeights, format: BlockFormat): Expansion {
  const { pieces, run, segments } = rows.layout;
  const neighbours = pieces === 1 && run >= format.width && (format.segmented || segments === 1);
  if (!neighbours) throw new DefectError(`${rows.name}: blocks of ${format.width} in stretches of ${run}`);
  return gatherExpansion(rows, unitOf(format.width), format);
}
