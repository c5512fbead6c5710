/**
 * 4-bit distances. With 4-bit values distance and value share a byte, value on top: 1 byte per nonzero. With
 * 8-bit values two distances share the byte before their values: 1.5 bytes. Distances beyond 15 cost an entry.
 */
import { at } from '../../base/errors.ts';
import { and, constant, load, local } from '../kernel/builders.ts';
import type { GatherFormat } from '../kernel/weight-format.ts';
import { above, signExtended, valueCode } from './codes.ts';
import type { Expansion, RowsOfWeights } from './expansion.ts';
import { gatherExpansion, type UnitCode } from './nonzeros.ts';

const wide: UnitCode = {
  entriesPerUnit: 2,
  bytesPerUnit: 3,
  largestDelta: 15,
  width: 1,
  tables: [],
  pack(entries) {
    const [low = 0, high = 0] = entries.map(({ delta }) => delta);
    return [low | (high << 4), ...entries.map(({ values }) => at(values, 0) & 255)];
  },
  unpack(at, tag) {
    const byte = local(`deltas${tag}`);
    const value = (i: number) => signExtended(load('wt', 'u8', at + 1 + i), 8);
    const prepare = [constant(`deltas${tag}`, load('wt', 'u8', at))];
    return [
      { prepare, delta: and(byte, 15), values: [value(0)] },
      { prepare: [], delta: above(byte, 4), values: [value(1)] },
    ];
  },
};

function narrow({ name, codebook }: RowsOfWeights): UnitCode {
  const code = valueCode(name, 4, codebook);
  return {
    entriesPerUnit: 1,
    bytesPerUnit: 1,
    largestDelta: 15,
    width: 1,
    tables: code.tables,
    pack: (entries) => entries.map(({ delta, values }) => delta | (code.encode(at(values, 0)) << 4)),
    unpack(at, tag) {
      const byte = local(`entry${tag}`);
      const prepare = [constant(`entry${tag}`, load('wt', 'u8', at))];
      return [{ prepare, delta: and(byte, 15), values: [code.decode(above(byte, 4))] }];
    },
  };
}

export const relExpansion = (rows: RowsOfWeights, format: GatherFormat): Expansion =>
  gatherExpansion(rows, format.bits === 8 ? wide : narrow(rows), format);
