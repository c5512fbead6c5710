/**
 * Rows of weights at places of which some lie a step apart, as neighbouring outputs of a convolution do: fewer products
 * make the sums of all of these (`schemes.ts`). Inputs are mixed once for all rows.
 */
import { at, holds } from '../base/errors.ts';
import { add, local, mul, times } from '../ir/kernel/builders.ts';
import type { Expr, Kernel } from '../ir/kernel/kernel.ts';
import { type Loop, namesIn, statementsIn } from '../ir/kernel/walk.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import { decodeRows } from '../program/rows.ts';
import { split } from '../sim/wasm/body.ts';
import { copiedExpr } from './copies.ts';
import type { NewName } from './fresh-names.ts';
import { inFront, type MadeSums } from './made-sums.ts';
import {
  even,
  heightOf,
  isMixedOnce,
  mixedSums,
  mixing,
  oneRun,
  scratchOf,
  sumsOf,
  type Tiles,
} from './mixed-sums.ts';
import { lanes, packed, pairTable, perProduct, placesAtOnce, vectorsOf, wideLanes } from './row-blocks.ts';
import { type Scheme, schemes } from './schemes.ts';
import type { FoundSums, SumGroup } from './sum-groups.ts';
import type { Windows } from './windows.ts';

/** Places that all lie fixed distances apart. */
interface Apart {
  readonly moving: Expr | undefined;
  /** By distance. */
  readonly sorted: readonly { readonly fixed: number; readonly index: number }[];
}

function apartOf(places: readonly Expr[]): Apart | undefined {
  const parts = places.map((place, index) => ({ ...split(place), index }));
  const { moving } = at(parts, 0);
  if (parts.some((one) => JSON.stringify(one.moving) !== JSON.stringify(moving))) return undefined;
  return { moving, sorted: parts.toSorted((a, b) => a.fixed - b.fixed) };
}

/** The places as tiles of a scheme; undefined where they are none. */
function tilesOf(
  { moving, sorted }: Apart,
  layout: WeightLayout,
  scheme: Scheme,
  line: Loop | undefined,
): Tiles | undefined {
  const depth = layout.run / scheme.taps;
  const count = sorted.length / scheme.outputs;
  if (!Number.isInteger(depth) || !Number.isInteger(count) || layout.pieces > 1) return undefined;
  const groups = times(count, (t) => sorted.slice(t * scheme.outputs, (t + 1) * scheme.outputs));
  const isTile = (group: Apart['sorted']): boolean =>
    group.every(({ fixed }, j) => fixed === at(group, 0).fixed + j * scheme.stride * depth);
  if (!groups.every(isTile) || count > placesAtOnce) return undefined;
  const origin = at(sorted, 0).fixed;
  const offsets = groups.map((group) => at(group, 0).fixed - origin);
  const isColumn = layout.segments > 1 && offsets.every((offset) => offset % layout.segmentStride === 0);
  const own = count === 1 ? line : undefined;
  const start = add(moving ?? 0, origin);
  return {
    scheme,
    depth,
    first: (pass) => (own === undefined ? start : atPass(start, own, pass)),
    passes: own === undefined ? 1 : passesOf(own),
    tiles: offsets.map((offset, t) =>
      isColumn ? { column: 0, below: offset / layout.segmentStride } : { column: t, below: 0 },
    ),
    columns: isColumn ? [0] : offsets,
    places: groups.map((group) => group.map(({ index }) => index)),
  };
}

const passesOf = ({ to }: Loop): number => (to.kind === 'int' ? to.value : 0);

const atPass = (e: Expr, { name }: Loop, pass: Expr | number): Expr =>
  copiedExpr(e, { name: (same) => same, values: new Map([[name, add(pass)]]) });

/**
 * The loop whose passes can all be summed in front of it: their places follow from its counter, and what is read is there
 * before.
 */
function lineOf({ around, ahead }: SumGroup, isThere: boolean, place: Expr): Loop | undefined {
  const line = around.at(-1);
  if (line === undefined || !isThere || !line.body.includes(ahead)) return undefined;
  const { from, to, step } = line;
  const isCounted = from.kind === 'int' && from.value === 0 && to.kind === 'int' && step === 1;
  const changed = new Set([...statementsIn(line.body)].flatMap((s) => ('name' in s ? [s.name] : [])));
  return isCounted && ![...namesIn(place)].some((name) => changed.has(name)) ? line : undefined;
}

/** Weights of each product, as rows of one run: taps are mixed, segments lie side by side. */
const mixedWeights = (rows: readonly Int32Array[], { segments }: WeightLayout, tiles: Tiles) =>
  tiles.scheme.weights.map((by) => rows.map((row) => mixedRow(row, by, segments, tiles)));

/** Plain loops, read unchecked: there are as many weights as the network has. */
function mixedRow(row: Int32Array, by: readonly number[], segments: number, { depth }: Tiles): Int16Array {
  const made = new Int16Array(even(segments * depth));
  holds(row, segments * by.length * depth);
  for (let segment = 0; segment < segments; segment++)
    for (let c = 0; c < depth; c++) {
      let sum = 0;
      for (let k = 0; k < by.length; k++)
        sum += (by[k] as number) * (row[(segment * by.length + k) * depth + c] as number);
      made[segment * depth + c] = sum;
    }
  return made;
}

