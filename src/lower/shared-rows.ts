/**
 * Rows of weights that all meet the same inputs: convolutions and linear layers. Inputs are widened to 16 bits once; a
 * pair of neighbouring inputs, in all four lanes of a vector, meets the pairs of weights of four rows (eight products,
 * neighbours added), so that no lane is ever added to another. One load of weights serves up to four places, one load
 * of inputs up to 24 rows. Sums of integers may be made in any order, as none can overflow.
 */
import { at } from '../base/errors.ts';
import {
  add,
  advance,
  assign,
  call,
  constant,
  int,
  loadVector,
  local,
  loop,
  pointer,
  storeVector,
  times,
  variable,
} from '../ir/kernel/builders.ts';
import type { Expr, Kernel, Param, Stmt, Table } from '../ir/kernel/kernel.ts';
import { namesIn } from '../ir/kernel/walk.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import { decodeRows } from '../program/rows.ts';
import { split } from '../sim/wasm/body.ts';
import type { MadeSums } from './made-sums.ts';
import { type NewName, newNames } from './names.ts';
import { type SumGroup, sumGroups } from './sum-groups.ts';
import { type Level, levelsOf, loopsOver, startsOf } from './terms.ts';

/** Rows of a vector, and terms of a pair. */
const lanes = 4;
const pair = 2;
const wideLanes = 8;

const vectorsOf = (rows: number): number => Math.ceil(rows / lanes);

/**
 * Vectors of rows that are summed at the same time at so many places. V8 makes all loads of a round before the first
 * product, so inputs, weights and sums must fit 15 registers together.
 */
const depthOf = (places: number): number => at([0, 6, 4, 2, 2], places);

/** Places that are summed at the same time. */
const placesAtOnce = 4;

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
const pairLevels = (layout: WeightLayout): readonly Level[] =>
  [
    ...levelsOf({ ...layout, run: 1 }).map((level) => ({ ...level, terms: level.terms * layout.run })),
    { count: Math.ceil(layout.run / pair), step: pair, terms: pair },
  ]
    .filter(({ count }) => count > 1)
    .toSorted((a, b) => a.count - b.count);

/** [block][pair of terms][vector of the block][row][2], in the order of use; what a row lacks weighs nothing. */
function packed(name: string, kernel: Kernel, layout: WeightLayout, places: number): Table {
  const rows = decodeRows(kernel);
  const starts = startsOf(pairLevels(layout));
  const blocks = blocksOf(vectorsOf(layout.rows), depthOf(Math.min(places, placesAtOnce)));
  const data = new Int16Array(starts.length * vectorsOf(layout.rows) * wideLanes);
  let to = 0;
  for (const { depth, from, count } of blocks)
    for (let block = 0; block < count; block++)
      for (const start of starts) {
        const isWhole = (start % layout.run) + 1 < layout.run;
        for (let r = (from + block * depth) * lanes, end = r + depth * lanes; r < end; r++) {
          data[to++] = rows[r]?.[start] ?? 0;
          data[to++] = isWhole ? (rows[r]?.[start + 1] ?? 0) : 0;
        }
      }
  return { name, elem: 'i16', data, rowLength: wideLanes, says: 'pairs of weights of four rows' };
}

/** What the statements of one kernel are made of. */
interface Work {
  readonly layout: WeightLayout;
  readonly names: NewName;
  readonly wide: string;
  readonly weights: string;
  readonly sums: string;
}

/** The sums of all rows at the places of a group, and where each statement's are. */
export function sharedRows(kernel: Kernel): MadeSums | undefined {
  const order = ({ ahead }: SumGroup): number => kernel.body.indexOf(ahead);
  const groups = sumGroups(kernel).toSorted((a, b) => order(a) - order(b));
  const [group, ...others] = groups;
  const layout = kernel.weights?.layout;
  const source = kernel.params.find(({ name }) => name === group?.from);
  if (group === undefined || layout === undefined || source === undefined) return undefined;
  if (source.elem !== 'u8' && source.elem !== 'i8') return undefined;
  // One set of packed weights and of sums: all groups ask for the same ones, of what never changes.
  const isLasting = source.role === 'in' && group.places.every((place) => namesIn(place).size === 0);
  if (!others.every((o) => isLasting && o.from === group.from && sameSums(kernel, o, group)))
    return undefined;
  const names = newNames(kernel);
  const work = { layout, names, wide: names('wide'), weights: names('pairs'), sums: names('sums') };
  const places = group.places.length;
  const perPlace = vectorsOf(layout.rows) * lanes;
  const scratch: readonly Param[] = [
    { name: work.wide, role: 'scratch', elem: 'i16', length: wideLength(source, layout) },
    { name: work.sums, role: 'scratch', elem: 'i32', length: places * perPlace },
  ];
  return {
    doc: 'Vectors of WebAssembly: pairs of inputs of 16 bits times those of four rows of weights.',
    scratch,
    tables: [packed(work.weights, kernel, layout, places)],
    sums: work.sums,
    before: beforeOf(kernel, source, group, work),
    added: new Map(
      groups.map(({ statement, members }) => [
        statement,
        members.map(({ sum, place }) => ({
          local: sum.local,
          index: add(place * perPlace, sum.row),
        })),
      ]),
    ),
  };
}

