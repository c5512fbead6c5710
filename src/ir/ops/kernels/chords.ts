/** Functions of 16-bit numbers: straight lines between the entries of a table. */
import { at } from '../../../base/errors.ts';
import type { Hold } from '../../graph/op.ts';
import { add, and, call, compare, int, load, maximum, mul, select, shr, sub } from '../../kernel/builders.ts';
import type { Expr, Table } from '../../kernel/kernel.ts';
import { type Quant, storageOf } from '../../kernel/stored.ts';

/** Where a curve has its entries; every cell is gone through in 2^`bits` parts. */
interface Cells {
  readonly bits: 7 | 8;
  /** What each entry is of, as stored numbers + 32768. */
  readonly nodes: readonly number[];
}

/**
 * `even`: 512 cells of 128 numbers each. `near`: by the distance of x from the zero point, either side by itself; each number
 * below 256, cells of 16 up to 4096, of 256 beyond, so that what bends near 0 is followed there.
 */
export interface Curve {
  readonly kind: 'even' | 'near';
  readonly zeroPoint: number;
  readonly entries: Int16Array;
  /** Bits of the entries below an output step. */
  readonly finer: 0 | 7;
}

const least = 32768;

const even: Cells = { bits: 7, nodes: Array.from({ length: 513 }, (_, i) => Math.min(65535, i * 128)) };

/** Distances of the entries of one side: three stretches, each with its end. */
const distances = [1, 16, 256].flatMap((step) =>
  Array.from({ length: step === 256 ? 129 : 257 }, (_, i) => i * step),
);
const starts = [0, 257, 514] as const;
const perSide = distances.length;

const nearTo = (zeroPoint: number): Cells => ({
  bits: 8,
  nodes: [1, -1].flatMap((side) =>
    distances.map((d) => Math.max(0, Math.min(65535, least + zeroPoint + side * d))),
  ),
});

/** The entry before a stored number + 32768, and how far behind it that lies in parts of 2^bits. */
function cellOf(kind: Curve['kind'], zeroPoint: number, i: number): readonly [entry: number, part: number] {
  if (kind === 'even') return [i >> 7, i & 127];
  const x = i - least - zeroPoint;
  const distance = Math.min(32767, Math.abs(x));
  const which = distance < 256 ? 0 : distance < 4096 ? 1 : 2;
  const moved = distance * (256 >> (4 * which));
  return [(x < 0 ? perSide : 0) + at(starts, which) + (moved >> 8), moved & 255];
}

const between = (a: number, b: number, part: number, bits: number): number =>
  a + Math.floor(((b - a) * part + 2 ** (bits - 1)) / 2 ** bits);

/**
 * Half of what a chord misses of a curve, taken from the entries at both of its ends: chords lie to one side of it.
 */
const lowered = (values: Float64Array): Float64Array =>
  values.map((y, i) => {
    const [before, behind] = [values[i - 1], values[i + 1]];
    return before === undefined || behind === undefined ? y : y - (before - 2 * y + behind) / 16;
  });

/** @param values of each stored number + 32768, in output steps with the zero point, within bounds */
function errorOf({ kind, zeroPoint, entries, finer }: Curve, values: Float64Array): number {
  const { bits } = kind === 'even' ? even : nearTo(zeroPoint);
  return values.reduce((sum, wanted, i) => {
    const [entry, part] = cellOf(kind, zeroPoint, i);
    const made = between(at(entries, entry), at(entries, entry + 1), part, bits) / 2 ** finer;
    return sum + (made - wanted) ** 2;
  }, 0);
}

/**
 * The curve with the least squared error over all stored numbers.
 * @param reals the function of each stored number of 16 bits from -32768 on; infinities saturate
 */
export function curveOf(reals: Float64Array, zeroPoint: number, output: Quant): Curve {
  const { lo, hi } = storageOf(output);
  const finer = output.bits === 16 ? 0 : 7;
  const steps = reals.map((y) => Math.max(lo, Math.min(hi, y / output.scale + output.zeroPoint)));
  const fixed = (values: Float64Array): Int16Array =>
    Int16Array.from(values, (y) => Math.round(Math.max(lo, Math.min(hi, y)) * 2 ** finer));
  const taken = ({ nodes }: Cells): Float64Array => Float64Array.from(nodes, (i) => at(steps, i));
  const plain = taken(even);
  const curves = [
    { kind: 'even', entries: fixed(plain) },
    { kind: 'even', entries: fixed(lowered(plain)) },
    { kind: 'near', entries: fixed(taken(nearTo(zeroPoint))) },
  ] as const;
  const rated = curves.map((curve): readonly [number, Curve] => {
    const made = { ...curve, zeroPoint, finer } as const;
    return [errorOf(made, steps), made];
  });
  return rated.reduce((best, other) => (other[0] < best[0] ? other : best))[1];
}

/** The loop's value, and its table. */
export function curveValue(name: string, { kind, zeroPoint, entries, finer }: Curve) {
  const table: Table = {
    name,
    elem: 'i16',
    data: entries,
    says: 'The function at the ends of straight lines.',
  };
  const cell = (entry: Expr, part: Expr, bits: number): Expr => {
    const [a, b] = [load(name, 'i16', entry), load(name, 'i16', add(entry, 1))];
    const y = call('interpolate', 'i32', a, b, part, int(bits));
    return finer === 0 ? y : shr(add(y, 2 ** (finer - 1)), finer);
  };
  const value = ([stored = int(0)]: readonly Expr[], hold: Hold): Expr => {
    if (kind === 'even') {
      const place = hold('place', add(stored, least));
      return cell(shr(place, 7), and(place, 127), 7);
    }
    const x = hold('centred', sub(stored, zeroPoint));
    const negated = hold('negated', sub(0, x));
    const d = hold('distance', call('clamp', 'i32', maximum(x, negated), int(0), int(32767)));
    const by = (small: Expr, middle: Expr, far: Expr): Expr =>
      select(compare('lt', d, 256), small, select(compare('lt', d, 4096), middle, far));
    // Clamped where the next stretch begins: intervals do not know which one it is.
    const upTo = (most: number): Expr => call('clamp', 'i32', d, int(0), int(most));
    const [first, second, third] = starts;
    const own = by(add(upTo(255), first), add(shr(upTo(4095), 4), second), add(shr(d, 8), third));
    const side = select(compare('lt', x, 0), int(perSide), int(0));
    const entry = hold('entry', add(hold('own', own), hold('side', side)));
    return cell(entry, hold('part', by(int(0), mul(and(d, 15), 16), and(d, 255))), 8);
  };
  return { tables: [table], value };
}
