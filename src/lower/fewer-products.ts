/**
 * Rows of weights at places in pairs, one of which lies one tap behind the other, as neighbouring outputs of a
 * convolution do: fewer products make the sums of both (`schemes.ts`). Inputs are mixed once for all rows.
 */
import { at } from '../base/errors.ts';
import { add, advance, loadVector, loop, mul, pointer, storeVector, times } from '../ir/kernel/builders.ts';
import type { Expr, Kernel, Param, Stmt } from '../ir/kernel/kernel.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import { decodeRows } from '../program/rows.ts';
import { split } from '../sim/wasm/body.ts';
import { type NewName, newNames } from './fresh-names.ts';
import type { MadeSums } from './made-sums.ts';
import { lanes, packed, pairTable, placesAtOnce, summedRows, vectorsOf, wideLanes } from './row-blocks.ts';
import { held, type Scheme, schemes } from './schemes.ts';
import type { FoundSums, SumGroup } from './sum-groups.ts';

/** Pairs of places, and how their inputs lie. */
interface Pairs {
  readonly scheme: Scheme;
  /** Index of the first input of the first place. */
  readonly first: Expr;
  /** Elements of a tap. */
  readonly depth: number;
  /** Of each pair: its column, and segments that it lies below the first one. */
  readonly tiles: readonly { readonly column: number; readonly below: number }[];
  /** Elements that columns lie behind the first. */
  readonly columns: readonly number[];
  /** Of each pair the indices of both places. */
  readonly places: readonly (readonly number[])[];
}

function pairsOf({ places }: SumGroup, layout: WeightLayout): Pairs | undefined {
  const parts = places.map((place, index) => ({ ...split(place), index }));
  const sorted = parts.toSorted((a, b) => a.fixed - b.fixed);
  const [one, two] = sorted;
  if (one === undefined || two === undefined || sorted.length % 2 > 0 || layout.pieces > 1) return undefined;
  if (parts.some(({ moving }) => JSON.stringify(moving) !== JSON.stringify(one.moving))) return undefined;
  const depth = two.fixed - one.fixed;
  const scheme = schemes.find(({ taps }) => taps * depth === layout.run);
  const pairs = times(sorted.length / 2, (t) => [at(sorted, 2 * t), at(sorted, 2 * t + 1)] as const);
  if (scheme === undefined || pairs.some(([a, b]) => b.fixed - a.fixed !== depth)) return undefined;
  const offsets = pairs.map(([a]) => a.fixed - one.fixed);
  const isColumn = layout.segments > 1 && offsets.every((offset) => offset % layout.segmentStride === 0);
  return {
    scheme,
    first: add(one.moving ?? 0, one.fixed),
    depth,
    tiles: offsets.map((offset, t) =>
      isColumn ? { column: 0, below: offset / layout.segmentStride } : { column: t, below: 0 },
    ),
    columns: isColumn ? [0] : offsets,
    places: pairs.map((pair) => pair.map(({ index }) => index)),
  };
}

/** Weights of each product, as rows of one run: taps are mixed, segments lie side by side. */
function mixed(
  rows: readonly Int32Array[],
  { segments }: WeightLayout,
  p: Pairs,
): readonly (readonly Int16Array[])[] {
  return p.scheme.weights.map((by) => rows.map((row) => mixedRow(row, by, segments, p)));
}

/** Plain loops: there are as many weights as the network has. */
function mixedRow(row: Int32Array, by: readonly number[], segments: number, p: Pairs): Int16Array {
  const { depth } = p;
  const made = new Int16Array(even(segments * depth));
  for (let segment = 0; segment < segments; segment++)
    for (let c = 0; c < depth; c++) {
      let sum = 0;
      for (let k = 0; k < by.length; k++) sum += at(by, k) * at(row, (segment * by.length + k) * depth + c);
      made[segment * depth + c] = sum;
    }
  return made;
}

const even = (count: number): number => 2 * Math.ceil(count / 2);

