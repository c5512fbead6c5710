/**
 * Row sums four rows at a time. Inputs are widened to 16 bits once; a pair of neighbouring inputs, in all four
 * lanes of a vector, meets the pairs of weights of four rows (i32x4.dot_i16x8_s: eight products, neighbours
 * added), so that no lane is ever added to another. One load of weights serves up to four places, one load of
 * inputs up to 20 rows. Sums of integers may be made in any order: no row can overflow, and if one could, both
 * orders wrap to the same bits.
 */

import { at, must } from '../../base/errors.ts';
import type { WeightLayout } from '../../ir/kernel/weight-format.ts';
import { type Code, int, type Local, repeat } from '../../wasm/code.ts';
import { i32, i32x4, load, plus, store, times, zeroLanes } from '../../wasm/instructions.ts';
import { type Body, fresh, type Replaced } from './body.ts';

/** Rows of a vector. */
const lanes = 4;
const vectorBytes = 16;
/** Of a widened input. */
const wideBytes = 2;

/** Where the engine keeps what a kernel's sums need, in bytes. */
export interface Workspace {
  /** The array that rows read, 16 bits an element, and two elements more. */
  readonly wide: number;
  /** Packed by `packWeights`. */
  readonly weights: number;
  /** i32[places][rows], rows rounded up to whole vectors. */
  readonly sums: number;
}

export const vectorsOf = (rows: number): number => Math.ceil(rows / lanes);
export const sumsBytes = (places: number, rows: number): number => places * vectorsOf(rows) * vectorBytes;
export const wideBytesOf = (length: number): number => wideBytes * (length + 8);

const pairsOf = (run: number): number => Math.ceil(run / 2);
const allPairs = ({ segments, pieces, run }: WeightLayout): number => segments * pieces * pairsOf(run);

/**
 * Vectors of rows that are summed at the same time at so many places. V8 makes all loads of a round before the first
 * product, so inputs, weights and sums must fit 15 registers together.
 */
const depthOf = (places: number): number => at([0, 6, 4, 2, 2], places);

/** Where rows begin, as indices into the widened array: `fixed` elements behind one of the `moving`, which are code. */
export interface Places {
  readonly moving: readonly Code[];
  readonly firsts: readonly { readonly from: number; readonly fixed: number }[];
}

/** Places that are summed at the same time. */
const placesAtOnce = 4;

const many = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

const chunks = <T>(items: readonly T[], size: number): T[][] =>
  many(Math.ceil(items.length / size), (i) => items.slice(i * size, (i + 1) * size));

/** Blocks of vectors: as many of `depth` as there are, then what is left. */
function blocksOf(
  vectors: number,
  depth: number,
): readonly { readonly depth: number; readonly count: number }[] {
  const whole = { depth, count: Math.floor(vectors / depth) };
  const rest = { depth: vectors % depth, count: 1 };
  return [...(whole.count > 0 ? [whole] : []), ...(rest.depth > 0 ? [rest] : [])];
}

/** Bytes of the weights of all rows, for places that are summed `atOnce` at a time. */
export const packedBytes = (layout: WeightLayout): number =>
  allPairs(layout) * vectorsOf(layout.rows) * vectorBytes;

/** One row's pairs into every `depth * lanes`-th place from `first` on. */
function packRow(packed: Int16Array, first: number, stride: number, row: Int32Array, run: number): void {
  let to = first;
  for (let start = 0; start < row.length; start += run) {
    const end = start + run;
    for (let term = start; term < end; term += 2, to += stride) {
      packed[to] = at(row, term);
      if (term + 1 < end) packed[to + 1] = at(row, term + 1);
    }
  }
}

/**
 * [block][pair of terms][vector of the block][row][2]: in the order of use. Rows beyond the last, and the second
 * of a pair at the end of a run that is odd, weigh nothing.
 */
export function packWeights(rows: readonly Int32Array[], layout: WeightLayout, places: number): Int16Array {
  const pairs = allPairs(layout);
  const packed = new Int16Array(packedBytes(layout) / wideBytes);
  let first = 0;
  for (const { depth, count } of blocksOf(vectorsOf(layout.rows), depthOf(Math.min(places, placesAtOnce))))
    for (let i = 0; i < count; i++, first += depth * lanes) {
      const [start, stride] = [2 * first * pairs, 2 * depth * lanes];
      rows.slice(first, first + depth * lanes).forEach((row, r) => {
        packRow(packed, start + 2 * r, stride, row, layout.run);
      });
    }
  return packed;
}

