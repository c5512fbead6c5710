/**
 * Kernels of nothing but sums of rows of stored weights, at random: every format, layout and way to walk it, not only
 * those that operators make. The answer is a plain sum over the weights that were stored.
 */
import fc from 'fast-check';
import { at } from '../../src/base/errors.ts';
import { candidatesFor, rowSum, startRows, storeRows, weightsOf } from '../../src/ir/formats/index.ts';
import {
  add,
  call,
  constant,
  int,
  load,
  local,
  loop,
  mul,
  store,
  sub,
  times,
  variable,
} from '../../src/ir/kernel/builders.ts';
import {
  type Expr,
  elemArrays,
  type Kernel,
  type Span,
  type Stmt,
  type StoredRows,
  type Table,
} from '../../src/ir/kernel/kernel.ts';
import {
  dense8,
  formatName,
  segmentOffsets,
  termsOf,
  type WeightFormat,
  type WeightLayout,
} from '../../src/ir/kernel/weight-format.ts';
import { Draw } from './draw.ts';

export interface SumRecipe {
  readonly seed: number;
  readonly rows: number;
  readonly segments: number;
  readonly pieces: number;
  readonly run: number;
  /** Elements between stretches beyond their ends: of a segment, of a piece. */
  readonly gaps: readonly [number, number];
  /** Of weights that are not 0; and of those, what share is as large as can be. */
  readonly density: number;
  readonly extreme: number;
  readonly bits: 8 | 4 | 2;
  readonly shared: boolean;
  /** Which of the formats of a kind that can hold the weights; dense where none can. */
  readonly kind: WeightFormat['kind'];
  readonly format: number;
  readonly walk: StoredRows['walk'];
  /** Sums of a statement, and elements from one to the next. */
  readonly sums: number;
  readonly apart: number;
  /** Elements from two sums to the next two, where they come in pairs. */
  readonly pairs?: number;
  /** Places where all rows are summed, elements from one to the next, and elements in front of the first. */
  readonly places: number;
  readonly stride: number;
  readonly before: number;
  /** Elements that a row's inputs lie beyond those of the row before. */
  readonly skip: number;
  /** Only parts of rows are taken, others at each place and for each sum; of dense rows of 8 bits. */
  readonly parts: boolean;
}

/** Of the inputs of a statement's sums of one row. */
const offsetOf = ({ apart, pairs }: SumRecipe, i: number): number =>
  pairs === undefined ? i * apart : (i % 2) * apart + Math.floor(i / 2) * pairs;

const upTo = (max: number, min = 1) => fc.integer({ min, max });

/** Runs on both sides of every vector and of every unrolled loop; all terms of each row. */
export const sumRecipes: fc.Arbitrary<SumRecipe> = fc.record({
  seed: fc.nat({ max: 1_000_000 }),
  rows: upTo(9),
  segments: upTo(4),
  pieces: fc.constantFrom(1, 1, 2, 3),
  run: fc.oneof(upTo(9), upTo(67)),
  gaps: fc.tuple(upTo(5, 0), upTo(5, 0)),
  density: fc.constantFrom(0, 0.1, 0.5, 1, 1),
  extreme: fc.constantFrom(0, 0, 0.3, 1),
  bits: fc.constantFrom(8, 8, 8, 4, 2),
  shared: fc.boolean(),
  kind: fc.constantFrom('dense', 'dense', 'dense', 'csr', 'rel', 'block', 'bitmap'),
  format: fc.nat({ max: 11 }),
  walk: fc.constantFrom('runs', 'runs', 'straight', 'turns'),
  sums: upTo(5),
  apart: upTo(9, 0),
  places: upTo(3),
  stride: upTo(7, 0),
  before: upTo(5, 0),
  skip: fc.constantFrom(0, 0, 1, 3),
  parts: fc.constant(false),
});

/** The same, of which some take parts of rows. */
export const partRecipes: fc.Arbitrary<SumRecipe> = fc
  .tuple(sumRecipes, fc.constantFrom(false, false, true))
  .map(([r, parts]) => ({ ...r, parts }));

export interface SumCase {
  readonly kernel: Kernel;
  readonly stored: StoredRows;
  readonly name: string;
  /** Of the kernel's only input, a u8 array. */
  readonly inputs: number;
  /** The sums that the kernel stores, as bytes of i32. */
  readonly answer: (input: Uint8Array) => Uint8Array;
}