/** Whether no sum of products overflows, by the largest weight of each pair of terms of four rows. */
function fits(weights: readonly (readonly Int16Array[])[], { scheme }: Pairs): boolean {
  const ofProducts = weights.map((rows, m) => {
    const largest = times(vectorsOf(rows.length), (v) =>
      largestPairs(rows.slice(v * lanes, (v + 1) * lanes)),
    );
    return 256 * at(scheme.largest, m) * Math.max(...largest);
  });
  return scheme.sums.every(
    (by) => by.reduce((sum, x, m) => sum + Math.abs(x) * at(ofProducts, m), 0) < 2 ** 31,
  );
}

/** Over all pairs of terms, twice the largest weight of it. */
function largestPairs(rows: readonly Int16Array[]): number {
  let sum = 0;
  for (let term = 0; term < at(rows, 0).length; term += 2) {
    let largest = 0;
    for (const row of rows) largest = Math.max(largest, Math.abs(at(row, term)), Math.abs(at(row, term + 1)));
    sum += 2 * largest;
  }
  return sum;
}

/** Instructions of a product and what belongs to it, of 26 in a round of eight products. */
const perProduct = 3.25;

/** Whether fewer products save more instructions than mixing takes. */
function pays({ rows, segments, run }: WeightLayout, p: Pairs): boolean {
  const { scheme, tiles, columns } = p;
  const products = scheme.weights.length;
  const vectors = vectorsOf(rows);
  const direct = 2 * segments * Math.ceil(run / 2);
  const fewer = products * Math.ceil((segments * p.depth) / 2);
  const mixes = columns.length * heightOf(segments, p) * Math.ceil(p.depth / wideLanes);
  const mixing = mixes * (scheme.taps + 1 + scheme.mixing + products);
  const unmixing = vectors * tiles.length * (products + scheme.unmixing + 2);
  return vectors * tiles.length * (direct - fewer) * perProduct > 1.2 * (mixing + unmixing);
}

/** Segments of a column that are mixed. */
const heightOf = (segments: number, { tiles }: Pairs): number =>
  segments + Math.max(...tiles.map(({ below }) => below));

interface Work {
  readonly names: NewName;
  readonly layout: WeightLayout;
  readonly source: Param;
  readonly pairs: Pairs;
  /** Arrays. */
  readonly wide: string;
  readonly weights: string;
  readonly products: string;
  readonly sums: string;
}

export function fewerProducts(kernel: Kernel, { groups }: FoundSums): MadeSums | undefined {
  const [group, ...others] = groups;
  const layout = kernel.weights?.layout;
  const source = kernel.params.find(({ name }) => name === group?.from);
  if (group === undefined || others.length > 0 || layout === undefined || source === undefined)
    return undefined;
  if (source.elem !== 'u8' && source.elem !== 'i8') return undefined;
  const pairs = pairsOf(group, layout);
  if (pairs === undefined || pairs.tiles.length > placesAtOnce || !pays(layout, pairs)) return undefined;
  const weights = mixed(decodeRows(kernel), layout, pairs);
  if (!fits(weights, pairs)) return undefined;
  const names = newNames(kernel);
  const arrays = {
    wide: names('mixed'),
    weights: names('pairs'),
    products: names('products'),
    sums: names('sums'),
  };
  const work: Work = { names, layout, source, pairs, ...arrays };
  const perPlace = vectorsOf(layout.rows) * lanes;
  const tiles = pairs.tiles.length;
  const count = pairs.scheme.weights.length;
  const rowLayout = oneRun(work);
  return {
    doc: `Vectors of WebAssembly: two sums of ${pairs.scheme.taps} taps with ${count} products instead of ${2 * pairs.scheme.taps}.`,
    scratch: [
      { name: arrays.wide, role: 'scratch', elem: 'i16', length: count * strideOf(work) },
      { name: arrays.products, role: 'scratch', elem: 'i32', length: count * tiles * perPlace },
      { name: arrays.sums, role: 'scratch', elem: 'i32', length: 2 * tiles * perPlace },
    ],
    tables: [
      pairTable(
        arrays.weights,
        weights.map((rows) => packed(rows, rowLayout, tiles)),
      ),
    ],
    sums: arrays.sums,
    before: new Map([[group.ahead, [...mixing(work), ...multiplied(work), ...unmixing(work)]]]),
    added: new Map([
      [
        group.statement,
        group.members.map(({ sum, place }) => ({
          local: sum.local,
          index: add(place * perPlace, sum.row),
        })),
      ],
    ]),
  };
}

