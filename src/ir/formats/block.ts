/** Runs of neighbours: one 8-bit distance, then the values, zeros among them: 1 + width bytes per block. */

import { load, times } from '../kernel/builders.ts';
import type { BlockFormat } from '../kernel/weight-format.ts';
import { signExtended } from './codes.ts';
import type { UnitCode } from './nonzeros.ts';

/** Terms `width` apart at most must be neighbours in memory: windows of one piece, counted by rows. */
export const blockUnit = ({ width }: BlockFormat): UnitCode => ({
  entriesPerUnit: 1,
  bytesPerUnit: 1 + width,
  largestDelta: 255,
  width,
  bits: 8,
  pack: (entries) => entries.flatMap(({ delta, values }) => [delta, ...values.map((v) => v & 255)]),
  unpack: (at) => [
    {
      prepare: [],
      delta: load('wt', 'u8', at),
      values: times(width, (i) => signExtended(load('wt', 'u8', at + 1 + i), 8)),
    },
  ],
});
