/** Requantization as data: which rounding, and per channel the multiplier and shift that stand for a real scale. */

import { at, DefectError } from '../../base/errors.ts';
import { largestOf } from '../../base/extremes.ts';
import type { RequantMode } from '../graph/op.ts';
import { add, call, compare, float, int, load, mul, select } from '../kernel/builders.ts';
import type { Expr, Table } from '../kernel/kernel.ts';
import type { Bound } from './row-clamp.ts';

/**
 * real = acc * multiplier[c] * 2^-31 * 2^-shift[c]; acc * scale[c] in float32 where `mode` is ort-float;
 * acc * multiplier[c] * 2^-shift[c] where it is compact.
 */
export interface Requant {
  readonly mode: RequantMode;
  readonly multiplier: Int32Array;
  /** 0..30 */
  readonly shift: Uint8Array;
  readonly scale: Float32Array;
}

/** The output range of a requantization: zero point and saturation bounds, all in stored steps. */
export interface Saturation {
  readonly zeroPoint: number;
  readonly lo: number;
  readonly hi: number;
}

/** The same where the bounds may differ by channel. */
export interface RowSaturation {
  readonly zeroPoint: number;
  readonly lo: Bound;
  readonly hi: Bound;
}

/** multiplier in [2^30, 2^31) where the shift allows it: a relative error of at most 2^-31. */
function fixedPoint(scale: number): { readonly multiplier: number; readonly shift: number } {
  const shift = Math.max(0, Math.min(30, -Math.floor(Math.log2(scale)) - 1));
  const multiplier = Math.round(scale * 2 ** (31 + shift));
  if (multiplier < 2 ** 31) return { multiplier: Math.max(1, multiplier), shift };
  return shift > 0 ? { multiplier: 2 ** 30, shift: shift - 1 } : { multiplier: 2 ** 31 - 1, shift: 0 };
}

/**
 * @param scales one positive real per channel, at most 1 (and powers of two below 1 for `pow2`).
 * @throws DefectError for scales outside of that: the quantizer chooses scales that avoid it.
 */
export function requantOf(mode: RequantMode, scales: readonly number[]): Requant {
  const bad = scales.find((s) => !(s > 0 && s <= 1));
  if (bad !== undefined) throw new DefectError(`requantization scale ${bad} is outside of (0, 1]`);
  if (mode === 'compact') return compactOf(scales, largestCompact);
  const fixed = scales.map(fixedPoint);
  return {
    mode,
    multiplier: Int32Array.from(fixed, (f) => f.multiplier),
    shift: Uint8Array.from(fixed, (f, i) =>
      mode === 'pow2' ? Math.round(-Math.log2(at(scales, i))) : f.shift,
    ),
    scale: Float32Array.from(scales),
  };
}

/** Multipliers of one byte. */
export const largestCompact = 255;

/**
 * Compact requantization with multipliers up to `largest`. Scales that are whole multiples of one power of two,
 * as `compactSteps` makes them, are exact; others are rounded, by half a unit of their multiplier.
 */
export function compactOf(scales: readonly number[], largest: number): Requant {
  const shift = compactShift(scales, largest);
  const multiplier = Int32Array.from(scales, (s) => Math.max(1, Math.round(s * 2 ** shift)));
  const shifts = new Uint8Array(scales.length).fill(shift);
  return { mode: 'compact', multiplier, shift: shifts, scale: Float32Array.from(scales) };
}

/** 1..30; the finest unit 2^-shift of which no scale is more than `largest` (and a half, for rounding errors). */
export const compactShift = (scales: readonly number[], largest: number): number =>
  Math.max(1, Math.min(30, Math.floor(Math.log2((largest + 0.5) / largestOf(scales)))));

/** Whether acc * multiplier + 2^(shift - 1) stays in int32 for |acc| <= `magnitude`, by channel. */
export const compactHolds = ({ multiplier, shift }: Requant, magnitude: readonly number[]): boolean =>
  magnitude.every((m, c) => m * at(multiplier, c) + 2 ** (at(shift, c) - 1) < 2 ** 31);

/** A table that is one number throughout is that number; `elem` of the table otherwise. */
function entry(table: Table, channel: Expr, tables: Table[]): Expr {
  const first = at(table.data, 0);
  if (table.data.every((x: number) => x === first)) return table.elem === 'f32' ? float(first) : int(first);
  if (!tables.some(({ name }) => name === table.name)) tables.push(table);
  return load(table.name, table.elem, channel);
}

