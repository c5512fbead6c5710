/** Sums of rows of weights, four rows in a vector: pairs of weights times a pair of inputs in all four lanes. */
import { at } from '../base/errors.ts';
import {
  advance,
  assign,
  call,
  constant,
  loadVector,
  local,
  loop,
  pointer,
  storeVector,
  times,
  variable,
} from '../ir/kernel/builders.ts';
import type { Stmt, Table } from '../ir/kernel/kernel.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import type { NewName } from './fresh-names.ts';
import { type Level, levelsOf, loopsOver, startsOf } from './terms.ts';

/** Rows of a vector, and terms of a pair. */
export const lanes = 4;
const pair = 2;
export const wideLanes = 8;

export const vectorsOf = (rows: number): number => Math.ceil(rows / lanes);

/**
 * Vectors of rows that are summed at the same time at so many places. V8 makes all loads of a round before the first
 * product, so inputs, weights and sums must fit 15 registers together.
 */
const depthOf = (places: number): number => at([0, 6, 4, 2, 2], places);

/** Places that are summed at the same time. */
export const placesAtOnce = 4;

/** Instructions of a product of vectors and of what belongs to it: loads, and five for a round of the loop. */
export function perProduct(places: number): number {
  const across = Math.min(places, placesAtOnce);
  const products = across * depthOf(across);
  return (2 * products + across + depthOf(across) + 5) / products;
}

/** Blocks of vectors: as many of `depth` as there are, then what is left. */
function blocksOf(
  vectors: number,
  depth: number,
): readonly { readonly depth: number; readonly from: number; readonly count: number }[] {
  const count = Math.floor(vectors / depth);
  const rest = vectors % depth;
  return [
    ...(count > 0 ? [{ depth, from: 0, count }] : []),
    ...(rest > 0 ? [{ depth: rest, from: count * depth, count: 1 }] : []),
  ];
}

/** Loops over pairs of terms, the longest innermost; the last pair of a run that is odd has one term. */
export const pairLevels = (layout: WeightLayout): readonly Level[] =>
  [
    ...levelsOf({ ...layout, run: 1 }).map((level) => ({ ...level, terms: level.terms * layout.run })),
    { count: Math.ceil(layout.run / pair), step: pair, terms: pair },
  ]
    .filter(({ count }) => count > 1)
    .toSorted((a, b) => a.count - b.count);

/** [block][pair of terms][vector of the block][row][2], in the order of use; what a row lacks weighs nothing. */
export function packed(rows: readonly ArrayLike<number>[], layout: WeightLayout, places: number): Int16Array {
  const starts = startsOf(pairLevels(layout));
  const blocks = blocksOf(vectorsOf(layout.rows), depthOf(Math.min(places, placesAtOnce)));
  const data = new Int16Array(starts.length * vectorsOf(layout.rows) * wideLanes);
  for (const { depth, from, count } of blocks)
    for (let block = from; block < from + count * depth; block += depth)
      rows.slice(block * lanes, (block + depth) * lanes).forEach((row, r) => {
        const first = block * starts.length * wideLanes + r * pair;
        packRow(data, first, depth * wideLanes, row, starts, layout.run);
      });
  return data;
}

/** One row's pairs, `stride` apart from `to` on. */
function packRow(
  data: Int16Array,
  to: number,
  stride: number,
  row: ArrayLike<number>,
  starts: readonly number[],
  run: number,
): void {
  let place = to;
  for (const start of starts) {
    data[place] = at(row, start);
    if ((start % run) + 1 < run) data[place + 1] = at(row, start + 1);
    place += stride;
  }
}

/** One part after the other. */
export function pairTable(name: string, parts: readonly Int16Array[]): Table {
  const data = new Int16Array(parts.reduce((sum, { length }) => sum + length, 0));
  let to = 0;
  for (const part of parts) {
    data.set(part, to);
    to += part.length;
  }
  return { name, elem: 'i16', data, rowLength: wideLanes, says: 'pairs of weights of four rows' };
}

/** Where inputs of places are, elements behind pointers; pointers to weights and to where sums go. */
export interface Inputs {
  readonly pointers: readonly string[];
  readonly places: readonly { readonly pointer: number; readonly offset: number }[];
  readonly weights: string;
  readonly out: string;
}

/** The sums of all rows at up to four places; pointers to weights and sums move on to what is behind those of the first place. */
export function summedRows(
  layout: WeightLayout,
  names: NewName,
  inputs: Inputs,
  alike: number,
): readonly Stmt[] {
  const depth = depthOf(Math.min(alike, placesAtOnce));
  return blocksOf(vectorsOf(layout.rows), depth).flatMap((part) =>
    loop(names('block'), part.count, () => block(layout, names, inputs, part.depth)),
  );
}

/** `depth` vectors of rows at all places; pointers to weights and sums move on to the next block's. */
function block(layout: WeightLayout, names: NewName, inputs: Inputs, depth: number): readonly Stmt[] {
  const { pointers, places, weights, out } = inputs;
  const sums = times(depth, () => places.map(() => names('sum')));
  const perPlace = vectorsOf(layout.rows) * lanes;
  const levels = pairLevels(layout);
  const inner = levels.at(-1);
  const round = (moving: readonly string[]): readonly Stmt[] => [
    ...pairOf(names, sums, { ...inputs, pointers: moving }),
    ...advance(weights, depth * wideLanes),
  ];
  const rounds = loopsOver(levels.slice(0, -1), pointers, 'i16', names, (starts) => {
    if (inner === undefined) return round(starts);
    const moving = starts.map(() => names('px'));
    return [
      ...moving.map((name, i) => pointer(name, at(starts, i), 'i16', 0, { mutable: true })),
      ...loop(names('n'), inner.count, () => [
        ...round(moving),
        ...moving.flatMap((name) => advance(name, inner.step)),
      ]),
    ];
  });
  return [
    ...sums.flat().map((name) => variable(name, call('splat_i32x4', 'i32x4', 0))),
    ...rounds,
    ...sums.flatMap((ofVector, v) =>
      ofVector.map((name, j) =>
        storeVector('i32x4', out, 'i32', v * lanes + j * perPlace, local(name, 'i32x4')),
      ),
    ),
    ...advance(out, depth * lanes),
  ];
}

/** The pair of terms that the pointers stand on. */
function pairOf(
  names: NewName,
  sums: readonly (readonly string[])[],
  { pointers, places, weights }: Inputs,
): readonly Stmt[] {
  const held = sums.map(() => names('weight'));
  return [
    ...held.map((name, v) => constant(name, loadVector('i16x8', weights, 'i16', v * wideLanes))),
    ...places.flatMap((place, j) => {
      const input = names('x');
      const two = loadVector('i16x8', at(pointers, place.pointer), 'i16', place.offset, pair);
      return [
        constant(input, call('first_pair_i16x8', 'i16x8', two)),
        ...sums.map((ofVector, v) => {
          const products = call('dot_i16x8', 'i32x4', local(input, 'i16x8'), local(at(held, v), 'i16x8'));
          return assign(
            at(ofVector, j),
            call('add_i32x4', 'i32x4', local(at(ofVector, j), 'i32x4'), products),
          );
        }),
      ];
    }),
  ];
}