function layoutOf(r: SumRecipe): WeightLayout {
  const isTurns = r.walk === 'turns';
  const [segments, pieces] = isTurns ? [1, 1] : [r.segments, r.pieces];
  const pieceStride = r.run + r.gaps[1];
  const segmentStride = pieces * pieceStride + r.gaps[0];
  const lanes = isTurns ? Math.min(r.rows, r.sums) : 1;
  return { rows: r.rows, segments, segmentStride, pieces, pieceStride, run: r.run, lanes };
}

function weightsFor(
  r: SumRecipe,
  count: number,
): { readonly weights: Int8Array; readonly codebook?: Int8Array } {
  const draw = new Draw(r.seed);
  const largest = 2 ** (r.bits - 1) - 1;
  const values = Int8Array.from([
    0,
    ...times(2 ** Math.min(4, r.bits) - 1, () => draw.int(-largest, largest)),
  ]);
  const one = (): number => {
    if (draw.unit() >= r.density) return 0;
    if (r.shared) return at(values, draw.int(0, values.length - 1));
    return draw.unit() < r.extreme ? (draw.unit() < 0.5 ? largest : -largest) : draw.int(-largest, largest);
  };
  const weights = Int8Array.from({ length: count }, one);
  return r.shared ? { weights, codebook: values } : { weights };
}

/** What the sums of a statement take of their rows. */
interface Taken {
  /** Segments at place 0; at the next place one less on either side. */
  readonly segments: Span<number>;
  /** By sum. */
  readonly pieces: readonly Span<number>[];
}

function takenOf(r: SumRecipe, { segments, pieces }: WeightLayout): Taken {
  const draw = new Draw(r.seed + 2);
  const span = (count: number): Span<number> => {
    const from = draw.int(0, count);
    return { from, to: draw.int(from, count) };
  };
  const some = (): Span<number> => {
    const from = draw.int(0, pieces - 1);
    return { from, to: draw.int(from + 1, pieces) };
  };
  const pieceSpan = () => (draw.int(0, 9) === 0 ? span(pieces) : some());
  return { segments: span(segments + r.places - 1), pieces: times(r.sums, pieceSpan) };
}

const clamped = (x: number, lo: number, hi: number): number => Math.min(hi, Math.max(lo, x));

function segmentsAt({ segments: { from, to } }: Taken, place: number, count: number): Span<number> {
  const first = clamped(from - place, 0, count);
  return { from: first, to: clamped(to - place, first, count) };
}

/** The same, as the kernel computes it. */
const partsIn = (
  taken: Taken,
  p: Expr,
  count: number,
): { segments: Span<Expr>; before: readonly Stmt[] } => ({
  segments: { from: local('s_from'), to: local('s_to') },
  before: [
    constant('s_from', call('clamp', 'i32', sub(taken.segments.from, p), int(0), int(count))),
    constant('s_to', call('clamp', 'i32', sub(taken.segments.to, p), local('s_from'), int(count))),
  ],
});

/** A product of the answer: by place, row and sum, the term and the index of its input. */
interface Product {
  readonly sum: number;
  readonly weight: number;
  readonly input: number;
}

function productsOf(r: SumRecipe, l: WeightLayout, skip: number, perRow: number, taken: Taken | undefined) {
  const offsets = segmentOffsets(l);
  const products: Product[] = [];
  const isIn = (i: number, span: Span<number> | undefined) =>
    span === undefined || (i >= span.from && i < span.to);
  for (let i = 0; i < r.places * r.rows * perRow; i++) {
    const [place, row, j] = [Math.floor(i / perRow / r.rows), Math.floor(i / perRow) % r.rows, i % perRow];
    const first = r.before + place * r.stride + row * skip + offsetOf(r, j);
    for (let t = 0; t < termsOf(l); t++) {
      const [s, one] = [Math.floor(t / offsets.length), t % offsets.length];
      const isTaken =
        isIn(s, taken && segmentsAt(taken, place, l.segments)) &&
        isIn(Math.floor(one / l.run), taken?.pieces[j]);
      const input = first + s * l.segmentStride + at(offsets, one);
      if (isTaken) products.push({ sum: i, weight: row * termsOf(l) + t, input });
    }
  }
  return products;
}

/** Rows in turns are dense, those in a straight line have 8 bits. */
function formatFor(r: SumRecipe, layout: WeightLayout, values: ReturnType<typeof weightsFor>): WeightFormat {
  if (r.walk === 'straight') return dense8;
  const all = candidatesFor(layout, values);
  const wanted = all.filter(({ kind }) => kind === (r.walk === 'turns' ? 'dense' : r.kind));
  return wanted.length === 0 ? dense8 : at(wanted, r.format % wanted.length);
}

