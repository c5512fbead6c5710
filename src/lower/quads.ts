/**
 * Four rows of weights of one input in a word, a byte each, and three products for their four: for rows of one run, whose
 * weights are used once. A byte is u = w + 128, so v = u0 + 2^8 u1 + 2^16 u2 + 2^24 u3. With s_i the sum of w_i x over
 * all inputs x, and modulo 2^32, accumulators of v x, (v >> 16) x and ((v >> 8) & 0x00ff00ff) x that begin with what the
 * 128s add, taken from 0 (it is the same for all rows, and made once), end as
 *
 *   all = s0 + 2^8 s1 + 2^16 s2 + 2^24 s3,   half = s2 + 2^8 s3,   odd = s1 + 2^16 s3.
 *
 * These tell the four sums apart if each fits 24 bits: with p = all - 2^16 half = s0 + 2^8 s1,
 *
 *   p - 2^8 odd = s0 modulo 2^24,    s1 = (p - s0) >> 8,
 *   half - ((odd - s1) >> 8) = s2 modulo 2^24,    s3 = (half - s2) >> 8.
 *
 * Armv6-M has an instruction that reverses bytes, and no register for a mask. There the third one is reversed = s3 +
 * 2^8 s2 + 2^16 s1 + 2^24 s0. As (1 - 2^16) (1 + 2^16) = 1 modulo 2^24,
 *
 *   (half - 2^8 reversed) (1 + 2^16) = s2 modulo 2^24,    s3 = (half - s2) >> 8,
 *
 * and s0 and s1 follow in the same way from p and from (reversed - s3 - 2^8 s2) >> 16 = s1 + 2^8 s0 modulo 2^16.
 */
import { at, must } from '../base/errors.ts';
import { unrollOf } from '../ir/formats/dense.ts';
import {
  accumulate,
  add,
  advance,
  and,
  assign,
  call,
  constant,
  int,
  load,
  local,
  loop,
  pointer,
  shr,
  times,
  variable,
} from '../ir/kernel/builders.ts';
import type { Interval } from '../ir/kernel/interval.ts';
import type { Expr, Kernel, Quads, RowSum, Stmt, Table } from '../ir/kernel/kernel.ts';
import { declaredIn, namesIn, rowSumsIn } from '../ir/kernel/walk.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import { rangeOfRows } from '../program/byte-rows.ts';
import { decodeRows } from '../program/rows.ts';
import { fromRows, type Jam, type Pass } from './jam.ts';
import { isPackable } from './packed.ts';
import { rowByRow } from './row-by-row.ts';

export type QuadForm = Omit<Quads, 'tableBytes'>;

const perWord = 4;
const largestSum = 2 ** 23;

const wordsOf = (rows: number): number => Math.ceil(rows / perWord);

/** Full passes, and a last one of what is left, or of more if that is too few. */
function passesFor(rows: number, { words, last }: QuadForm): readonly number[] {
  const width = perWord * words;
  const full = Math.max(0, Math.floor((rows - last) / width));
  return [...times(full, () => width), rows - full * width];
}

/** How many rows the kernel stores after it has read all inputs of a place: these may lie over inputs. */
export const rowsStoredLast = ({ body }: Kernel): number =>
  new Set(
    rowSumsIn(body)
      .at(-1)
      ?.sum.sums.map(({ row }) => row),
  ).size;

/** The kernel with four rows a word; undefined where it has none that can be summed so. */
export function quads(kernel: Kernel, form: QuadForm): Kernel | undefined {
  const { weights, body, doc, tables, ...rest } = kernel;
  const input = weights && inputOf(body, weights.layout);
  if (weights === undefined || input === undefined) return undefined;
  const { layout, stream } = weights;
  const rows = decodeRows(kernel);
  const sums = rangeOfRows(rows);
  if (sums.lo < -largestSum || sums.hi >= largestSum) return undefined;
  const table = `${kernel.name}_quads`;
  const found = fromRows(rowByRow(body), jamOf({ form, table, input, sums, layout }));
  if (found?.passes.join() !== passesFor(layout.rows, form).join()) return undefined;
  return {
    ...rest,
    doc: [...doc, ...says(form)],
    tables: [tableOf(table, rows, found.passes), ...tables.filter(({ name }) => name !== stream)],
    body: found.body,
  };
}