/** `length` bytes from `from` on as 16-bit numbers; up to seven more are read and written. */
export function widen(b: Body, from: number, to: number, length: number, elem: 'i8' | 'u8'): Code {
  const read = load[`${elem}x8`];
  const step = 8;
  if (length <= 8 * step)
    return Array.from({ length: Math.ceil(length / step) }, (_, i) =>
      store.v128(0, int(to + wideBytes * step * i), read(0, int(from + step * i))),
    ).flat();
  const i = fresh(b, 'i32');
  return [
    ...i.set(int(0)),
    ...repeat(
      [...store.v128(to, times(i.get, int(wideBytes)), read(from, i.get)), ...i.set(plus(i.get, int(step)))],
      i32.lt(i.get, int(length)),
    ),
  ];
}

/** The registers of a block: a pointer per place, sums by vector and place, weights of each vector. */
interface Registers {
  readonly pointers: readonly Local[];
  /** Bytes behind a pointer. */
  readonly places: readonly { readonly pointer: Local; readonly offset: number }[];
  readonly weights: Local;
  readonly sums: readonly (readonly Local[])[];
  readonly held: readonly Local[];
  readonly input: Local;
}

/** The pair of terms that the pointers stand on. */
function pair(r: Registers): Code {
  const weight = (v: number) => load.v128(v * vectorBytes, r.weights.get);
  const shared = r.places.length > 1;
  return [
    ...(shared ? r.held.flatMap((held, v) => held.set(weight(v))) : []),
    ...r.places.flatMap(({ pointer, offset }, j) => [
      ...r.input.set(load.splat32(offset, pointer.get)),
      ...r.sums.flatMap((ofVector, v) => {
        const sum = must(ofVector[j], 'a sum per place');
        const by = shared ? must(r.held[v], 'weights per vector').get : weight(v);
        return sum.set(i32x4.add(sum.get, i32x4.dot(r.input.get, by)));
      }),
    ]),
  ];
}

/** Stretches of terms inside of stretches: `count` times `step` bytes of input apart. */
interface Level {
  readonly count: number;
  readonly step: number;
}

const advance = (l: Local, bytes: number): Code => (bytes === 0 ? [] : l.set(plus(l.get, int(bytes))));

function looped(b: Body, rounds: number, body: Code): Code {
  if (rounds === 1) return body;
  const left = fresh(b, 'i32');
  return [...left.set(int(rounds)), ...repeat([...body, ...advance(left, -1)], left.get)];
}

/**
 * `each` at every place of the levels, in order; pointers end where they began. One place per round: written out
 * 4 at a time LeNet-5 takes 1.3 times as long in V8, 16 at a time 2.1 times, for want of registers.
 */
function walk(b: Body, pointers: readonly Local[], [level, ...inner]: readonly Level[], each: Code): Code {
  if (level === undefined) return each;
  const move = (bytes: number): Code => pointers.flatMap((p) => advance(p, bytes));
  return [
    ...looped(b, level.count, [...walk(b, pointers, inner, each), ...move(level.step)]),
    ...move(-level.count * level.step),
  ];
}

/** @param inRun how the terms of a run are taken */
const levelsOf = (
  { segments, segmentStride, pieces, pieceStride }: WeightLayout,
  inRun: Level,
): readonly Level[] =>
  [
    { count: segments, step: wideBytes * segmentStride },
    { count: pieces, step: wideBytes * pieceStride },
    inRun,
  ].filter(({ count }) => count > 1);

const inPairs = ({ run }: WeightLayout): Level => ({ count: pairsOf(run), step: 2 * wideBytes });

/** One block: `depth` vectors of rows at the places of the pointers; `out` moves on to the next block's sums. */
function block(b: Body, layout: WeightLayout, shared: Registers, depth: number, out: Local): Code {
  const sums = shared.sums.slice(0, depth);
  const r = { ...shared, sums, held: shared.held.slice(0, depth) };
  const stride = vectorsOf(layout.rows) * vectorBytes;
  return [
    ...sums.flat().flatMap((sum) => sum.set(zeroLanes)),
    ...walk(b, r.pointers, levelsOf(layout, inPairs(layout)), [
      ...pair(r),
      ...advance(r.weights, depth * vectorBytes),
    ]),
    ...sums.flatMap((ofVector, v) =>
      ofVector.flatMap((sum, j) => store.v128(v * vectorBytes + j * stride, out.get, sum.get)),
    ),
    ...advance(out, depth * vectorBytes),
  ];
}

