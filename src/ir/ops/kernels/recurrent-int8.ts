/**
 * Recurrent cells in integers. Weights have 8 bits; sums before gates 16, 11 of them a fraction; gates are 0..32768 in
 * steps of 2^-15; states 16 bits; cells 24 bits in an int32, the upper 16 of which are what others read. One table of
 * the sigmoid, between whose entries is interpolated, serves all gates: tanh x = 2 sigmoid 2x - 1.
 */
import type { StateRows } from '../../integers/state-rows.ts';
import { sumEnd } from '../../integers/state-rows.ts';
import { add, and, call, load, mul, shr, sub } from '../../kernel/builders.ts';
import type { Expr, Table } from '../../kernel/kernel.ts';
import type { CellArithmetic, Hold } from './recurrence.ts';

/** Bits of the fraction of sums before sigmoid and tanh: -16..16 in 16 bits. */
export const sumBits = 11;
/** The largest size of a state, in 16 bits; of a cell, in 24. */
export const largestState = 32767;
export const largestCell = largestState * 256;

export interface Peepholes {
  /** input, output, forget; each by unit. */
  readonly weights: Int16Array;
  /** Products with a cell's upper 16 bits are shifted by this to be sums. */
  readonly shift: number;
}

export interface IntegerCell {
  readonly name: string;
  readonly x: 'u8' | 'i16';
  readonly ofX: StateRows;
  readonly ofState: StateRows;
  /** Bits of the fraction of a cell's upper half: 0..15. */
  readonly cellBits: number;
  readonly peepholes: Peepholes | undefined;
  /** Whether any gate asks the table of the sigmoid. */
  readonly curved: boolean;
}

/** Steps of the table: 2^7 of the sum's each. */
const partBits = 7;
const entries = 2 ** (16 - partBits) + 1;

/** Where a curve bends, chords lie to one side of it: entries moved by half of that halve the largest error. */
function entry(i: number): number {
  const width = 2 ** (partBits - sumBits);
  const s = 1 / (1 + Math.exp(-(i - (entries - 1) / 2) * width));
  const bend = s * (1 - s) * (1 - 2 * s);
  return Math.round(32768 * (s - (bend * width * width) / 16));
}

export const sigmoidTable: Uint16Array = Uint16Array.from({ length: entries }, (_, i) => entry(i));

const clamped = (x: Expr, size: number): Expr => call('clamp', 'i32', x, -size, size);
const limited = (x: Expr): Expr => clamped(x, largestState);

/** (x 2^-bits), rounded half up. */
const rounded = (x: Expr, bits: number): Expr => shr(add(x, 2 ** (bits - 1)), bits);

/** A sum of another number of fractional bits. */
function asSum(x: Expr, bits: number): Expr {
  if (bits > sumBits) return rounded(x, bits - sumBits);
  return bits === sumBits ? x : limited(mul(x, 2 ** (sumBits - bits)));
}

/** gate times a 24-bit number, in steps of 2^-7 of that: the lower byte's product leaves out what never counts. */
const timesWide = (gate: Expr, wide: Expr): Expr =>
  add(mul(gate, shr(wide, 8)), shr(mul(gate, and(wide, 255)), 8));

/** The rest of what makes a 24-bit number: rounded and saturated. */
const wideOf = (...parts: readonly Expr[]): Expr => clamped(shr(add(...parts, 64), partBits), largestCell);

export function integerCell({
  name,
  x,
  ofX,
  ofState,
  cellBits,
  peepholes,
  curved,
}: IntegerCell): CellArithmetic {
  const table: Table = {
    name: `${name}_sigmoid`,
    elem: 'u16',
    data: sigmoidTable,
    says: 'The sigmoid at (entry - 256) / 16, 1.0 being 32768.',
  };
  const peephole: Table | undefined = peepholes && {
    name: `${name}_peephole`,
    elem: 'i16',
    data: peepholes.weights,
    says: 'Weights of the cell, for each of three gates by unit.',
  };
  const hidden = (peepholes?.weights.length ?? 0) / 3;
  const looked = (hold: Hold, stem: string, sum: Expr): Expr => {
    const place = hold(`${stem}_place`, add(limited(sum), 32768));
    const index = hold(`${stem}_entry`, shr(place, partBits));
    const [a, b] = [load(table.name, 'u16', index), load(table.name, 'u16', add(index, 1))];
    return call('interpolate', 'i32', a, b, and(place, 2 ** partBits - 1), partBits);
  };
  return {
    x,
    weight: 'i8',
    state: 'i16',
    cell: 'i32',
    wide: true,
    ofX: ofX.weights,
    ofState: ofState.weights,
    end: (prefix, of, order) => sumEnd(prefix, of === 'x' ? ofX : ofState, order),
    joined: (...parts) => add(...parts),
    sigmoid: (hold, stem, sum) => hold(stem, looked(hold, stem, sum)),
    tanh: (hold, stem, sum) => hold(stem, sub(mul(looked(hold, stem, mul(limited(sum), 2)), 2), 32768)),
    relu: (sum) => call('clamp', 'i32', sum, 0, largestState),
    limited,
    ofCell: (cell) => asSum(shr(cell, 8), cellBits),
    gated: (gate, value) => rounded(mul(gate, value), 15),
    cellOf: (_hold, forget, cell, input, candidate) =>
      wideOf(timesWide(forget, cell), shr(mul(input, candidate), 15 - cellBits)),
    mixed: (update, state, candidate) => wideOf(timesWide(update, state), mul(sub(32768, update), candidate)),
    narrow: (cell) => shr(cell, 8),
    peephole:
      peephole &&
      peepholes &&
      ((unit, gate, cell) =>
        rounded(mul(load(peephole.name, 'i16', add(unit, gate * hidden)), shr(cell, 8)), peepholes.shift)),
    tables: [...(curved ? [table] : []), ...(peephole === undefined ? [] : [peephole])],
  };
}
