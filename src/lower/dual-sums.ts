/**
 * The code of sums with DSP instructions: a word of four neighbouring inputs becomes two pairs (bytes 0 and 2, bytes 1
 * and 3), and SMLAD adds the products of a pair with two weights. A few rows are summed for two places of the input at
 * a time: a word is taken apart once for all rows, a weight is loaded once for both. gcc 12 has registers for three rows.
 */
import { at } from '../base/errors.ts';
import {
  accumulate,
  add,
  advance,
  assign,
  call,
  constant,
  int,
  load,
  local,
  loop,
  mul,
  pointer,
  times,
  variable,
} from '../ir/kernel/builders.ts';
import type { Expr, RowTerm, Stmt } from '../ir/kernel/kernel.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import type { Pass } from './jam.ts';

/** Four neighbouring inputs of a run, the first `at` elements into it. */
export interface Word {
  readonly at: number;
  /** The run's term that each byte belongs to; undefined: the byte before it has it, or there is none. */
  readonly terms: readonly (number | undefined)[];
}

/** The last word of a run ends with it: terms that the word before has are not taken again. */
export function wordsOf(run: number): readonly Word[] {
  const rest = run % 4;
  const whole = times((run - rest) / 4, (i) => ({ at: 4 * i, terms: times(4, (b) => 4 * i + b) }));
  if (rest === 0) return whole;
  const first = Math.max(0, run - 4);
  const terms = times(4, (b) => (first + b >= run - rest && first + b < run ? first + b : undefined));
  return [...whole, { at: first, terms }];
}

type Parity = 'even' | 'odd';

const parities = [
  { name: 'even', bytes: [0, 2] },
  { name: 'odd', bytes: [1, 3] },
] as const;

/** The pairs of a word's bytes of which some term is one. */
export const pairsIn = ({ terms }: Word) =>
  parities.filter(({ bytes }) => bytes.some((byte) => terms[byte] !== undefined));

/** A word that the code loads, at a constant distance from a pointer. */
interface Placed {
  readonly word: Word;
  readonly offset: number;
}

const placed = (words: readonly Word[], from: number): readonly Placed[] =>
  words.map((word) => ({ word, offset: from + word.at }));

/** How a row's weights for a word of inputs stand in the table: as pairs of 16 bits, or as bytes. */
export type Width = 16 | 8;

/** How much code sums become. */
export interface Extent {
  readonly width: Width;
  /** Words of straight code at most, and of a pass of a loop. */
  readonly straight: number;
  readonly perPass: number;
}

/** Sums of a pass for one or two places of the input. */
interface Block {
  readonly pass: Pass;
  readonly layout: WeightLayout;
  readonly extent: Extent;
  /** Elements from the first place to each. */
  readonly places: readonly number[];
  /** The first place's, in the sum's terms. */
  readonly offset: number;
  /** The pointer that walks the weights. */
  readonly weights: string;
  readonly tag: string;
}

const sumsAt = ({ pass, offset, places }: Block, row: number, place: number): readonly RowTerm[] =>
  pass.sums.filter((sum) => sum.row === row && sum.offset === offset + at(places, place));

/** Straight code over some words. */
interface Stretch {
  readonly block: Block;
  readonly words: readonly Placed[];
  /** The pointer that their offsets are from. */
  readonly px: string;
  /** Keeps its names apart from those of other stretches. */
  readonly tag: string;
}

const inputs = ({ tag }: Stretch, i: number, which: number): string => `x${i}_${which}${tag}`;

/** Declares the word of inputs from `from` on; a run of three is filled up. */
function loaded({ block, px }: Stretch, name: string, from: number): Stmt {
  const byte = (i: number): Expr => (block.layout.run > i ? load(px, 'u8', from + i) : int(0));
  return constant(name, call('four_bytes', 'i32', ...times(4, byte)));
}

/** The word of inputs, and the pair of its bytes, that a pair of weights meets. */
type Operand = readonly [word: string, pair: Parity];

/** A word of inputs at each place. */
interface Taken {
  readonly loads: readonly Stmt[];
  readonly operand: (place: number, weights: Parity) => Operand;
}

function ofEachPlace(s: Stretch, i: number): Taken {
  const { offset } = at(s.words, i);
  return {
    loads: s.block.places.map((place, k) => loaded(s, inputs(s, i, k), offset + place)),
    operand: (place, weights) => [inputs(s, i, place), weights],
  };
}

/**
 * Of places that are one element apart the second's even bytes are the first's odd ones. Its odd bytes are the even ones
 * of the word two elements on, whose last bytes a single weight behind the word meets.
 */
function ofNeighbours(s: Stretch, i: number): Taken {
  const { offset, word } = at(s.words, i);
  if (word.terms[0] === undefined)
    return { loads: [], operand: (place) => [inputs(s, i - 1, 1), place === 0 ? 'even' : 'odd'] };
  return {
    loads: [0, 1].map((k) => loaded(s, inputs(s, i, k), offset + 2 * k)),
    operand: (place, weights) => {
      if (place === 0) return [inputs(s, i, 0), weights];
      return weights === 'even' ? [inputs(s, i, 0), 'odd'] : [inputs(s, i, 1), 'even'];
    },
  };
}

