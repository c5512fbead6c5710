/** The tables of packed rows of weights: src/lower/packed.ts says what they are for. */
import { at, holds } from '../base/errors.ts';
import { times } from '../ir/kernel/builders.ts';
import { beginsTogether, type Packing, type Table } from '../ir/kernel/kernel.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';

/** The largest sum of weights, without signs, over a segment: inputs of 0..255 then move a half by 65535 at most. */
export const largestSum = 257;

export interface PackedRows {
  /** By pass and segment: each pair's beginning, then its weights, term by term, the pairs in turns. */
  readonly pairs: readonly number[];
  /** Where the sums of each row begin, without what the segments begin with. */
  readonly bias: readonly number[];
  /** Whether the first row of each pair begins with 65536 times its second one's beginning too, modulo 2^32. */
  readonly isTogether: boolean;
  /** By row how many pairs it has of: a term's place from the first one, in elements, and what its weight lacks. */
  readonly counts: readonly number[];
  readonly rests: readonly number[];
  readonly countElem: 'u8' | 'u16';
  readonly restElem: 'i16' | 'i32';
  /** Bounds of what a row's packed weights and its bias make, of any row. */
  readonly lo: number;
  readonly hi: number;
  /** No sum is below, with what is too large. */
  readonly least: number;
}

/** Of a pass; what its tables take is told by them. */
export type Loops = Omit<Packing, 'tableBytes'>;

type Row = readonly number[];

/**
 * How many whole runs a segment has: several, written out, where they are short and so many divide all. Runs that are
 * apart by two distances are not joined.
 */
export function runsJoined({ segments, pieces, run }: WeightLayout, terms: number): number {
  if (pieces > 1) return 1;
  const fits = times(segments, (i) => i + 1).filter((n) => segments % n === 0 && n * run <= terms);
  return Math.max(1, ...fits);
}

/** Lengths of the segments of a row: of each run as long as may be, or of some whole runs. */
export function segmentsOf(layout: WeightLayout, terms: number): readonly number[] {
  const { segments, pieces, run } = layout;
  const joined = runsJoined(layout, terms);
  if (joined > 1) return times(segments / joined, () => joined * run);
  return times(segments * pieces, () =>
    times(Math.ceil(run / terms), (i) => Math.min(terms, run - i * terms)),
  ).flat();
}

const sumOf = (row: Row, of: (w: number) => number): number => row.reduce((sum, w) => sum + of(w), 0);

/** What one segment's weights of a row have too much, taken from the largest one after the other. */
function excess(row: Row): readonly number[] {
  const less = row.map(() => 0);
  for (let over = sumOf(row, Math.abs) - largestSum; over > 0; ) {
    const left = row.map((w, i) => w - at(less, i));
    const largest = left.reduce((best, w, i) => (Math.abs(w) > Math.abs(at(left, best)) ? i : best), 0);
    const w = at(left, largest);
    const part = Math.sign(w) * Math.min(over, Math.abs(w));
    less[largest] = at(less, largest) + part;
    over -= Math.abs(part);
  }
  return less;
}

/** Where each term's input lies. */
function offsetsOf({ segments, segmentStride, pieces, pieceStride, run }: WeightLayout): readonly number[] {
  return times(segments, (s) =>
    times(pieces, (p) => times(run, (i) => s * segmentStride + p * pieceStride + i)).flat(),
  ).flat();
}

/** A pair of rows: numbers by segment, and what each row lacks. */
interface Pair {
  /** Of all beginnings, for each row. */
  readonly begun: readonly [low: number, high: number];
  readonly segments: readonly { readonly start: number; readonly weights: readonly number[] }[];
  readonly rests: readonly (readonly number[])[];
  readonly bounds: readonly (readonly [lo: number, hi: number])[];
}

function packPair(rows: readonly Row[], lengths: readonly number[], offsets: readonly number[]): Pair {
  const segments: { start: number; weights: readonly number[] }[] = [];
  const rests = rows.map((): number[] => []);
  const bounds = rows.map((): [number, number] => [0, 0]);
  // Alone in its pair, a row leaves the high half at 0.
  const lowest = rows.length > 1 ? -32768 : 0;
  const begun: [number, number] = [0, 0];
  let term = 0;
  for (const length of lengths) {
    const parts = rows.map((row) => row.slice(term, term + length));
    const less = parts.map(excess);
    const kept = parts.map((part, h) => part.map((w, i) => w - at(at(less, h), i)));
    less.forEach((one, h) => {
      for (const [i, w] of one.entries()) if (w !== 0) at(rests, h).push(at(offsets, term + i), w);
    });
    const sides = kept.map((part) => [
      sumOf(part, (w) => Math.max(0, -w)),
      sumOf(part, (w) => Math.max(0, w)),
    ]);
    const [low = 0, high = 0] = sides.map(([negative = 0]) => 255 * negative);
    sides.forEach(([negative = 0, positive = 0], h) => {
      const [lo, hi] = at(bounds, h);
      bounds[h] = [lo - 255 * negative, hi + 255 * positive];
    });
    begun[0] += low;
    begun[1] += high + lowest;
    const weights = times(length, (i) => kept.reduce((sum, part, h) => sum + 65536 ** h * at(part, i), 0));
    segments.push({ start: low + 65536 * (high + lowest), weights });
    term += length;
  }
  return { begun, segments, rests, bounds };
}

/**
 * Packs rows of weights.
 * @param rows of weights of 8 bits, by term
 * @param bias by row
 * @param passes how many rows the passes take, which follow each other
 */