/** The sums made ahead of one statement of the kernel's own block are still there at a later one. */
const sameSums = (kernel: Kernel, a: SumGroup, b: SumGroup): boolean =>
  JSON.stringify(a.places) === JSON.stringify(b.places) &&
  kernel.body.includes(a.ahead) &&
  kernel.body.includes(b.ahead);

/**
 * Inputs are widened when the kernel begins: whatever is written over them was read before. Scratch is widened in
 * front of the statement that reads it.
 */
function beforeOf(
  kernel: Kernel,
  source: Param,
  { ahead, places }: SumGroup,
  work: Work,
): ReadonlyMap<Stmt, readonly Stmt[]> {
  const wide = widened(source, work);
  const made = summed(work, places);
  const start = at(kernel.body, 0);
  return source.role === 'in' && start !== ahead
    ? new Map([
        [start, wide],
        [ahead, made],
      ])
    : new Map([[ahead, [...wide, ...made]]]);
}

/** In whole vectors with a zero at the end at least, and as far as a pointer moves beyond its last pair. */
const wideLength = ({ length }: Param, layout: WeightLayout): number =>
  (Math.floor(length / wideLanes) + 1) * wideLanes + (pairLevels(layout).at(-1)?.step ?? 0);

/** Widens up to so many vectors without a loop. */
const unrolled = 8;

function widened({ name, elem, length }: Param, { wide, names }: Work): readonly Stmt[] {
  const whole = Math.floor(length / wideLanes) * wideLanes;
  const one = (i: Expr, count = wideLanes): Stmt =>
    storeVector('i16x8', wide, 'i16', i, loadVector('i16x8', name, elem, i, count));
  const vectors =
    whole > unrolled * wideLanes
      ? loop(names('i'), whole, (i) => [one(i)], { step: wideLanes })
      : times(whole / wideLanes, (i) => one(int(i * wideLanes)));
  return [...vectors, one(int(whole), length - whole)];
}

/** Where rows begin: `offset` elements behind a pointer of `moving`. */
interface Place {
  readonly pointer: number;
  readonly offset: number;
}

/** Places that lie a fixed number of elements apart share a pointer to the first of them. */
function placesOf(places: readonly Expr[]): {
  readonly firsts: readonly Expr[];
  readonly places: readonly Place[];
} {
  const parts = places.map(split);
  const texts = parts.map(({ moving }) => JSON.stringify(moving) ?? '');
  const distinct = [...new Set(texts)];
  const least = distinct.map((text) =>
    Math.min(...parts.filter((_, i) => texts[i] === text).map(({ fixed }) => fixed)),
  );
  return {
    firsts: distinct.map((text, i) => add(at(parts, texts.indexOf(text)).moving ?? int(0), at(least, i))),
    places: parts.map(({ fixed }, i) => {
      const one = distinct.indexOf(at(texts, i));
      return { pointer: one, offset: fixed - at(least, one) };
    }),
  };
}

/** All rows at all places, up to four of these at a time. */
function summed(work: Work, all: readonly Expr[]): readonly Stmt[] {
  const { layout, names } = work;
  const depth = depthOf(Math.min(all.length, placesAtOnce));
  return times(Math.ceil(all.length / placesAtOnce), (chunk) => {
    const some = all.slice(chunk * placesAtOnce, (chunk + 1) * placesAtOnce);
    const { firsts, places } = placesOf(some);
    const pointers = firsts.map(() => names('px'));
    const [weights, out] = [names('w'), names('to')];
    const first = chunk * placesAtOnce * vectorsOf(layout.rows) * lanes;
    return [
      ...firsts.map((index, i) => pointer(at(pointers, i), work.wide, 'i16', index)),
      pointer(weights, work.weights, 'i16', 0, { mutable: true }),
      pointer(out, work.sums, 'i32', first, { mutable: true }),
      ...blocksOf(vectorsOf(layout.rows), depth).flatMap((part) =>
        loop(names('block'), part.count, () => block(work, { pointers, places, weights, out }, part.depth)),
      ),
    ];
  }).flat();
}

interface Inputs {
  readonly pointers: readonly string[];
  readonly places: readonly Place[];
  readonly weights: string;
  readonly out: string;
}

/** `depth` vectors of rows at all places; pointers to weights and sums move on to the next block's. */
function block({ layout, names }: Work, inputs: Inputs, depth: number): readonly Stmt[] {
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
