/** Sums at places that lie a step apart, with fewer products (`schemes.ts`): inputs are mixed, multiplied, and unmixed. */
import { at } from '../base/errors.ts';
import { add, advance, loadVector, loop, mul, pointer, storeVector, times } from '../ir/kernel/builders.ts';
import type { Elem, Expr, Param, Stmt } from '../ir/kernel/kernel.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import type { NewName } from './fresh-names.ts';
import { lanes, placesAtOnce, summedRows, vectorsOf, wideLanes } from './row-blocks.ts';
import { held, type Scheme } from './schemes.ts';
import type { Grid } from './windows.ts';

/** Tiles of places whose sums are made together, and how their inputs lie. */
export interface Tiles {
  readonly scheme: Scheme;
  /** Index of the first input of the first tile, at a pass of the line; all else is the same for every pass. */
  readonly first: (pass: Expr | number) => Expr;
  readonly passes: number;
  /** Elements of a tap. */
  readonly depth: number;
  /** Of each tile: its column, and segments that it lies below the first one. */
  readonly tiles: readonly { readonly column: number; readonly below: number }[];
  /** Elements that columns lie behind the first. */
  readonly columns: readonly number[];
  /** Of each tile the indices of its places. */
  readonly places: readonly (readonly number[])[];
}

export interface Work {
  readonly names: NewName;
  readonly layout: WeightLayout;
  readonly source: string;
  readonly elem: Elem;
  /** Whether whole vectors may be read behind any input. */
  readonly isLong: boolean;
  readonly tiles: Tiles;
  /** Absent: inputs are mixed where they are multiplied, pass by pass. */
  readonly grid?: Grid;
  /** Arrays. */
  readonly mixed: string;
  readonly weights: string;
  readonly products: string;
  readonly sums: string;
}

export const even = (count: number): number => 2 * Math.ceil(count / 2);

/** Segments of a column that are mixed. */
export const heightOf = (segments: number, { tiles }: Tiles): number =>
  segments + Math.max(...tiles.map(({ below }) => below));

/** The terms of a product: its segments lie side by side. */
export function oneRun({ rows, segments }: WeightLayout, { depth }: Tiles): WeightLayout {
  const run = segments * depth;
  return { rows, segments: 1, segmentStride: run, pieces: 1, pieceStride: run, run, lanes: 1 };
}

const perRows = ({ rows }: WeightLayout): number => vectorsOf(rows) * lanes;
/** Rows of a pass that are mixed. */
const mixedRows = ({ layout, tiles, grid }: Work): number =>
  grid === undefined ? heightOf(layout.segments, tiles) : grid.height;
/** Elements of a pass among the inputs of one product: [column][row][channel]. */
const perPass = (work: Work): number => work.tiles.columns.length * mixedRows(work) * work.tiles.depth;
/** Of all passes. Stores and loads of pairs reach one further. */
const perProduct = (work: Work): number => even((work.grid ?? work.tiles).passes * perPass(work) + 1);
const tileCount = ({ passes, tiles }: Tiles): number => passes * tiles.length;
/** Sums of a pass. */
export const sumsOf = (layout: WeightLayout, { places }: Tiles): number =>
  places.flat().length * perRows(layout);

/** Mixed inputs beyond that do not stay in the caches. */
const mostMixed = 2 ** 16;

/** Whether all inputs can be mixed when the kernel begins, each once: every tile has its column, from its window's start on. */
export const isMixedOnce = ({ scheme, columns, depth }: Tiles, origin: number, grid: Grid): boolean =>
  columns.length === 1 &&
  origin === 0 &&
  scheme.weights.length * grid.passes * grid.height * depth <= mostMixed;

export function scratchOf(work: Work): readonly Param[] {
  const { layout, tiles } = work;
  const count = tiles.scheme.weights.length;
  return [
    { name: work.mixed, role: 'scratch', elem: 'i16', length: count * perProduct(work) },
    {
      name: work.products,
      role: 'scratch',
      elem: 'i32',
      length: count * tileCount(tiles) * perRows(layout),
    },
    { name: work.sums, role: 'scratch', elem: 'i32', length: tiles.passes * sumsOf(layout, tiles) },
  ];
}

/** All sums, of mixed inputs: [pass][place][row]. */
export const mixedSums = (work: Work): readonly Stmt[] => [...multiplied(work), ...unmixing(work)];