/** Statements of a block of rows from `row` on, `lanes` of them; every sum is stored. */
export function sumCase(r: SumRecipe): SumCase {
  const layout = layoutOf(r);
  const values = weightsFor(r, r.rows * termsOf(layout));
  const format = formatFor(r, layout, values);
  const { tables, stored } = storeRows(
    { name: 'k', layout, values: values.weights, elem: 'i8', ...values },
    format,
    r.walk,
  );
  const bias: Table = { name: 'k_bias', elem: 'i32', data: times(r.rows, (i) => 1000 * i - 3) };
  const perRow = r.walk === 'turns' ? 1 : r.sums;
  const skip = r.walk === 'turns' ? 0 : r.skip;
  const isDense8 = r.walk !== 'turns' && formatName(format) === formatName(dense8);
  const taken = r.parts && isDense8 ? takenOf(r, layout) : undefined;
  const products = productsOf(r, layout, skip, perRow, taken);
  const indices = products.map(({ input }) => input);
  // Nothing lies in front of the first input that is taken, and nothing behind the last.
  const from = taken === undefined ? 0 : indices.reduce((a, b) => Math.min(a, b), Infinity);
  const inputs = indices.length === 0 ? 1 : indices.reduce((a, b) => Math.max(a, b), 0) - from + 1;
  const parts = { r, stored, skip, perRow, taken, before: indices.length === 0 ? 0 : r.before - from };
  const whole = r.rows - (r.rows % layout.lanes);
  return {
    stored,
    name: `${formatName(format, stored.codebook !== undefined)}, ${r.walk}`,
    inputs,
    kernel: {
      name: 'k',
      doc: [],
      params: [
        { name: 'in', role: 'in', elem: 'u8', length: inputs },
        { name: 'out', role: 'out', elem: 'i32', length: r.places * r.rows * perRow },
      ],
      tables: [...tables, bias],
      body: loop('p', r.places, (p) => [
        ...(taken === undefined ? [] : partsIn(taken, p, layout.segments).before),
        startRows(stored),
        ...block(parts, p, layout.lanes, 0, whole, ''),
        ...(whole < r.rows ? block(parts, p, r.rows - whole, whole, r.rows, '_rest') : []),
      ]),
      macs: 0,
      weights: weightsOf(stored, { name: 'k', layout, values: values.weights, elem: 'i8' }),
    },
    answer: naive(products, r.places * r.rows * perRow, parts, values.weights, from),
  };
}

interface Parts {
  readonly r: SumRecipe;
  readonly stored: StoredRows;
  readonly skip: number;
  readonly perRow: number;
  readonly taken: Taken | undefined;
  /** Elements in front of the first place. */
  readonly before: number;
}

function block(
  { r, stored, skip, perRow, taken, before }: Parts,
  p: Expr,
  lanes: number,
  from: number,
  to: number,
  suffix: string,
) {
  const terms = times(lanes * perRow, (i) => ({
    local: `acc${i}${suffix}`,
    row: Math.floor(i / perRow),
    offset: offsetOf(r, i % perRow),
    ...(taken === undefined ? {} : { pieces: at(taken.pieces, i % perRow) }),
  }));
  return loop(
    `o${suffix}`,
    to,
    (o) => [
      ...terms.map(({ local: name, row }) => variable(name, load('k_bias', 'i32', add(o, row)))),
      rowSum({
        stored,
        row: o,
        from: 'in',
        elem: 'u8',
        first: add(mul(p, r.stride), before),
        skip: mul(o, skip),
        ...(taken === undefined ? {} : { segments: partsIn(taken, p, stored.layout.segments).segments }),
        type: 'i32',
        sums: terms,
        suffix,
      }),
      ...terms.map(({ local: name }, i) =>
        store('out', 'i32', add(mul(add(mul(p, r.rows), o), perRow), i), local(name)),
      ),
    ],
    { from, step: lanes },
  );
}

/** By the definition of the statement. */
function naive(
  products: readonly Product[],
  sums: number,
  { r, perRow }: Parts,
  weights: Int8Array,
  from: number,
) {
  return (input: Uint8Array): Uint8Array => {
    const values = times(sums, (i) => 1000 * (Math.floor(i / perRow) % r.rows) - 3);
    for (const { sum, weight, input: i } of products)
      values[sum] = at(values, sum) + at(weights, weight) * at(input, i - from);
    return new Uint8Array(elemArrays.i32.from(values).buffer);
  };
}

/** Inputs of a case: noise with extremes among it. */
export function sumInput(r: SumRecipe, length: number): Uint8Array {
  const draw = new Draw(r.seed + 1);
  return Uint8Array.from({ length }, () => {
    const kind = draw.int(0, 3);
    return kind === 0 ? 0 : kind === 1 ? 255 : draw.int(0, 255);
  });
}