/** All rows at up to `placesAtOnce` places. */
function sumRowsAtOnce(
  b: Body,
  layout: WeightLayout,
  workspace: Workspace,
  { moving, firsts }: Places,
  depth: number,
): Code {
  const v128 = () => fresh(b, 'v128');
  const out = fresh(b, 'i32');
  // Offsets of instructions are never negative.
  const least = moving.map((_, i) =>
    Math.min(0, ...firsts.filter(({ from }) => from === i).map(({ fixed }) => fixed)),
  );
  const pointers = moving.map(() => fresh(b, 'i32'));
  const r: Registers = {
    pointers,
    places: firsts.map(({ from, fixed }) => ({
      pointer: at(pointers, from),
      offset: wideBytes * (fixed - at(least, from)),
    })),
    weights: fresh(b, 'i32'),
    sums: many(depth, () => firsts.map(v128)),
    held: firsts.length > 1 ? many(depth, v128) : [],
    input: v128(),
  };
  return [
    ...pointers.flatMap((p, i) =>
      p.set(plus(times(at(moving, i), int(wideBytes)), int(workspace.wide + wideBytes * at(least, i)))),
    ),
    ...r.weights.set(int(workspace.weights)),
    ...out.set(int(workspace.sums)),
    ...blocksOf(vectorsOf(layout.rows), depth).flatMap((part) =>
      looped(b, part.count, block(b, layout, r, part.depth, out)),
    ),
  ];
}

/** Code that makes the sums of all rows at all places from the widened array. */
export function sumRows(b: Body, layout: WeightLayout, workspace: Workspace, places: Places): Code {
  const { moving, firsts } = places;
  const depth = depthOf(Math.min(firsts.length, placesAtOnce));
  const perChunk = sumsBytes(placesAtOnce, layout.rows);
  return chunks(firsts, placesAtOnce).flatMap((some, i) => {
    const sums = workspace.sums + i * perChunk;
    return sumRowsAtOnce(b, layout, { ...workspace, sums }, { moving, firsts: some }, depth);
  });
}

/** Code that leaves the sum of a row, given as code, at a place. */
export const rowSum = (layout: WeightLayout, workspace: Workspace, place: number, row: Code): Code =>
  load.i32(workspace.sums + sumsBytes(place, layout.rows), times(row, int(4)));

/** The sums of four neighbouring rows. */
export const rowSums = (layout: WeightLayout, workspace: Workspace, place: number, row: Code): Code =>
  load.v128(workspace.sums + sumsBytes(place, layout.rows), times(row, int(4)));

const termsOf = ({ segments, pieces, run }: WeightLayout): number => segments * pieces * run;

/** Bytes of the weights of rows whose inputs are neighbours; up to twelve more are read. */
export const neighbourBytes = (layout: WeightLayout): number =>
  termsOf(layout) * vectorsOf(layout.rows) * vectorBytes;

/** i32[four rows][term][row]: a term of four rows meets four neighbouring inputs. */
export function packNeighbours(rows: readonly Int32Array[], layout: WeightLayout): Int32Array {
  const packed = new Int32Array(neighbourBytes(layout) / 4);
  rows.forEach((row, r) => {
    const first = Math.floor(r / lanes) * lanes * row.length + (r % lanes);
    row.forEach((weight, term) => {
      packed[first + lanes * term] = weight;
    });
  });
  return packed;
}

/** Bytes from a row's first weight to its next. */
const neighbourStride = lanes * 4;

/** Code of where a row's first weight lies: behind those of the rows of full vectors, beside those of its own. */
const neighbourAddress = ({ weights }: Workspace, layout: WeightLayout, row: Code): Code =>
  plus(
    plus(
      times(i32.and(row, int(-lanes)), int(4 * termsOf(layout))),
      times(i32.and(row, int(lanes - 1)), int(4)),
    ),
    int(weights),
  );

/**
 * Adds to each vector the sums of four rows, from `row` on, whose inputs are neighbours; `first` is code of the
 * index of the first row's first input. From a row on that does not begin a vector only the first lane is a sum.
 * A dot product of pairs (x, 0) and (w, its sign) is x w.
 */
export function sumNeighbours(
  b: Body,
  layout: WeightLayout,
  workspace: Workspace,
  row: Code,
  places: readonly { readonly first: Code; readonly sum: Local }[],
): Code {
  const pointers = places.map(() => fresh(b, 'i32'));
  const [weights, held] = [fresh(b, 'i32'), fresh(b, 'v128')];
  const term = places.flatMap(({ sum }, j) => {
    const input = load.u16x4(0, must(pointers[j], 'a pointer per place').get);
    return sum.set(i32x4.add(sum.get, i32x4.dot(input, held.get)));
  });
  const levels = levelsOf(layout, { count: layout.run, step: wideBytes });
  return [
    ...weights.set(neighbourAddress(workspace, layout, row)),
    ...pointers.flatMap((p, j) =>
      p.set(plus(times(at(places, j).first, int(wideBytes)), int(workspace.wide))),
    ),
    ...walk(b, pointers, levels, [
      ...held.set(load.v128(0, weights.get)),
      ...term,
      ...advance(weights, neighbourStride),
    ]),
  ];
}

export interface VectorPlan {
  /** In bytes. The weights stay, the others are only used during the step. */
  readonly weightBytes: number;
  readonly wideBytes: number;
  readonly sumsBytes: number;
  /** In the machine's byte order. */
  readonly weights: () => Int16Array | Int32Array;
  readonly replaced: (workspace: Workspace) => Replaced;
}