/** Whether no sum of products overflows, by the largest weight of each pair of terms of four rows, nor the scaled sums. */
function fits(
  weights: readonly (readonly Int16Array[])[],
  rows: readonly Int32Array[],
  scheme: Scheme,
): boolean {
  const largest = weights.map((own) =>
    Math.max(...times(vectorsOf(own.length), (v) => largestPairs(own.slice(v * lanes, (v + 1) * lanes)))),
  );
  const sums = rows.map((row) => row.reduce((sum, w) => sum + Math.abs(w), 0));
  return (
    largest.every((most, m) => 256 * at(scheme.largest, m) * most < 2 ** 31) &&
    256 * scheme.scale * Math.max(...sums) < 2 ** 31
  );
}

/** The first tiles whose sums do not overflow, with their weights. */
function firstFitting(found: readonly Tiles[], kernel: Kernel, layout: WeightLayout) {
  if (found.length === 0) return undefined;
  const rows = decodeRows(kernel);
  for (const tiles of found) {
    const weights = mixedWeights(rows, layout, tiles);
    if (fits(weights, rows, tiles.scheme)) return { tiles, weights };
  }
  return undefined;
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

/** Instructions of all rows at one pass. */
function priceOf({ rows, segments }: WeightLayout, tiles: Tiles): number {
  const { scheme, passes, tiles: own, columns, depth } = tiles;
  const products = scheme.weights.length;
  const vectors = vectorsOf(rows) * own.length;
  const multiplying = vectors * products * Math.ceil((segments * depth) / 2);
  const mixes = columns.length * heightOf(segments, tiles) * Math.ceil(depth / wideLanes);
  const mixing = mixes * (scheme.inputs + scheme.mixing + products);
  const unmixing = vectors * (products + scheme.unmixing + scheme.outputs);
  return multiplying * perProduct(passes * own.length) + 1.2 * (mixing + unmixing);
}

/** The same without a scheme. */
const directPrice = ({ rows, segments, run }: WeightLayout, places: number): number =>
  vectorsOf(rows) * places * segments * Math.ceil(run / 2) * perProduct(places);

export function fewerProducts(
  kernel: Kernel,
  { groups }: FoundSums,
  windows: Windows | undefined,
  names: NewName,
): MadeSums | undefined {
  const [group, ...others] = groups;
  const own = kernel.weights?.layout;
  const source = kernel.params.find(({ name }) => name === group?.from);
  if (group === undefined || others.length > 0 || own === undefined || source === undefined) return undefined;
  if (source.elem !== 'u8' && source.elem !== 'i8') return undefined;
  const layout = windows?.layout ?? own;
  const apart = apartOf(windows?.places ?? group.places);
  if (apart === undefined) return undefined;
  const line = lineOf(group, windows !== undefined || source.role === 'in', apart.moving ?? add(0));
  const found = schemes
    .flatMap((scheme) => tilesOf(apart, layout, scheme, line) ?? [])
    .filter((tiles) => priceOf(layout, tiles) < directPrice(layout, group.places.length))
    .toSorted((a, b) => priceOf(layout, a) - priceOf(layout, b));
  const best = firstFitting(found, kernel, layout);
  if (best === undefined) return undefined;
  const { tiles, weights } = best;
  const { scheme } = tiles;
  const origin = at(apart.sorted, 0).fixed;
  const grid = windows?.grid && isMixedOnce(tiles, origin, windows.grid) ? windows.grid : undefined;
  const work = {
    names,
    layout,
    source: windows?.image.name ?? source.name,
    elem: windows?.image.elem ?? source.elem,
    isLong: windows !== undefined,
    tiles,
    ...(grid === undefined ? {} : { grid }),
    mixed: names('mixed'),
    weights: names('pairs'),
    products: names('products'),
    sums: names('sums'),
  };
  const ahead = tiles.passes > 1 && line !== undefined ? line : group.ahead;
  const begin = tiles.passes > 1 && line !== undefined ? mul(local(line.name), sumsOf(layout, tiles)) : 0;
  const perPlace = vectorsOf(layout.rows) * lanes;
  const run = oneRun(layout, tiles);
  return {
    doc: `Vectors of WebAssembly: ${scheme.outputs} sums of ${scheme.taps} taps with ${weights.length} products instead of ${scheme.outputs * scheme.taps}.`,
    scratch: [...(windows === undefined ? [] : [windows.image]), ...scratchOf(work)],
    tables: [
      pairTable(
        work.weights,
        weights.map((one) => packed(one, run, tiles.passes * tiles.tiles.length)),
      ),
      ...(windows?.tables ?? []),
    ],
    sums: work.sums,
    before: inFront(
      [at(kernel.body, 0), [...(windows?.begin ?? []), ...(grid === undefined ? [] : mixing(work))]],
      [ahead, [...(grid === undefined ? mixing(work) : []), ...mixedSums(work)]],
    ),
    ...(windows === undefined ? {} : { dropped: windows.dropped }),
    added: new Map([
      [
        group.statement,
        group.members.map(({ sum, place }) => ({
          local: sum.local,
          index: add(begin, place * perPlace, sum.row),
        })),
      ],
    ]),
  };
}