const areNeighbours = ({ places, layout: { run: length }, extent }: Block): boolean =>
  places.join() === '0,1' && extent.width === 16 && length % 4 === 1 && length <= 4 * extent.perPass;

function straight(s: Stretch): readonly Stmt[] {
  const { block, words, tag } = s;
  let next = 0;
  const take = (name: string): Stmt => constant(name, load(block.weights, 'i32', next++));
  const body = words.flatMap(({ word }, i): readonly Stmt[] => {
    const { loads, operand } = areNeighbours(block) ? ofNeighbours(s, i) : ofEachPlace(s, i);
    const pairs = pairsIn(word).map(({ name }) => name);
    const rows = times(block.pass.rows, (row) => ({ row, weight: `w${i}_${row}${tag}` }));
    if (block.extent.width === 8)
      return [
        ...loads,
        ...rows.map(({ weight }) => take(weight)),
        ...rows.flatMap(({ row, weight }) =>
          pairs.flatMap((pair) => products(block, row, weight, (place) => operand(place, pair), '_i8')),
        ),
      ];
    return [
      ...loads,
      ...rows.flatMap(({ row, weight }) => [
        ...pairs.map((pair) => take(weight + pair)),
        ...pairs.flatMap((pair) => products(block, row, weight + pair, (place) => operand(place, pair), '')),
      ]),
    ];
  });
  return [...body, ...advance(block.weights, next)];
}

/** A word of a row's weights, times the inputs of every place. */
const products = (
  b: Block,
  row: number,
  weight: string,
  operand: (place: number) => Operand,
  suffix: string,
): readonly Stmt[] =>
  b.places.flatMap((_, place) =>
    sumsAt(b, row, place).map((sum) => {
      const [word, pair] = operand(place);
      const args = [local(word), local(weight), local(sum.local)];
      return assign(sum.local, call(`${pair}_products${suffix}`, 'i32', ...args));
    }),
  );

/** So many words or a few fewer: what leaves the fewest over. */
function wordsPerPass(words: number, most: number): number {
  const candidates = times(Math.ceil(most / 2), (i) => most - i);
  return candidates.reduce((best, n) => (words % n < words % best ? n : best), most);
}

/** A run of neighbours from pointer `px` on. */
function run(b: Block, px: string): readonly Stmt[] {
  const words = wordsOf(b.layout.run);
  const { extent } = b;
  if (words.length <= extent.perPass + 2)
    return straight({ block: b, words: placed(words, 0), px, tag: b.tag });
  const whole = Math.floor(b.layout.run / 4);
  const perPass = wordsPerPass(whole, extent.perPass);
  const passes = Math.floor(whole / perPass);
  const done = passes * perPass;
  const pass = [
    ...straight({ block: b, words: placed(words.slice(0, perPass), 0), px, tag: b.tag }),
    ...advance(px, 4 * perPass),
  ];
  const rest = placed(words.slice(done), -4 * done);
  return [
    ...loop(`i${b.tag}`, passes, () => pass),
    ...straight({ block: b, words: rest, px, tag: `_end${b.tag}` }),
  ];
}

/** The whole window of the block's places. */
function window(b: Block): readonly Stmt[] {
  const { segments, segmentStride, pieces, pieceStride, run: length } = b.layout;
  const { first, skip, from, elem } = b.pass.sum;
  const start = add(first, add(skip, b.offset));
  const words = wordsOf(length);
  const px = `px${b.tag}`;
  if (segments * pieces * words.length <= b.extent.straight) {
    const all = times(segments * pieces, (i) =>
      placed(words, Math.floor(i / pieces) * segmentStride + (i % pieces) * pieceStride),
    );
    return [pointer(px, from, elem, start), ...straight({ block: b, words: all.flat(), px, tag: b.tag })];
  }
  const row = `row${b.tag}`;
  const piece = (kx: Expr, of: Expr): readonly Stmt[] => [
    pointer(px, from, elem, add(of, mul(kx, pieceStride)), { mutable: true }),
    ...run(b, px),
  ];
  const line = (of: Expr) => loop(`kx${b.tag}`, pieces, (kx) => piece(kx, of));
  if (segments === 1) return line(start);
  return [
    variable(row, start),
    ...loop(`ky${b.tag}`, segments, () => [...line(local(row)), accumulate(row, segmentStride)]),
  ];
}

/** The sums of a pass, two places at a time; all but the last go over the weights with a pointer of their own. */
export function dualSums(pass: Pass, layout: WeightLayout, extent: Extent): readonly Stmt[] {
  const offsets = [...new Set(pass.sums.map(({ offset }) => offset))];
  const pairs = times(Math.ceil(offsets.length / 2), (i) => offsets.slice(2 * i, 2 * i + 2));
  return pairs.flatMap((pair, i) => {
    const offset = Math.min(...pair);
    const isLast = i === pairs.length - 1;
    const tag = `${pass.tag}_${i}`;
    const weights = isLast ? 'wt' : `wt${tag}`;
    const places = pair.map((one) => one - offset);
    const own = isLast ? [] : [pointer(weights, 'wt', 'i32', 0, { mutable: true })];
    return [...own, ...window({ pass, layout, extent, places, offset, weights, tag })];
  });
}
