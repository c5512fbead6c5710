/**
 * The expansion that all formats with one entry per nonzero share. A segment's entries are packed into units; the
 * number of units stands in a table, so that nothing beyond the last is ever read and no sentinel is needed.
 */
import { at, must } from '../../base/errors.ts';
import { advance, constant, load, local, loop, mul, pointer, times } from '../kernel/builders.ts';
import type { Expr, Stmt, StoredRows, Table } from '../kernel/kernel.ts';
import { segmentOffsets, type WeightLayout } from '../kernel/weight-format.ts';
import { type Decode, decodeOf, valueCode } from './codes.ts';
import type { Expansion, RowsOfWeights, RowUse } from './expansion.ts';

/** The input pointer moves on by `delta`, then meets `values` side by side. */
export interface Entry {
  readonly delta: number;
  readonly values: readonly number[];
}

/** An entry as code: the names of locals are unique to `tag`. */
export interface EntryCode {
  readonly prepare: readonly Stmt[];
  readonly delta: Expr;
  readonly values: readonly Expr[];
}

/** What distinguishes the formats. */
export interface UnitCode {
  readonly entriesPerUnit: number;
  readonly bytesPerUnit: number;
  readonly largestDelta: number;
  /** Neighbours that one entry holds. */
  readonly width: number;
  /** Of a value. */
  readonly bits: 8 | 4;
  readonly pack: (entries: readonly Entry[], encode: (value: number) => number) => readonly number[];
  /** The unit that begins `at` bytes beyond the pointer `wt`. */
  readonly unpack: (at: number, tag: string, decode: Decode) => readonly EntryCode[];
}

export interface GatherOptions {
  readonly segmented: boolean;
  readonly unroll: number;
}

/** The stretches that are counted on their own, and the offsets of their terms. */
interface Counted {
  readonly segments: number;
  readonly stride: number;
  readonly offsets: readonly number[];
}

function counted(layout: WeightLayout, segmented: boolean): Counted {
  const offsets = segmentOffsets(layout);
  if (segmented) return { segments: layout.segments, stride: layout.segmentStride, offsets };
  const all = times(layout.segments, (s) => offsets.map((o) => s * layout.segmentStride + o)).flat();
  return { segments: 1, stride: 0, offsets: all };
}

/** Entries of one segment: blocks of `width` terms that hold all nonzeros, bridged where they are far apart. */
export function entriesOf(
  values: ArrayLike<number>,
  offsets: readonly number[],
  { width, largestDelta }: Pick<UnitCode, 'width' | 'largestDelta'>,
): Entry[] {
  const entries: Entry[] = [];
  let place = 0;
  for (let i = 0; i < offsets.length; ) {
    if (values[i] === 0) {
      i++;
      continue;
    }
    const first = Math.min(i, offsets.length - width);
    const target = at(offsets, first);
    for (; target - place > largestDelta; place += largestDelta)
      entries.push({ delta: largestDelta, values: new Array<number>(width).fill(0) });
    // Terms before i are stored already: a block that was moved back repeats them as 0.
    const block = times(width, (j) => (first + j < i ? 0 : at(values, first + j)));
    entries.push({ delta: target - place, values: block });
    place = target;
    i = first + width;
  }
  return entries;
}

/** Filled up to whole passes with entries that add nothing where the pointer already is. */
function filled(entries: readonly Entry[], multiple: number, width: number): Entry[] {
  const missing = (multiple - (entries.length % multiple)) % multiple;
  const nothing: Entry = { delta: 0, values: new Array<number>(width).fill(0) };
  return [...entries, ...times(missing, () => nothing)];
}

/** A table of unsigned numbers as narrow as they allow. */
function countTable(name: string, counts: readonly number[]): Table {
  return { name, elem: counts.every((n) => n < 256) ? 'u8' : 'u16', data: [...counts] };
}

interface Encoded {
  readonly stream: readonly number[];
  /** Passes of the loop, per row and segment. */
  readonly counts: readonly number[];
}

function encode(
  { layout, values }: RowsOfWeights,
  unit: UnitCode,
  options: GatherOptions,
  one: (value: number) => number,
): Encoded {
  const { segments, offsets } = counted(layout, options.segmented);
  const stream: number[] = [];
  const perPass = unit.entriesPerUnit * options.unroll;
  const counts = times(layout.rows * segments, (s) => {
    const terms = values.subarray(s * offsets.length, (s + 1) * offsets.length);
    const entries = filled(entriesOf(terms, offsets, unit), perPass, unit.width);
    for (let i = 0; i < entries.length; i += unit.entriesPerUnit)
      stream.push(...unit.pack(entries.slice(i, i + unit.entriesPerUnit), one));
    return entries.length / perPass;
  });
  return { stream, counts };
}

/** Decodes `unroll` units and moves on. */
function pass(unit: UnitCode, unroll: number, decode: Decode, { use }: RowUse): readonly Stmt[] {
  const units = times(unroll, (u) => unit.unpack(u * unit.bytesPerUnit, unroll > 1 ? `${u}` : '', decode));
  return [
    ...units
      .flat()
      .flatMap(({ prepare, delta, values }) => [
        ...prepare,
        ...advance('px', delta),
        ...values.flatMap((value, i) => use(value, i)),
      ]),
    ...advance('wt', unroll * unit.bytesPerUnit),
  ];
}

export function gatherTables(rows: RowsOfWeights, unit: UnitCode, options: GatherOptions): readonly Table[] {
  const code = valueCode(rows.name, unit.bits, rows.codebook);
  const { stream, counts } = encode(rows, unit, options, code.encode);
  // C has no empty arrays.
  const bytes = Uint8Array.from(stream.length > 0 ? stream : [0]);
  const weights: Table = { name: `${rows.name}_weights`, elem: 'u8', data: bytes };
  return [weights, countTable(`${rows.name}_counts`, counts), ...code.tables];
}

export function gatherExpansion(stored: StoredRows, unit: UnitCode, options: GatherOptions): Expansion {
  const { segments, stride } = counted(stored.layout, options.segmented);
  const counts = must(stored.counts, 'entries are counted');
  const elem = must(stored.countElem, 'entries are counted');
  const decode = decodeOf(stored, unit.bits);
  const segment = (s: Expr, use: RowUse): readonly Stmt[] => [
    use.from(mul(s, stride)),
    constant('passes', load('counts', elem, 0)),
    ...loop('pass', local('passes'), () => pass(unit, options.unroll, decode, use)),
    ...advance('counts', 1),
  ];
  return {
    start: [
      pointer('wt', stored.stream, 'u8', 0, { mutable: true }),
      pointer('counts', counts, elem, 0, { mutable: true }),
    ],
    row: (use) => loop('segment', segments, (s) => segment(s, use)),
  };
}
