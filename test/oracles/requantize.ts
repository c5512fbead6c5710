/**
 * Requantization over mathematical integers: acc * multiplier * 2^-31 * 2^-shift, with each mode's rounding
 * written as its definition says. Right shifts of a BigInt are floors.
 */
import type { Requant, RowSaturation } from '../../src/ir/integers/requant.ts';

const two = (bits: bigint): bigint => 1n << bits;

/** Half up, once. */
const single = (acc: bigint, m: bigint, s: bigint): bigint => (acc * m + two(30n + s)) >> (31n + s);

/** gemmlowp: saturating rounding doubling high multiplication, then a division that rounds half away from 0. */
function double(acc: bigint, m: bigint, s: bigint): bigint {
  const high = (acc * m + two(30n)) >> 31n;
  const mask = two(s) - 1n;
  const threshold = (mask >> 1n) + (high < 0n ? 1n : 0n);
  return (high >> s) + ((high & mask) > threshold ? 1n : 0n);
}

/** Half to even. */
function rint(x: number): number {
  const lower = Math.floor(x);
  const distance = x - lower;
  if (distance < 0.5) return lower;
  if (distance > 0.5) return lower + 1;
  return lower % 2 === 0 ? lower : lower + 1;
}

/** Half up. */
const shifted = (acc: bigint, s: bigint): bigint => (s === 0n ? acc : (acc + two(s - 1n)) >> s);

/** The accumulator in output steps, before the zero point. */
export function requantized(acc: number, requant: Requant, channel: number): number {
  const [m, s] = [BigInt(requant.multiplier[channel]!), BigInt(requant.shift[channel]!)];
  switch (requant.mode) {
    case 'single':
      return Number(single(BigInt(acc), m, s));
    case 'tfl-double':
      return Number(double(BigInt(acc), m, s));
    case 'ort-float':
      return rint(Math.fround(Math.fround(acc) * requant.scale[channel]!));
    case 'pow2':
      return Number(shifted(BigInt(acc), s));
    case 'compact':
      return Number(shifted(BigInt(acc) * m, s));
    default:
      return requant.mode satisfies never;
  }
}

/** The stored byte of an accumulator. */
export function byteOf(acc: number, requant: Requant, channel: number, saturation: RowSaturation): number {
  const bound = (of: RowSaturation['lo']): number => (typeof of === 'number' ? of : of[channel]!);
  const { zeroPoint, lo, hi } = saturation;
  return Math.min(bound(hi), Math.max(bound(lo), requantized(acc, requant, channel) + zeroPoint));
}
