/**
 * Compressed sparse rows: an 8-bit distance per nonzero. 8-bit values stand behind their distance; two 4-bit
 * values share the byte before theirs. Bytes per nonzero: 2, or 1.5.
 */
import { at } from '../../base/errors.ts';
import { constant, load, local } from '../kernel/builders.ts';
import type { GatherFormat } from '../kernel/weight-format.ts';
import { above, signExtended, valueCode } from './codes.ts';
import type { Expansion, RowsOfWeights } from './expansion.ts';
import { gatherExpansion, type UnitCode } from './nonzeros.ts';

const wide: UnitCode = {
  entriesPerUnit: 1,
  bytesPerUnit: 2,
  largestDelta: 255,
  width: 1,
  tables: [],
  pack: (entries) => entries.flatMap(({ delta, values }) => [delta, at(values, 0) & 255]),
  unpack: (at) => [
    { prepare: [], delta: load('wt', 'u8', at), values: [signExtended(load('wt', 'u8', at + 1), 8)] },
  ],
};

function narrow({ name, codebook }: RowsOfWeights): UnitCode {
  const code = valueCode(name, 4, codebook);
  return {
    entriesPerUnit: 2,
    bytesPerUnit: 3,
    largestDelta: 255,
    width: 1,
    tables: code.tables,
    pack(entries) {
      const [low = 0, high = 0] = entries.map(({ values }) => code.encode(at(values, 0)));
      return [low | (high << 4), ...entries.map(({ delta }) => delta)];
    },
    unpack(at, tag) {
      const byte = local(`values${tag}`);
      const prepare = [constant(`values${tag}`, load('wt', 'u8', at))];
      return [
        { prepare, delta: load('wt', 'u8', at + 1), values: [code.decode(byte)] },
        { prepare: [], delta: load('wt', 'u8', at + 2), values: [code.decode(above(byte, 4))] },
      ];
    },
  };
}

export const csrExpansion = (rows: RowsOfWeights, format: GatherFormat): Expansion =>
  gatherExpansion(rows, format.bits === 8 ? wide : narrow(rows), format);