/** Inputs of all products, from those of the taps. */
export function mixing(work: Work): readonly Stmt[] {
  const { names, layout, source, elem, tiles, mixed, grid } = work;
  const { depth, columns } = tiles;
  const first = grid?.column ?? tiles.first;
  const { passes } = grid ?? tiles;
  const height = mixedRows(work);
  const whole = Math.floor(depth / wideLanes) * wideLanes;
  const ofColumn = (pass: Expr, column: number, b: number): readonly Stmt[] =>
    loop(names('line'), height, (line) => {
      const [from, to] = [names('px'), names('to')];
      const one = (c: Expr | number, count: number): readonly Stmt[] =>
        mixedAt(work, { from, to, c, count: work.isLong ? wideLanes : count, stored: even(count) });
      return [
        pointer(from, source, elem, add(first(pass), mul(line, layout.segmentStride), column)),
        pointer(to, mixed, 'i16', add(mul(pass, perPass(work)), mul(line, depth), b * height * depth)),
        ...loop(names('c'), whole, (c) => one(c, wideLanes), { step: wideLanes }),
        ...(depth > whole ? one(whole, depth - whole) : []),
      ];
    });
  return loop(names('pass'), passes, (pass) => columns.flatMap((column, b) => ofColumn(pass, column, b)));
}

interface Mix {
  readonly from: string;
  readonly to: string;
  /** The first channel, how many are read, and how many stored: what is too many is written over by the next line. */
  readonly c: Expr | number;
  readonly count: number;
  readonly stored: number;
}

function mixedAt(work: Work, { from, to, c, count, stored }: Mix): readonly Stmt[] {
  const { names, elem, tiles } = work;
  const hold = { statements: [] as Stmt[], names };
  const inputs = times(tiles.scheme.inputs, (j) =>
    held(hold, loadVector('i16x8', from, elem, add(c, j * tiles.depth), count)),
  );
  const made = tiles.scheme.mix(hold, inputs);
  return [
    ...hold.statements,
    ...made.map((value, m) => storeVector('i16x8', to, 'i16', add(c, m * perProduct(work)), value, stored)),
  ];
}

/** Products of all tiles: [product][pass][tile][row]. */
function multiplied(work: Work): readonly Stmt[] {
  const { names, layout, tiles, grid, mixed, weights, products } = work;
  const run = oneRun(layout, tiles);
  const height = mixedRows(work);
  const start =
    grid === undefined
      ? 0
      : add(mul(grid.row, tiles.depth), tiles.passes > 1 ? 0 : mul(grid.pass, perPass(work)));
  const perWeights = vectorsOf(layout.rows) * wideLanes * Math.ceil(run.run / 2);
  const all = tileCount(tiles);
  const offsets =
    tiles.passes > 1
      ? times(all, (pass) => pass * perPass(work))
      : tiles.tiles.map(({ column, below }) => (column * height + below) * tiles.depth);
  const chunk = (m: Expr, from: Expr | number, count: number): readonly Stmt[] => {
    const [px, w, out] = [names('px'), names('w'), names('to')];
    const places = offsets.slice(0, count).map((offset) => ({ pointer: 0, offset }));
    return [
      pointer(px, mixed, 'i16', add(mul(m, perProduct(work)), mul(perPass(work), from), start)),
      pointer(w, weights, 'i16', mul(m, perWeights), { mutable: true }),
      pointer(out, products, 'i32', mul(add(mul(m, all), from), perRows(layout)), { mutable: true }),
      ...summedRows(run, names, { pointers: [px], places, weights: w, out }, all),
    ];
  };
  const whole = all - (all % placesAtOnce);
  return loop(names('product'), tiles.scheme.weights.length, (m) => [
    ...loop(names('tile'), whole, (from) => chunk(m, from, placesAtOnce), { step: placesAtOnce }),
    ...(all > whole ? chunk(m, whole, all - whole) : []),
  ]);
}

/** The sums of all places of all tiles. */
function unmixing({ names, layout, tiles, products, sums }: Work): readonly Stmt[] {
  const rows = perRows(layout);
  const perTile = tiles.scheme.outputs;
  return loop(names('pass'), tiles.passes, (pass) => {
    const [from, to] = [names('px'), names('to')];
    const one = (places: readonly number[], t: number): readonly Stmt[] => {
      const hold = { statements: [] as Stmt[], names };
      const made = tiles.scheme.weights.map((_, m) =>
        held(hold, loadVector('i32x4', from, 'i32', (m * tileCount(tiles) + t) * rows)),
      );
      const values = tiles.scheme.unmix(hold, made);
      return [
        ...hold.statements,
        ...times(perTile, (j) => storeVector('i32x4', to, 'i32', at(places, j) * rows, at(values, j))),
      ];
    };
    return [
      pointer(from, products, 'i32', mul(pass, tiles.tiles.length * rows), { mutable: true }),
      pointer(to, sums, 'i32', mul(pass, sumsOf(layout, tiles)), { mutable: true }),
      ...loop(names('row'), vectorsOf(layout.rows), () => [
        ...tiles.places.flatMap(one),
        ...advance(from, lanes),
        ...advance(to, lanes),
      ]),
    ];
  });
}
