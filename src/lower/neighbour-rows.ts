/**
 * Rows of weights whose inputs lie beside those of the row before: depthwise convolutions. Eight rows at a time, their
 * inputs in the lanes of a vector; two terms are interleaved, so that each row has a pair of inputs for its pair of
 * weights.
 */
import { at } from '../base/errors.ts';
import {
  add,
  advance,
  assign,
  call,
  constant,
  loadVector,
  local,
  loop,
  mul,
  pointer,
  storeVector,
  times,
  variable,
} from '../ir/kernel/builders.ts';
import type { Elem, Expr, Kernel, RowSum, Span, Stmt, Table } from '../ir/kernel/kernel.ts';
import { takesAll } from '../ir/kernel/walk.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import { decodeRows } from '../program/rows.ts';
import type { NewName } from './fresh-names.ts';
import type { MadeSums } from './made-sums.ts';
import { sumTerms } from './neighbours.ts';
import type { FoundSums } from './sum-groups.ts';
import { type Level, levelsOf, loopsOver, startsOf } from './terms.ts';

/** Rows of a block, and of each of the two vectors of sums. */
const wide = 8;
const lanes = 4;

/** Terms that are written out one after the other; more of them leave no registers for the sums. */
const longest = 6;

/** Terms and offsets of inputs, in pairs; the last may stand alone. */
type Pairs = readonly (readonly { readonly term: number; readonly offset: number }[])[];

interface Walk {
  /** Around the terms that are written out. */
  readonly loops: readonly Level[];
  readonly pairs: Pairs;
}

const inPairs = (terms: Pairs[number]): Pairs =>
  times(Math.ceil(terms.length / 2), (i) => terms.slice(2 * i, 2 * i + 2));

/** A loop over segments, and all pieces of one written out. */
function walkOfParts(
  { pieces, pieceStride, segments, segmentStride, run }: WeightLayout,
  parts: Parts,
): Walk | undefined {
  if (run > 1 || pieces > longest || parts.pieces.some(({ from, to }) => from === to)) return undefined;
  const pairs = inPairs(times(pieces, (i) => ({ term: i, offset: i * pieceStride })));
  return { loops: [{ count: segments, step: segmentStride, terms: pieces }], pairs };
}

function walkOf(layout: WeightLayout): Walk {
  const levels = levelsOf(layout);
  const inner = levels.at(-1) ?? { count: 1, step: 0, terms: 0 };
  const terms = (count: number) => times(count, (i) => ({ term: i * inner.terms, offset: i * inner.step }));
  if (inner.count > longest) return { loops: levels, pairs: [terms(1)] };
  return { loops: levels.slice(0, -1), pairs: inPairs(terms(inner.count)) };
}

/** [block of eight rows][stretch of terms][pair][half][row][2], in the order of use; what is missing weighs nothing. */
function packed(name: string, kernel: Kernel, { rows: count }: WeightLayout, { loops, pairs }: Walk): Table {
  const rows = decodeRows(kernel);
  const data: number[] = [];
  for (let block = 0; block < count; block += wide)
    for (const start of startsOf(loops))
      for (const [first, second] of pairs)
        for (let r = block; r < block + wide; r++) {
          const of = (one: typeof first): number => (one && rows[r]?.[start + one.term]) ?? 0;
          data.push(of(first), of(second));
        }
  return {
    name,
    elem: 'i16',
    data: Int16Array.from(data),
    rowLength: wide,
    says: 'pairs of weights of eight rows, those of four after those of the other four',
  };
}

/** What sums take of rows. */
interface Parts {
  readonly segments: Span<Expr | number>;
  /** By place. */
  readonly pieces: readonly Span<number>[];
}

function partsTaken({ segments, sums }: RowSum, layout: WeightLayout): Parts {
  const all = { from: 0, to: layout.pieces };
  return {
    segments: segments ?? { from: 0, to: layout.segments },
    pieces: sums.map(({ pieces = all }) => pieces),
  };
}

