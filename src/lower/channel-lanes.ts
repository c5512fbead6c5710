/** Depthwise convolutions: four channels at a time, an input and a weight to each lane. */
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
  times,
} from '../ir/kernel/builders.ts';
import type { Expr, RowSum, Stmt, Table } from '../ir/kernel/kernel.ts';
import { termsOf } from '../ir/kernel/weight-format.ts';
import { laneCount } from './lanes.ts';
import { channelsOf, fourRows, type Work } from './row-lanes.ts';

/** Weights that are kept in registers at a time. */
const mostPieces = 3;

/** Whether each row has the inputs of its own channel. */
export const isDepthwise = ({ stored: { layout }, row, skip }: RowSum): boolean =>
  layout.run === 1 && row.kind === 'local' && skip.kind === 'local' && skip.name === row.name;

/** By four channels, then by term: the weights of the channels side by side. */
function weightTable({ kernel, rows }: Work): Table {
  const terms = at(rows, 0).length;
  const data = new Int8Array(Math.ceil(rows.length / laneCount) * laneCount * terms);
  rows.forEach((row, c) => {
    const first = Math.floor(c / laneCount) * laneCount * terms + (c % laneCount);
    row.forEach((weight, t) => {
      data[first + t * laneCount] = weight;
    });
  });
  const says = `Weights of ${laneCount} channels in turns.`;
  return { name: `${kernel.name}_turns`, elem: 'i8', data, rowLength: laneCount * terms, says };
}

/** The statements in place of all that comes after the start of the rows. */
export function depthwise(work: Work, body: readonly Stmt[]): readonly Stmt[] | undefined {
  const found = channelsOf(work, body);
  if (found === undefined) return undefined;
  const table = weightTable(work);
  const made = fourRows(work, found, ({ before, after }, count) => [
    ...before,
    ...products(work, found.sum, table, local(found.loop.name), count),
    ...after,
  ]);
  if (made !== undefined) work.tables.push(table);
  return made;
}

/** Adds to every accumulator its inputs times the weights, row by row of the window. */
function products({ names }: Work, sum: RowSum, table: Table, channel: Expr, count: number): readonly Stmt[] {
  const { layout } = sum.stored;
  const weights = names('wt');
  const parts = times(Math.ceil(layout.pieces / mostPieces), (i) => i * mostPieces);
  const { from, to } = sum.segments ?? { from: 0, to: layout.segments };
  const start = add(mul(channel, termsOf(layout)), mul(from, layout.pieces * laneCount));
  return [
    pointer(weights, table.name, 'i8', start, { mutable: true }),
    ...loop(
      names('segment'),
      to,
      (segment) =>
        parts.flatMap((first) => {
          const pieces = times(Math.min(mostPieces, layout.pieces - first), (i) => first + i);
          return part(names, sum, weights, channel, add(mul(segment, layout.segmentStride)), pieces, count);
        }),
      { from },
    ),
  ];
}

/** A few neighbouring taps: each weight is loaded once, and each input once for all outputs that it belongs to. */
function part(
  names: Work['names'],
  { from, first, sums, stored: { layout } }: RowSum,
  weights: string,
  channel: Expr,
  segment: Expr,
  pieces: readonly number[],
  count: number,
): readonly Stmt[] {
  const loaded = pieces.map(() => names('w'));
  const uses = sums.flatMap(({ local: name, offset, pieces: taken = { from: 0, to: layout.pieces } }) =>
    pieces.flatMap((piece, i) => {
      const use = { name, weight: at(loaded, i), place: offset + piece * layout.pieceStride };
      return piece >= taken.from && piece < taken.to ? [use] : [];
    }),
  );
  if (uses.length === 0) return advance(weights, pieces.length * laneCount);
  const places = [...new Set(uses.map(({ place }) => place))].sort((a, b) => a - b);
  const px = names('px');
  const start = at(places, 0);
  return [
    ...loaded.flatMap((w) => [
      constant(w, loadVector('i32x4', weights, 'i8', 0)),
      ...advance(weights, laneCount),
    ]),
    pointer(px, from, 'u8', add(first, segment, channel, start), { mutable: places.length > 1 }),
    ...places.flatMap((place, i) => {
      const x = names('x');
      const next = places[i + 1];
      return [
        constant(x, loadVector('i32x4', px, 'u8', 0, count)),
        ...(next === undefined ? [] : advance(px, next - place)),
        ...uses
          .filter((use) => use.place === place)
          .map(({ name, weight }) => {
            const parts = [name, x, weight].map((each) => local(each, 'i32x4'));
            return assign(name, call('multiply_add_i32x4', 'i32x4', ...parts));
          }),
      ];
    }),
  ];
}