/** Elements of all inputs of one product: [column][segment][channel]. Stores and loads of pairs reach one further. */
const strideOf = ({ layout: { segments }, pairs }: Work): number =>
  even(pairs.columns.length * heightOf(segments, pairs) * pairs.depth + 1);

/** The terms of a product: its segments lie side by side. */
function oneRun({ layout, pairs }: Work): WeightLayout {
  const run = layout.segments * pairs.depth;
  return { rows: layout.rows, segments: 1, segmentStride: run, pieces: 1, pieceStride: run, run, lanes: 1 };
}

/** Inputs of all products, from those of the taps. */
function mixing(work: Work): readonly Stmt[] {
  const { names, layout, source, pairs, wide } = work;
  const { depth, columns, first } = pairs;
  const height = heightOf(layout.segments, pairs);
  const whole = Math.floor(depth / wideLanes) * wideLanes;
  return columns.flatMap((column, b) =>
    loop(names('line'), height, (line) => {
      const [from, to] = [names('px'), names('to')];
      const one = (c: Expr | number, count: number, stored: number): readonly Stmt[] =>
        mixedAt(work, { from, to, c, count, stored });
      return [
        pointer(from, source.name, source.elem, add(first, add(mul(line, layout.segmentStride), column))),
        pointer(to, wide, 'i16', add(mul(line, depth), b * height * depth)),
        ...loop(names('c'), whole, (c) => one(c, wideLanes, wideLanes), { step: wideLanes }),
        ...(depth > whole ? one(whole, depth - whole, even(depth - whole)) : []),
      ];
    }),
  );
}

interface Mix {
  readonly from: string;
  readonly to: string;
  /** The first channel, how many are read, and how many stored. */
  readonly c: Expr | number;
  readonly count: number;
  readonly stored: number;
}

function mixedAt(work: Work, { from, to, c, count, stored }: Mix): readonly Stmt[] {
  const { names, source, pairs } = work;
  const hold = { statements: [] as Stmt[], names };
  const inputs = times(pairs.scheme.taps + 1, (j) =>
    held(hold, loadVector('i16x8', from, source.elem, add(c, j * pairs.depth), count)),
  );
  const made = pairs.scheme.mix(hold, inputs);
  return [
    ...hold.statements,
    ...made.map((value, m) => storeVector('i16x8', to, 'i16', add(c, m * strideOf(work)), value, stored)),
  ];
}

/** Products of all pairs of places: [product][pair][row]. */
function multiplied(work: Work): readonly Stmt[] {
  const { names, layout, pairs, wide, weights, products } = work;
  const height = heightOf(layout.segments, pairs);
  const [w, out] = [names('w'), names('to')];
  const places = pairs.tiles.map(({ column, below }) => ({
    pointer: 0,
    offset: (column * height + below) * pairs.depth,
  }));
  return [
    pointer(w, weights, 'i16', 0, { mutable: true }),
    pointer(out, products, 'i32', 0, { mutable: true }),
    ...loop(names('product'), pairs.scheme.weights.length, (m) => {
      const px = names('px');
      return [
        pointer(px, wide, 'i16', mul(m, strideOf(work))),
        ...summedRows(oneRun(work), names, { pointers: [px], places, weights: w, out }, places.length),
        ...advance(out, (places.length - 1) * vectorsOf(layout.rows) * lanes),
      ];
    }),
  ];
}

/** The sums of both places of all pairs. */
function unmixing({ names, layout, pairs, products, sums }: Work): readonly Stmt[] {
  const perPlace = vectorsOf(layout.rows) * lanes;
  const tiles = pairs.tiles.length;
  return loop(
    names('row'),
    perPlace,
    (row) =>
      pairs.places.flatMap((pair, t) => {
        const hold = { statements: [] as Stmt[], names };
        const made = pairs.scheme.weights.map((_, m) =>
          held(hold, loadVector('i32x4', products, 'i32', add(row, (m * tiles + t) * perPlace))),
        );
        const both = pairs.scheme.unmix(hold, made);
        return [
          ...hold.statements,
          ...both.map((value, j) =>
            storeVector('i32x4', sums, 'i32', add(row, at(pair, j) * perPlace), value),
          ),
        ];
      }),
    { step: lanes },
  );
}
