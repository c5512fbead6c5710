/**
 * Sums of dense 8-bit weights with the DSP instructions of Cortex-M4, M7, M33 and M55. A word of four neighbouring
 * inputs becomes two pairs (bytes 0 and 2, bytes 1 and 3), and SMLAD adds the products of a pair with two weights.
 * Weights lie in a table of their own, in the order of use, where that pays as such pairs. A few rows (output channels) are summed
 * for two places of the input at a time: a word is taken apart once for all rows, a weight is loaded once for both.
 */
import { at, must } from '../base/errors.ts';
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
import type { Expr, Kernel, RowSum, RowTerm, Stmt, Table } from '../ir/kernel/kernel.ts';
import { rowSumsIn } from '../ir/kernel/walk.ts';
import { dense8, formatName, termsOf, type WeightLayout } from '../ir/kernel/weight-format.ts';
import { decodeRows } from '../program/rows.ts';
import { type Jam, jammed, type Pass } from './jam.ts';

/** Four neighbouring inputs of a run, the first `at` elements into it. */
interface Word {
  readonly at: number;
  /** The run's term that each byte belongs to; undefined: the byte before it has it, or there is none. */
  readonly terms: readonly (number | undefined)[];
}

/** The last word of a run ends with it: terms that the word before has are not taken again. */
function wordsOf(run: number): readonly Word[] {
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
const pairsIn = ({ terms }: Word) =>
  parities.filter(({ bytes }) => bytes.some((byte) => terms[byte] !== undefined));

/** A word that the code loads, at a constant distance from a pointer. */
interface Placed {
  readonly word: Word;
  readonly offset: number;
}

const placed = (words: readonly Word[], from: number): readonly Placed[] =>
  words.map((word) => ({ word, offset: from + word.at }));

/** How a row's weights for a word of inputs stand in the table: as pairs of 16 bits, or as bytes. */
type Width = 16 | 8;

/** Sums of a pass for one or two places of the input. */
interface Block {
  readonly pass: Pass;
  readonly layout: WeightLayout;
  readonly width: Width;
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

const areNeighbours = ({ places, layout: { run: length }, width }: Block): boolean =>
  places.join() === '0,1' && width === 16 && length % 4 === 1 && length <= 4 * loopWords;

function straight(s: Stretch): readonly Stmt[] {
  const { block, words, tag } = s;
  let next = 0;
  const take = (name: string): Stmt => constant(name, load(block.weights, 'i32', next++));
  const body = words.flatMap(({ word }, i): readonly Stmt[] => {
    const { loads, operand } = areNeighbours(block) ? ofNeighbours(s, i) : ofEachPlace(s, i);
    const pairs = pairsIn(word).map(({ name }) => name);
    const rows = times(block.pass.rows, (row) => ({ row, weight: `w${i}_${row}${tag}` }));
    if (block.width === 8)
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

/** Words of straight code at most, and of one pass of a loop. */
const [straightWords, loopWords] = [15, 4];

/** The largest divisor of a number of words that a pass takes, or what leaves the fewest over. */
function wordsPerPass(words: number): number {
  const candidates = times(loopWords - 2, (i) => loopWords - i);
  return must(
    candidates.reduce((best, n) => (words % n < words % best ? n : best)),
    'a number of words',
  );
}

/** A run of neighbours from pointer `px` on. */
function run(b: Block, px: string): readonly Stmt[] {
  const words = wordsOf(b.layout.run);
  if (words.length <= loopWords + 2) return straight({ block: b, words: placed(words, 0), px, tag: b.tag });
  const whole = Math.floor(b.layout.run / 4);
  const perPass = wordsPerPass(whole);
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
  if (segments * pieces * words.length <= straightWords) {
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
function blocks(pass: Pass, layout: WeightLayout, width: Width): readonly Stmt[] {
  const offsets = [...new Set(pass.sums.map(({ offset }) => offset))];
  const pairs = times(Math.ceil(offsets.length / 2), (i) => offsets.slice(2 * i, 2 * i + 2));
  return pairs.flatMap((pair, i) => {
    const offset = Math.min(...pair);
    const isLast = i === pairs.length - 1;
    const tag = `${pass.tag}_${i}`;
    const weights = isLast ? 'wt' : `wt${tag}`;
    const places = pair.map((one) => one - offset);
    const own = isLast ? [] : [pointer(weights, 'wt', 'i32', 0, { mutable: true })];
    return [...own, ...window({ pass, layout, width, places, offset, weights, tag })];
  });
}

/** Numbers of rows at a time that add up to `count`: three where there are registers for it, two or four for the rest. */
function rowsAtATime(places: number, each: number, count: number): readonly number[] {
  if (places === 1) {
    const most = Math.max(1, Math.floor(5 / each));
    const whole = Math.floor(count / most);
    const rest = count - whole * most;
    return [...times(whole, () => most), ...(rest === 0 ? [] : [rest])];
  }
  if (each > 1) return times(count, () => 1);
  const rest = count % 3;
  return [...times(Math.floor(count / 3), () => 3), ...(rest === 0 ? [] : [rest])];
}

const halves = (low: number, high: number): number => (high << 16) | (low & 0xffff);

const bytes = (weights: readonly number[]): number =>
  weights.reduce((word, weight, i) => word | ((weight & 0xff) << (8 * i)), 0);

/** The weights of rows that are taken together, in the order of use. */
function wordsFor(
  rows: readonly Int32Array[],
  { segments, pieces, run: length }: WeightLayout,
  width: Width,
): readonly number[] {
  const words = wordsOf(length);
  return times(segments * pieces, (stretch) =>
    words.flatMap((word) =>
      rows.flatMap((row) => {
        const weight = (byte: number): number => {
          const term = word.terms[byte];
          return term === undefined ? 0 : at(row, stretch * length + term);
        };
        if (width === 8) return [bytes(times(4, weight))];
        return pairsIn(word).map(({ bytes: [low, high] }) => halves(weight(low), weight(high)));
      }),
    ),
  ).flat();
}

const tableWords: Readonly<Record<Width, string>> = {
  16: 'Weights for SMLAD as pairs of 16 bits, in the order of use: of four neighbours the first and third, then the second and fourth.',
  8: 'Weights of four neighbours to a word, a byte each, in the order of use.',
};

function tableOf(
  kernel: Kernel,
  name: string,
  layout: WeightLayout,
  passes: readonly number[],
  width: Width,
): Table {
  const rows = decodeRows(kernel);
  let first = 0;
  const data = passes.flatMap((count) => {
    first += count;
    return wordsFor(rows.slice(first - count, first), layout, width);
  });
  return {
    name,
    elem: 'i32',
    data: Int32Array.from(data),
    says: tableWords[width],
  };
}

/**
 * How often a weight is used at least for which 16 bits of it are stored: each use then saves about a sixth of an
 * instruction, and it takes a byte more.
 */
const usesOfWide = 16;

/** Whether two products at a time help. */
function takes({ stored, elem, type, sums }: RowSum): boolean {
  const { format, layout, codebook } = stored;
  const isPlain = stored.elem === 'i8' && formatName(format) === formatName(dense8) && codebook === undefined;
  return isPlain && elem === 'u8' && type === 'i32' && layout.run >= 3 && sums.length > 0;
}

/** A body with its rows lowered: what stands after `startRows` in its block. */
function lowered(
  body: readonly Stmt[],
  jam: Jam,
): { readonly body: readonly Stmt[]; readonly passes: readonly number[] } | undefined {
  const start = body.findIndex((s) => s.kind === 'startRows');
  if (start >= 0) {
    const after = jammed(body.slice(start), jam);
    return after && { body: [...body.slice(0, start), ...after.body], passes: after.passes };
  }
  for (const [i, s] of body.entries()) {
    if (s.kind !== 'for') continue;
    const inner = lowered(s.body, jam);
    if (inner !== undefined)
      return { ...inner, body: [...body.slice(0, i), { ...s, body: inner.body }, ...body.slice(i + 1)] };
  }
  return undefined;
}

/** The kernel with DSP instructions; undefined where they do not help. */
export function dspForm(kernel: Kernel): Kernel | undefined {
  const { weights, tables } = kernel;
  const sums = rowSumsIn(kernel.body);
  if (weights === undefined || sums.length === 0 || !sums.every(({ sum }) => takes(sum))) return undefined;
  const { layout, stream } = weights;
  const table = `${kernel.name}_words`;
  const width = kernel.macs >= usesOfWide * layout.rows * termsOf(layout) ? 16 : 8;
  const found = lowered(kernel.body, {
    takes,
    joined: ({ sums: each }, count) =>
      rowsAtATime(
        new Set(each.map(({ offset }) => offset)).size,
        new Set(each.map(({ row }) => row)).size,
        count,
      ),
    start: () => [pointer('wt', table, 'i32', 0, { mutable: true })],
    body: (pass) => blocks(pass, layout, width),
  });
  if (found === undefined || found.passes.reduce((sum, n) => sum + n, 0) !== layout.rows) return undefined;
  const { weights: _, ...rest } = kernel;
  return {
    ...rest,
    doc: ['With DSP instructions: two products of 16 bits at a time, the same sums in another order.'],
    tables: [
      tableOf(kernel, table, layout, found.passes, width),
      ...tables.filter(({ name }) => name !== stream),
    ],
    body: found.body,
  };
}