interface Work {
  readonly names: NewName;
  readonly walk: Walk;
  readonly from: string;
  readonly elem: Elem;
  readonly weights: string;
  readonly sums: string;
  /** Of the places. */
  readonly firsts: readonly Expr[];
  /** Absent: all of each row. */
  readonly parts?: Parts;
  /** Sums of a place. */
  readonly perPlace: number;
}

export function neighbourRows(
  kernel: Kernel,
  { neighbours }: FoundSums,
  names: NewName,
): MadeSums | undefined {
  const [found, ...others] = neighbours;
  const layout = kernel.weights?.layout;
  const source = kernel.params.find(({ name }) => name === found?.from);
  if (found === undefined || others.length > 0 || layout === undefined || source === undefined)
    return undefined;
  if (source.elem !== 'u8' && source.elem !== 'i8') return undefined;
  const isWhole = takesAll(found.statement);
  const parts = isWhole ? undefined : partsTaken(found.statement, layout);
  const walk = parts === undefined ? walkOf(layout) : walkOfParts(layout, parts);
  if (walk === undefined) return undefined;
  const perPlace = Math.ceil(layout.rows / wide) * wide;
  const isCounter = (e: Expr): boolean => e.kind === 'local' && e.name === found.loop.name;
  const work: Work = {
    names,
    walk,
    from: source.name,
    elem: source.elem,
    weights: names('pairs'),
    sums: names('sums'),
    firsts: found.sums.map(({ first }) => add(...sumTerms(first).filter((e) => !isCounter(e)))),
    ...(parts === undefined ? {} : { parts }),
    perPlace,
  };
  return {
    doc: 'Vectors of WebAssembly: eight rows at a time, pairs of their inputs of 16 bits times pairs of weights.',
    scratch: [{ name: work.sums, role: 'scratch', elem: 'i32', length: found.sums.length * perPlace }],
    tables: [packed(work.weights, kernel, layout, walk)],
    sums: work.sums,
    before: new Map([[found.loop, summed(work, layout.rows)]]),
    added: new Map([
      [
        found.statement,
        found.sums.map(({ local: name, row }, j) => ({ local: name, index: add(j * perPlace, row) })),
      ],
    ]),
  };
}

function summed(work: Work, rows: number): readonly Stmt[] {
  const { names, weights, walk } = work;
  const whole = Math.floor(rows / wide) * wide;
  const perBlock = startsOf(walk.loops).length * perStretch(walk);
  const w = names('w');
  const one = (row: Expr | number, count: number): readonly Stmt[] =>
    times(Math.ceil(work.firsts.length / atOnce(walk)), (chunk) => {
      const some = times(
        Math.min(atOnce(walk), work.firsts.length - chunk * atOnce(walk)),
        (i) => chunk * atOnce(walk) + i,
      );
      return block(work, { places: some, row, count, weights: w });
    }).flat();
  return [
    pointer(w, weights, 'i16', 0, { mutable: true }),
    ...loop(names('rows'), whole, (row) => [...one(row, wide), ...advance(w, perBlock)], { step: wide }),
    ...(rows > whole ? one(whole, rows - whole) : []),
  ];
}

/** Places that are summed at the same time: V8 makes all loads before the first product. */
const atOnce = ({ pairs }: Walk): number => (pairs.length > 2 ? 1 : 2);

interface Block {
  readonly places: readonly number[];
  readonly row: Expr | number;
  /** Of rows: 8, or those that are left over. */
  readonly count: number;
  readonly weights: string;
}

/** The statements for the terms of one stretch, from pointers to inputs of each place. */
type Stretch = (starts: readonly string[]) => readonly Stmt[];