/** Stored bounds, by channel. */
const boundTable = (name: string, bound: Bound): Table => ({
  name,
  elem: (typeof bound === 'number' ? [bound] : bound).every((x) => x >= 0 && x <= 255) ? 'u8' : 'i16',
  data: typeof bound === 'number' ? [bound] : bound,
  says: 'Bounds of the stored output, by output.',
});

/** What a kernel builder needs to end an accumulation: the tables, and the 8-bit value of an accumulator. */
export interface Epilogue {
  readonly tables: readonly Table[];
  readonly value: (accumulator: Expr, channel: Expr) => Expr;
}

/** What stands before the multiplication of a sum: the sum or its size, and how many times as large a multiplier. */
interface Bent {
  readonly sum: Expr;
  readonly factor: (above: Table) => Expr;
}

/**
 * Sums below 0 have multipliers of their own, slope times those of others. Primitives take positive ones: sums
 * of negative slopes change their sign.
 */
function bent(prefix: string, slopes: Slopes, sum: Expr, channel: Expr, tables: Table[]): Bent {
  const isBelow = compare('lt', sum, 0);
  const signs = slopes.map((slope) => (slope < 0 ? -1 : 1));
  const sign: Table = {
    name: `${prefix}_sign`,
    elem: 'i8',
    data: signs,
    says: 'The sign of the slope of sums below 0, by output.',
  };
  const turned = signs.includes(-1) ? select(isBelow, mul(sum, entry(sign, channel, tables)), sum) : sum;
  const below = ({ elem, data }: Table): Table => ({
    name: `${prefix}_below`,
    elem,
    says: 'The multiplier of sums below 0, by output.',
    data: Array.from(data, (x: number, c) => {
      const product = Math.abs(at(slopes, c)) * x;
      return elem === 'f32' ? Math.fround(product) : Math.max(1, Math.round(product));
    }),
  });
  const factor = (above: Table): Expr =>
    select(isBelow, entry(below(above), channel, tables), entry(above, channel, tables));
  return { sum: turned, factor };
}

/** By channel: what sums below 0 are multiplied by besides. */
export type Slopes = readonly number[];

/** `prefix` names the tables. */
export function epilogue(
  prefix: string,
  requant: Requant,
  saturation: RowSaturation,
  slopes?: Slopes,
): Epilogue {
  const tables: Table[] = [];
  const elem = requant.mode === 'compact' ? (largestOf(requant.multiplier) < 256 ? 'u8' : 'u16') : 'i32';
  const bits = requant.mode === 'compact' || requant.mode === 'pow2' ? 'shift' : '(31 + shift)';
  const multiplier: Table = {
    name: `${prefix}_multiplier`,
    elem,
    data: [...requant.multiplier],
    says: `An output step is a sum times multiplier / 2^${bits}.`,
  };
  const shift: Table = {
    name: `${prefix}_shift`,
    elem: 'u8',
    data: requant.shift,
    says: 'Shifts of these multipliers.',
  };
  const scale: Table = {
    name: `${prefix}_scale`,
    elem: 'f32',
    data: requant.scale,
    says: 'An output step is a sum times scale.',
  };
  const straight = (sum: Expr, channel: Expr): Bent => ({
    sum,
    factor: (table) => entry(table, channel, tables),
  });
  const rounded = (accumulator: Expr, channel: Expr): Expr => {
    const { sum, factor } =
      slopes === undefined
        ? straight(accumulator, channel)
        : bent(prefix, slopes, accumulator, channel, tables);
    const fixed = (name: string) => call(name, 'i32', sum, factor(multiplier), entry(shift, channel, tables));
    switch (requant.mode) {
      case 'single':
        return fixed(requant.shift.every((s) => s >= 2) ? 'requantize_high' : 'requantize_single');
      case 'tfl-double':
        return fixed('requantize_double');
      case 'ort-float':
        return call('requantize_float', 'i32', sum, factor(scale));
      case 'pow2':
        return call('requantize_pow2', 'i32', accumulator, entry(shift, channel, tables));
      case 'compact':
        return fixed('requantize_compact');
      default:
        return requant.mode satisfies never;
    }
  };
  const bounds = {
    lo: boundTable(`${prefix}_lo`, saturation.lo),
    hi: boundTable(`${prefix}_hi`, saturation.hi),
  };
  const value = (accumulator: Expr, channel: Expr): Expr =>
    call(
      'clamp',
      'i32',
      add(rounded(accumulator, channel), saturation.zeroPoint),
      entry(bounds.lo, channel, tables),
      entry(bounds.hi, channel, tables),
    );
  // Building the value once registers the tables that it reads.
  value(int(0), int(0));
  return { tables, value };
}
