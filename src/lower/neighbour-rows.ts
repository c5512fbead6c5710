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
  pointer,
  storeVector,
  times,
  variable,
} from '../ir/kernel/builders.ts';
import type { Elem, Expr, Kernel, Stmt, Table } from '../ir/kernel/kernel.ts';
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

interface Walk {
  /** Around the terms that are written out. */
  readonly loops: readonly Level[];
  /** Terms and offsets of inputs of these, in pairs; the last may stand alone. */
  readonly pairs: readonly (readonly { readonly term: number; readonly offset: number }[])[];
}

function walkOf(layout: WeightLayout): Walk {
  const levels = levelsOf(layout);
  const inner = levels.at(-1) ?? { count: 1, step: 0, terms: 0 };
  const terms = (count: number) => times(count, (i) => ({ term: i * inner.terms, offset: i * inner.step }));
  if (inner.count > longest) return { loops: levels, pairs: [terms(1)] };
  const written = terms(inner.count);
  const pairs = times(Math.ceil(inner.count / 2), (i) => written.slice(2 * i, 2 * i + 2));
  return { loops: levels.slice(0, -1), pairs };
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

interface Work {
  readonly names: NewName;
  readonly walk: Walk;
  readonly from: string;
  readonly elem: Elem;
  readonly weights: string;
  readonly sums: string;
  /** Of the places. */
  readonly firsts: readonly Expr[];
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
  const walk = walkOf(layout);
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
  const perBlock = startsOf(walk.loops).length * walk.pairs.length * 2 * wide;
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

function block(work: Work, { places, row, count, weights }: Block): readonly Stmt[] {
  const { names, walk, firsts, perPlace } = work;
  const sums = places.map(() => [names('sum'), names('sum')] as const);
  const pointers = places.map(() => names('px'));
  const w = names('w');
  return [
    ...sums.flat().map((name) => variable(name, call('splat_i32x4', 'i32x4', 0))),
    ...places.map((place, j) => pointer(at(pointers, j), work.from, work.elem, add(at(firsts, place), row))),
    pointer(w, weights, 'i16', 0, { mutable: true }),
    ...loopsOver(walk.loops, pointers, work.elem, names, (starts) => [
      ...walk.pairs.flatMap((pair, p) =>
        pairOf(work, {
          inputs: starts.map((start) =>
            pair.map(({ offset }) => loadVector('i16x8', start, work.elem, offset, count)),
          ),
          weights: [0, 1].map((half) => loadVector('i16x8', w, 'i16', (2 * p + half) * wide)),
          sums,
        }),
      ),
      ...advance(w, walk.pairs.length * 2 * wide),
    ]),
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
