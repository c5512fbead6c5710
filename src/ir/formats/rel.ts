/**
 * 4-bit distances. With 4-bit values distance and value share a byte, value on top: 1 byte per nonzero. With
 * 8-bit values two distances share the byte before their values: 1.5 bytes. Distances beyond 15 cost an entry.
 */
import { at } from '../../base/errors.ts';
import { and, constant, load, local } from '../kernel/builders.ts';
import type { GatherFormat } from '../kernel/weight-format.ts';
import { above, signExtended } from './codes.ts';
import type { UnitCode } from './nonzeros.ts';

const wide: UnitCode = {
  entriesPerUnit: 2,
  bytesPerUnit: 3,
  largestDelta: 15,
  width: 1,
  bits: 8,
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

const narrow: UnitCode = {
  entriesPerUnit: 1,
  bytesPerUnit: 1,
  largestDelta: 15,
  width: 1,
  bits: 4,
  pack: (entries, encode) => entries.map(({ delta, values }) => delta | (encode(at(values, 0)) << 4)),
  unpack(at, tag, decode) {
    const byte = local(`entry${tag}`);
    const prepare = [constant(`entry${tag}`, load('wt', 'u8', at))];
    return [{ prepare, delta: and(byte, 15), values: [decode(above(byte, 4))] }];
  },
};

export const relUnit = ({ bits }: GatherFormat): UnitCode => (bits === 8 ? wide : narrow);