export function packRows(
  rows: readonly Int32Array[],
  bias: ArrayLike<number>,
  layout: WeightLayout,
  passes: readonly number[],
  packing: Loops,
): PackedRows {
  const [lengths, offsets] = [segmentsOf(layout, packing.terms), offsetsOf(layout)];
  const isTogether = beginsTogether(packing);
  const all = {
    pairs: [] as number[],
    bias: [] as number[],
    counts: [] as number[],
    rests: [] as number[],
  };
  let [lo, hi] = [Infinity, -Infinity];
  for (const taken of passes) {
    const next = all.bias.length;
    const pairs = times(Math.ceil(taken / 2), (q): Pair => {
      const both = rows.slice(next + 2 * q, next + Math.min(2 * q + 2, taken));
      return packPair(
        both.map((row) => Array.from(row)),
        lengths,
        offsets,
      );
    });
    for (const one of pairs) {
      const begins = one.bounds.map(([from, to], h) => {
        all.counts.push(at(one.rests, h).length / 2);
        all.rests.push(...at(one.rests, h));
        const begin = at(bias, all.bias.length + h);
        [lo, hi] = [Math.min(lo, begin + from), Math.max(hi, begin + to)];
        return begin - at(one.begun, h);
      });
      all.bias.push(...(isTogether ? withUpper(begins) : begins));
    }
    lengths.forEach((length, s) => {
      for (const one of pairs) all.pairs.push(at(one.segments, s).start);
      for (let i = 0; i < length; i++)
        for (const one of pairs) all.pairs.push(at(at(one.segments, s).weights, i));
    });
  }
  const most = (numbers: readonly number[]): number => numbers.reduce((a, b) => Math.max(a, b), 0);
  return {
    ...all,
    isTogether,
    countElem: most(all.counts) > 255 ? 'u16' : 'u8',
    restElem: most(all.rests) > 32767 ? 'i32' : 'i16',
    lo,
    hi,
    least: rows.reduce(
      (least, row, i) => Math.min(least, at(bias, i) - 255 * sumOf(Array.from(row), (w) => Math.max(0, -w))),
      0,
    ),
  };
}

/** As many terms as loads near a pointer reach. */
const mostTerms = 16;

/** Where taking an accumulator apart costs 1. */
export interface Prices {
  /** Of a weight that is too large. */
  readonly tooLarge: number;
  /** Of the end of a run that is no whole segment, besides: it is code of its own. */
  readonly end: number;
}

/** By number of terms after which accumulators are taken apart, less 1: how many weights are too large for that. */
export function largeWeights(rows: readonly Int32Array[], layout: WeightLayout): readonly number[] {
  const most = Math.min(layout.run * (layout.pieces > 1 ? 1 : layout.segments), mostTerms);
  return times(most, (i) => {
    const lengths = segmentsOf(layout, i + 1);
    return rows.reduce((sum, row) => sum + tooLarge(row, lengths), 0);
  });
}

/**
 * After how many terms accumulators are best taken apart.
 * @param large `largeWeights` of the rows
 */
export function bestTerms(large: readonly number[], layout: WeightLayout, prices: Prices): number {
  const costs = large.map((found, i) => {
    const lengths = segmentsOf(layout, i + 1);
    const ends = new Set(lengths).size > 1 ? layout.segments * layout.pieces : 0;
    return (lengths.length + prices.end * ends) * layout.rows + prices.tooLarge * found;
  });
  return 1 + costs.indexOf(Math.min(...costs));
}

/** How many weights of a row are. */
function tooLarge(row: Int32Array, lengths: readonly number[]): number {
  let [found, term] = [0, 0];
  holds(
    row,
    sumOf(lengths, (length) => length),
  );
  for (const length of lengths) {
    let size = 0;
    for (let i = term; i < term + length; i++) size += Math.abs(row[i] as number);
    if (size > largestSum)
      found += excess(Array.from(row.subarray(term, term + length))).filter((w) => w !== 0).length;
    term += length;
  }
  return found;
}

/** What a pair's sums begin with: the first one with 65536 times the second, modulo 2^32, which is taken out in the end. */
const withUpper = ([low, ...upper]: readonly number[]): readonly number[] =>
  low === undefined ? [] : [upper.reduce((sum, high) => (sum + Math.imul(high, 65536)) | 0, low), ...upper];

export const biasOf = (kernel: string): string => `${kernel}_begin`;

/** As constant arrays: the pairs, then where weights are too large, counts, places and what is left. */
export function packedTables(name: string, rows: PackedRows): readonly Table[] {
  const { pairs, bias, isTogether, counts, rests, countElem, restElem } = rows;
  const table: Table = {
    name: `${name}_pairs`,
    elem: 'i32',
    data: pairs,
    says: 'Two weights a number; in front of each few terms, where the accumulators begin.',
  };
  const begin: Table = {
    name: biasOf(name),
    elem: 'i32',
    data: bias,
    says: `Without what the accumulators begin with${isTogether ? '; the first of two outputs with 65536 times the next' : ''}.`,
  };
  if (rests.length === 0) return [table, begin];
  return [
    table,
    begin,
    {
      name: `${name}_counts`,
      elem: countElem,
      data: counts,
      says: 'By output: how many weights are too large.',
    },
    {
      name: `${name}_rests`,
      elem: restElem,
      data: rests,
      rowLength: 2,
      says: 'Of these: where the input lies, and what the weight lacks.',
    },
  ];
}
