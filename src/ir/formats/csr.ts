/**
 * Compressed sparse rows: an 8-bit distance per nonzero. 8-bit values stand behind their distance; two 4-bit
 * values share the byte before theirs. Bytes per nonzero: 2, or 1.5.
 */
import { at } from '../../base/errors.ts';
import { constant, load, local } from '../kernel/builders.ts';
import type { GatherFormat } from '../kernel/weight-format.ts';
import { above, signExtended } from './codes.ts';
import type { UnitCode } from './nonzeros.ts';

const wide: UnitCode = {
  entriesPerUnit: 1,
  bytesPerUnit: 2,
  largestDelta: 255,
  width: 1,
  bits: 8,
  pack: (entries) => entries.flatMap(({ delta, values }) => [delta, at(values, 0) & 255]),
  unpack: (at) => [
    { prepare: [], delta: load('wt', 'u8', at), values: [signExtended(load('wt', 'u8', at + 1), 8)] },
  ],
};

const narrow: UnitCode = {
  entriesPerUnit: 2,
  bytesPerUnit: 3,
  largestDelta: 255,
  width: 1,
  bits: 4,
  pack(entries, encode) {
    const [low = 0, high = 0] = entries.map(({ values }) => encode(at(values, 0)));
    return [low | (high << 4), ...entries.map(({ delta }) => delta)];
  },
  unpack(at, tag, decode) {
    const byte = local(`values${tag}`);
    const prepare = [constant(`values${tag}`, load('wt', 'u8', at))];
    return [
      { prepare, delta: load('wt', 'u8', at + 1), values: [decode(byte)] },
      { prepare: [], delta: load('wt', 'u8', at + 2), values: [decode(above(byte, 4))] },
    ];
  },
};

export const csrUnit = ({ bits }: GatherFormat): UnitCode => (bits === 8 ? wide : narrow);
