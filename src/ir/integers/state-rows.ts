/**
 * Rows of int8 weights whose sums become numbers of 16 bits, in 32-bit arithmetic alone: what recurrent layers add up
 * before their gates.
 *
 *   2^-fraction sum = s step (sum q x + bias) with a multiplier m 2^-shift = s step 2^(fraction - up), m of 15 bits
 *
 * The step of a row is chosen so that its multiplier is exact, and so that no sum can leave int32.
 */
import { at, InputError } from '../../base/errors.ts';
import { largestSize } from '../../base/extremes.ts';
import { call, load, mul } from '../kernel/builders.ts';
import type { Expr, Table } from '../kernel/kernel.ts';

export interface StateRows {
  /** rows x terms. */
  readonly weights: Int8Array;
  readonly bias: Int32Array;
  /** 2^14..2^15 - 1 */
  readonly multiplier: Uint16Array;
  /** 17..46 */
  readonly shift: Uint8Array;
  /** Sums are multiplied by 2^up first. */
  readonly up: number;
}

export interface RowsToQuantize {
  readonly weights: Float32Array;
  readonly bias: Float32Array;
  /** Of what the weights multiply. */
  readonly scale: number;
  readonly zeroPoint: number;
  /** The largest size of a stored number of it: 255 or 32768. */
  readonly largest: number;
  /** Bits of a sum's fraction. */
  readonly fraction: number;
}

/** Exact products of 15 bits and a power of two. */
interface Multiplier {
  readonly m: number;
  readonly shift: number;
}

/** The least m 2^-shift that is not below `scale`, m in 2^14..2^15 - 1. */
function multiplierOf(scale: number): Multiplier {
  const exponent = Math.floor(Math.log2(scale));
  const m = Math.ceil(scale * 2 ** (14 - exponent));
  return m < 2 ** 15 ? { m, shift: 14 - exponent } : { m: 2 ** 14, shift: 13 - exponent };
}

/**
 * The least step with which |bias| + largest sum |q| stays below `limit`: |q| is at most |w| / step + 1/2, and as much
 * again may be in the bias for what rounding lost.
 */
function stepWithin(rows: RowsToQuantize, row: Float32Array, bias: number, limit: number): number {
  const { scale, zeroPoint, largest } = rows;
  const far = largest + Math.abs(zeroPoint);
  const real = Math.abs(bias) / scale + far * row.reduce((sum, w) => sum + Math.abs(w), 0);
  return real / (limit - far * row.length - 1);
}

/** The multiplier of a row with sums shifted up, where it is below 1/4. */
function multiplierFor(
  rows: RowsToQuantize,
  row: Float32Array,
  bias: number,
  up: number,
): Multiplier | undefined {
  const step = Math.max(largestSize(row) / 127, stepWithin(rows, row, bias, 2 ** (31 - up)));
  const found = multiplierOf(Math.max(2 ** -32, rows.scale * step * 2 ** (rows.fraction - up)));
  return found.shift < 17 ? undefined : found;
}

/** Sums of a layer of few inputs still have room for 2^12. */
const mostUp = 12;

/** @throws InputError where sums can be so large that no multiplier brings them to 16 bits */
export function quantizeStateRows(rows: RowsToQuantize): StateRows {
  const count = rows.bias.length;
  const terms = rows.weights.length / count;
  const each = Array.from({ length: count }, (_, i) => rows.weights.subarray(i * terms, (i + 1) * terms));
  for (let up = 0; up <= mostUp; up++) {
    const multipliers = each.flatMap((row, i) => multiplierFor(rows, row, at(rows.bias, i), up) ?? []);
    if (multipliers.length === count) return rounded(rows, each, multipliers, up);
  }
  throw new InputError({
    found: `sums before its gates that can reach far beyond ${2 ** (15 - rows.fraction)}`,
    supported: 'weights and inputs that do not saturate a gate for nearly all inputs',
    todo: 'normalize the input, or check these weights in PyTorch',
  });
}

function rounded(
  rows: RowsToQuantize,
  each: readonly Float32Array[],
  multipliers: readonly Multiplier[],
  up: number,
): StateRows {
  const { scale, zeroPoint, fraction } = rows;
  const weights = new Int8Array(rows.weights.length);
  // Far from 0, a weight's rounding times the input's offset is more than the signal.
  const offset = zeroPoint < 0 || zeroPoint > 255 ? scale * (127.5 - zeroPoint) : 0;
  const bias = Int32Array.from(each, (row, i) => {
    const { m, shift } = at(multipliers, i);
    const step = (m * 2 ** (up - shift - fraction)) / scale;
    const steps = row.map((w) => Math.round(w / step));
    weights.set(steps, i * row.length);
    const sum = steps.reduce((total, q) => total + q, 0);
    const lost = row.reduce((total, w, j) => total + at(steps, j) * step - w, 0);
    return Math.round((at(rows.bias, i) - lost * offset) / (scale * step) - zeroPoint * sum);
  });
  return {
    weights,
    bias,
    multiplier: Uint16Array.from(multipliers, ({ m }) => m),
    shift: Uint8Array.from(multipliers, ({ shift }) => shift),
    up,
  };
}

/** How a kernel ends a sum of rows, whose tables are in the order in which it visits them. */
export interface SumEnd {
  readonly bias: Table;
  readonly tables: readonly Table[];
  readonly value: (sum: Expr, row: Expr) => Expr;
}

/** `prefix` names the tables; `order` says which row each entry of them is. */
export function sumEnd(prefix: string, rows: StateRows, order: readonly number[]): SumEnd {
  const multiplier: Table = {
    name: `${prefix}_multiplier`,
    elem: 'u16',
    data: order.map((row) => at(rows.multiplier, row)),
    says: 'pre = sum * multiplier / 2^shift, by row of weights.',
  };
  const shift: Table = {
    name: `${prefix}_shift`,
    elem: 'u8',
    data: order.map((row) => at(rows.shift, row)),
    says: 'Shifts of these multipliers.',
  };
  return {
    bias: {
      name: `${prefix}_bias`,
      elem: 'i32',
      data: order.map((row) => at(rows.bias, row)),
      says: 'The bias, by row of weights, in steps of its sum.',
    },
    tables: [multiplier, shift],
    value: (sum, row) =>
      call(
        'requantize_halves',
        'i32',
        mul(sum, 2 ** rows.up),
        load(multiplier.name, 'u16', row),
        load(shift.name, 'u8', row),
      ),
  };
}