function block(work: Work, one: Block): readonly Stmt[] {
  const { names, walk, perPlace } = work;
  const { places, row, weights } = one;
  const sums = places.map(() => [names('sum'), names('sum')] as const);
  const w = names('w');
  const stretch: Stretch = (starts) => [
    ...walk.pairs.flatMap((pair, p) =>
      pairOf(work, {
        inputs: starts.map((start, j) => inputsOf(work, pair, at(places, j), start, one.count)),
        weights: [0, 1].map((half) => loadVector('i16x8', w, 'i16', (2 * p + half) * wide)),
        sums,
      }),
    ),
    ...advance(w, perStretch(walk)),
  ];
  const from = mul(work.parts?.segments.from ?? 0, perStretch(walk));
  return [
    ...sums.flat().map((name) => variable(name, call('splat_i32x4', 'i32x4', 0))),
    pointer(w, weights, 'i16', from, { mutable: true }),
    ...(work.parts === undefined ? allRows(work, one, stretch) : someRows(work, work.parts, one, stretch)),
    ...sums.flatMap((halves, j) =>
      halves.map((name, half) =>
        storeVector(
          'i32x4',
          work.sums,
          'i32',
          add(at(places, j) * perPlace + half * lanes, row),
          local(name, 'i32x4'),
        ),
      ),
    ),
  ];
}

const perStretch = ({ pairs }: Walk): number => pairs.length * 2 * wide;

function allRows(work: Work, { places, row }: Block, stretch: Stretch): readonly Stmt[] {
  const { names, walk, firsts, from, elem } = work;
  const pointers = places.map(() => names('px'));
  return [
    ...places.map((place, j) => pointer(at(pointers, j), from, elem, add(at(firsts, place), row))),
    ...loopsOver(walk.loops, pointers, elem, names, stretch),
  ];
}

/** Pointers begin at the first input that is taken: those before it may lie outside of the array. */
function someRows(work: Work, parts: Parts, { places, row }: Block, stretch: Stretch): readonly Stmt[] {
  const { names, walk, firsts, from, elem } = work;
  const { from: first, to } = parts.segments;
  const pointers = places.map(() => names('px'));
  const inputs = (segment: Expr): readonly Stmt[] =>
    places.map((place, j) => {
      const part = mul(segment, at(walk.loops, 0).step);
      const offset = firstTaken(walk, at(parts.pieces, place));
      return pointer(at(pointers, j), from, elem, add(at(firsts, place), row, part, offset));
    });
  return loop(names('stretch'), to, (segment) => [...inputs(segment), ...stretch(pointers)], { from: first });
}

const firstTaken = ({ pairs }: Walk, { from }: Span<number>): number => at(pairs.flat(), from).offset;

/** What a place's pointer `start` has for a pair of terms: zeros in place of what is not taken. */
function inputsOf(
  { walk, parts, elem }: Work,
  pair: Pairs[number],
  place: number,
  start: string,
  count: number,
): readonly Expr[] {
  const taken = parts && at(parts.pieces, place);
  return pair.map(({ term, offset }) => {
    if (taken === undefined) return loadVector('i16x8', start, elem, offset, count);
    const isTaken = term >= taken.from && term < taken.to;
    const from = isTaken ? offset - firstTaken(walk, taken) : 0;
    return loadVector('i16x8', start, elem, from, isTaken ? count : 0);
  });
}

interface Pair {
  /** Of each place one or two vectors. */
  readonly inputs: readonly (readonly Expr[])[];
  /** Of the first and of the last four rows. */
  readonly weights: readonly Expr[];
  readonly sums: readonly (readonly string[])[];
}

function pairOf({ names }: Work, { inputs, weights, sums }: Pair): readonly Stmt[] {
  const held = weights.map(() => names('weight'));
  return [
    ...held.map((name, half) => constant(name, at(weights, half))),
    ...inputs.flatMap((terms, j) => {
      const xs = terms.map(() => names('x'));
      // A term alone meets weights of 0 the second time.
      const both = [at(xs, 0), xs[1] ?? at(xs, 0)].map((name) => local(name, 'i16x8'));
      return [
        ...xs.map((name, i) => constant(name, at(terms, i))),
        ...['zip_low_i16x8', 'zip_high_i16x8'].map((zip, half) => {
          const sum = at(at(sums, j), half);
          const products = call(
            'dot_i16x8',
            'i32x4',
            call(zip, 'i16x8', ...both),
            local(at(held, half), 'i16x8'),
          );
          return assign(sum, call('add_i32x4', 'i32x4', local(sum, 'i32x4'), products));
        }),
      ];
    }),
  ];
}