const says = ({ third }: QuadForm): readonly string[] => [
  'Four outputs at a time with three products: a number of the table holds their weights, a byte each, plus 128.',
  `Modulo 2^32, sums of v x, (v >> 16) x and ${third === 'odd' ? '((v >> 8) & 0x00ff00ff) x' : 'v x with the bytes of v reversed'} tell the four sums apart, as each fits 24 bits.`,
];

/** Where the inputs of all rows lie. */
type Input = Pick<RowSum, 'from' | 'elem' | 'first'>;

/** One run, in one place for all rows; undefined: something else. */
function inputOf(body: readonly Stmt[], { segments, pieces }: WeightLayout): Input | undefined {
  const sums = rowSumsIn(body).map(({ sum }) => sum);
  const inputs = sums.map(({ from, elem, first, skip, sums: [term] }) => ({
    from,
    elem,
    first: add(first, add(skip, must(term, 'a sum').offset)),
  }));
  const [input] = inputs;
  const declared = declaredIn(fromStart(body));
  const isOne =
    segments * pieces === 1 &&
    sums.every((sum) => isPackable(sum) && sum.sums.every(({ offset }) => offset === sum.sums[0]?.offset)) &&
    inputs.every((one) => JSON.stringify(one) === JSON.stringify(input));
  return isOne && input !== undefined && [...namesIn(input.first)].every((name) => !declared.has(name))
    ? input
    : undefined;
}

/** What stands after `startRows` in its block. */
function fromStart(body: readonly Stmt[]): readonly Stmt[] {
  const start = body.findIndex(({ kind }) => kind === 'startRows');
  return start >= 0 ? body.slice(start) : body.flatMap((s) => (s.kind === 'for' ? fromStart(s.body) : []));
}

/** By pass, then by term; what a last word lacks weighs nothing. */
function tableOf(name: string, rows: readonly Int32Array[], passes: readonly number[]): Table {
  const terms = at(rows, 0).length;
  const data = new Int32Array(terms * passes.reduce((sum, count) => sum + wordsOf(count), 0));
  const none = new Int32Array(terms);
  let [first, from] = [0, 0];
  for (const count of passes) {
    const words = wordsOf(count);
    for (let k = 0; k < perWord * words; k++)
      (k < count ? at(rows, first + k) : none).forEach((weight, term) => {
        const place = from + term * words + Math.floor(k / perWord);
        data[place] = at(data, place) | ((weight + 128) << (8 * (k % perWord)));
      });
    [first, from] = [first + count, from + terms * words];
  }
  return { name, elem: 'i32', data, says: 'Weights of four outputs a number, a byte each, plus 128.' };
}

interface Context {
  readonly form: QuadForm;
  readonly table: string;
  readonly input: Input;
  readonly sums: Interval;
  readonly layout: WeightLayout;
}

const jamOf = (c: Context): Jam => ({
  takes: isPackable,
  joined: (_, count) => passesFor(count, c.form),
  start: () => startOf(c),
  body: (pass) => passBody(c, pass),
});

/** Accumulators of a word: of what x is multiplied by. */
const kinds = ['half', 'third', 'all'] as const;
type Kind = (typeof kinds)[number];

/** What each would be multiplied by if all weights were 0. */
const ofZeros = (form: QuadForm): Readonly<Record<Kind, number>> => ({
  half: 0x8080,
  third: form.third === 'odd' ? 0x00800080 : 0x80808080,
  all: 0x80808080,
});

const beginOf = (kind: Kind): string => `begin_${kind}`;

const wrapped = (op: 'sum' | 'difference' | 'product', a: Expr, b: Expr | number): Expr =>
  call(`wrapped_${op}`, 'i32', a, b);

/** Sums all inputs. */
function startOf({ form, table, input: { from, elem, first }, layout: { run } }: Context): readonly Stmt[] {
  const zeros = ofZeros(form);
  return [
    variable('inputs', 0),
    ...loop('input', run, (i) => [accumulate('inputs', load(from, elem, add(first, i)))], { rolled: true }),
    ...kinds.map((kind) => constant(beginOf(kind), wrapped('product', local('inputs'), -zeros[kind] | 0))),
    pointer('wt', table, 'i32', 0, { mutable: true }),
  ];
}

/** The name of an accumulator of a word. */
type Sum = (kind: Kind) => string;

function passBody(c: Context, { rows, sums, tag }: Pass): readonly Stmt[] {
  const { input, layout } = c;
  const words = times(
    wordsOf(rows),
    (w): Sum =>
      (kind) =>
        `${kind}${w}${tag}`,
  );
  const px = `px${tag}`;
  const perPass = unrollOf(layout.run, c.form.terms);
  const localOf = (row: number): string =>
    must(
      sums.find((sum) => sum.row === row),
      'each row has a sum',
    ).local;
  return [
    pointer(px, input.from, input.elem, input.first, { mutable: true }),
    ...words.flatMap((sum) => kinds.map((kind) => variable(sum(kind), local(beginOf(kind))))),
    ...loop(
      `i${tag}`,
      layout.run / perPass,
      () => [
        ...times(perPass, (term) => products(c, words, px, term, tag)).flat(),
        ...advance(px, perPass),
        ...advance('wt', perPass * words.length),
      ],
      { rolled: true },
    ),
    ...words.flatMap((sum, w) => {
      const own = times(Math.min(perWord, rows - perWord * w), (i) => localOf(perWord * w + i));
      return apart(c, sum, own, `${w}${tag}`);
    }),
  ];
}

/** Of an input. */
function products(
  { form, input }: Context,
  words: readonly Sum[],
  px: string,
  term: number,
  tag: string,
): readonly Stmt[] {
  const x = `x${term}${tag}`;
  const factors = (v: Expr): Readonly<Record<Kind, Expr>> => ({
    half: and(shr(v, 16), 0xffff),
    third: form.third === 'odd' ? and(shr(v, 8), 0x00ff00ff) : call('bytes_reversed', 'i32', v),
    all: v,
  });
  return [
    constant(x, load(px, input.elem, term)),
    ...words.flatMap((sum, w) => {
      const v = `v${term}_${w}${tag}`;
      const by = factors(local(v));
      return [
        constant(v, load('wt', 'i32', term * words.length + w)),
        ...kinds.map((kind) =>
          assign(sum(kind), wrapped('sum', local(sum(kind)), wrapped('product', local(x), by[kind]))),
        ),
      ];
    }),
  ];
}

/** The four sums of a word, to those of its rows. */
function apart({ form, sums }: Context, sum: Sum, rows: readonly string[], tag: string): readonly Stmt[] {
  const four = told(form, sum, tag);
  const own = times(rows.length, (i) => foundOf(i, tag));
  const last = four.findLastIndex(({ name }) => own.includes(name));
  return [
    ...four.slice(0, last + 1).map(({ name, value }) => constant(name, value)),
    ...rows.map((row, i) =>
      accumulate(row, call('known_within', 'i32', local(at(own, i)), int(sums.lo), int(sums.hi))),
    ),
  ];
}

const foundOf = (i: number, tag: string): string => `s${i}_${tag}`;

interface Told {
  readonly name: string;
  readonly value: Expr;
}

/** The four sums, one after the other. */
function told({ third: kind }: QuadForm, sum: Sum, tag: string): readonly Told[] {
  const [half, third, all, p] = [local(sum('half')), local(sum('third')), local(sum('all')), `p${tag}`];
  const names = times(perWord, (i) => foundOf(i, tag));
  const s = (i: number): Expr => local(at(names, i));
  const is = (i: number, value: Expr): Told => ({ name: at(names, i), value });
  const pair: Told = { name: p, value: less(all, half, 65536) };
  if (kind === 'odd')
    return [
      pair,
      is(0, low24(less(local(p), third, 256))),
      is(1, above(local(p), s(0))),
      is(2, low24(less(half, above(third, s(1))))),
      is(3, above(half, s(2))),
    ];
  return [
    is(2, mixed(half, third)),
    is(3, above(half, s(2))),
    pair,
    is(0, mixed(local(p), shr(less(less(third, s(3)), s(2), 256), 16))),
    is(1, above(local(p), s(0))),
  ];
}

/** a - factor b */
const less = (a: Expr, b: Expr, factor = 1): Expr =>
  wrapped('difference', a, factor === 1 ? b : wrapped('product', b, factor));

const low24 = (e: Expr): Expr => call('sign_extend', 'i32', e, 24);

/** t of low + 2^8 t. */
const above = (both: Expr, low: Expr): Expr => shr(less(both, low), 8);

/** s of a = s + 2^8 t and b = t + 2^8 s modulo 2^16. */
const mixed = (a: Expr, b: Expr): Expr => low24(wrapped('product', less(a, b, 256), 65537));
