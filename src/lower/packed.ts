/**
 * Two products a multiplication, on any chip. Two rows of weights share their inputs, so their weights w0 and w1 are
 * stored as one number v = w0 + 65536 w1: x * v adds x * w0 to the low half of an accumulator and x * w1 to the high
 * one. Over a segment of terms the low half's sum lies in -255 N .. 255 P, for N and P the sums of negative weights,
 * without their sign, and of positive ones. Beginning at 255 N it stays in 0 .. 65535 if N + P <= 257, and no term
 * of it reaches the high half. That begins at 255 N - 32768, so the accumulator stays an int32.
 *
 * At its end a segment is taken apart: high += acc >> 16, low += acc. In the end low - 65536 high, modulo 2^32, is the
 * sum of the low halves: low begins with 65536 times what high begins with, or that is subtracted from high. Where weights of a segment are too large, what is too much of them is multiplied alone.
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
  maximum,
  mul,
  pointer,
  shr,
  sub,
  times,
  variable,
} from '../ir/kernel/builders.ts';
import type { Expr, Kernel, RowSum, RowTerm, Stmt, Table } from '../ir/kernel/kernel.ts';
import { expressionsIn, rowSumsIn, statementsIn } from '../ir/kernel/walk.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import { decodeRows } from '../program/rows.ts';
import { copied } from './copies.ts';
import { fromRows, type Jam, type Pass } from './jam.ts';
import {
  biasOf,
  type Loops,
  type PackedRows,
  packedTables,
  packRows,
  runsJoined,
  segmentsOf,
} from './pair-tables.ts';

/** One byte each, row by row, of unsigned inputs. */
export function isPackable({ stored, elem, type }: RowSum): boolean {
  const { format, layout, codebook, walk } = stored;
  const isPlain = format.kind === 'dense' && format.bits === 8 && codebook === undefined;
  const inOrder = walk === 'turns' || (walk === 'runs' && layout.lanes === 1);
  return isPlain && inOrder && elem === 'u8' && type === 'i32';
}

/** Rows of a pass: where they stand in turns, those that do. */
const rowsAPass = ({ lanes }: WeightLayout, { pairs }: Loops): number => (lanes > 1 ? lanes : 2 * pairs);

/** Full passes, then what is left: the tables' order is that of their description, also where rows are in groups. */
function passesOf(rows: number, width: number): readonly number[] {
  const rest = rows % width;
  return [...times(Math.floor(rows / width), () => width), ...(rest > 0 ? [rest] : [])];
}

const names = { pairs: 'pairs', counts: 'counts', rests: 'rests' } as const;

interface Known {
  readonly kernel: Kernel;
  readonly packing: Loops;
  readonly form: Kernel | undefined;
}

/** By body of the kernel: what is priced is printed later, of a kernel that says more of its weights. */
const known = new WeakMap<Kernel['body'], Known[]>();

/** The kernel with sums of rows two at a time; undefined where it has none that can be packed. */
export function packed(kernel: Kernel, packing: Loops): Kernel | undefined {
  const all = known.get(kernel.body) ?? [];
  const found = all.find((one) => isSame(one.kernel, kernel) && isSamePacking(one.packing, packing));
  if (found !== undefined) return found.form;
  const form = packedForm(kernel, packing);
  known.set(kernel.body, [...all, { kernel, packing, form }]);
  return form;
}

/** But for how its weights are packed. */
const isSame = (a: Kernel, b: Kernel): boolean =>
  isAlike(a, b, ['weights']) && isAlike(a.weights ?? {}, b.weights ?? {}, ['packing', 'packings']);

/** Whether the same things stand in two objects, but under some names. */
function isAlike(a: object, b: object, but: readonly string[]): boolean {
  const [own, others] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
  return [...own.keys(), ...others.keys()].every(
    (key) => but.includes(key) || own.get(key) === others.get(key),
  );
}

const isSamePacking = (a: Loops, b: Loops): boolean =>
  a.pixels === b.pixels && a.pairs === b.pairs && a.terms === b.terms;

function packedForm(kernel: Kernel, packing: Loops): Kernel | undefined {
  const { weights, name, body, doc, ...rest } = kernel;
  const bias = biasTable(kernel);
  if (weights === undefined || bias === undefined) return undefined;
  const { layout, stream } = weights;
  // Tables follow from the order in which rows are taken, which only the lowered code says.
  const order = fromRows(body, jamOf(packing, layout, undefined))?.passes;
  if (order?.join() !== passesOf(layout.rows, rowsAPass(layout, packing)).join()) return undefined;
  const rows = packRows(decodeRows(kernel), bias.data, layout, order ?? [], packing);
  const lowered = must(fromRows(body, jamOf(packing, layout, { kernel, rows })), 'the same rows').body;
  const others = kernel.tables.filter((table) => table.name !== stream && table !== bias);
  return {
    ...rest,
    name,
    doc: [...doc, says],
    tables: [...packedTables(name, rows), ...others],
    body: copied(lowered, { name: (n) => (n === bias.name ? biasOf(name) : n), values: new Map() }),
  };
}

/**
 * The table that the accumulators of rows begin with, if it is read nowhere else: each by the number of its row, or as
 * a copy of another of that row.
 */
function biasTable({ body, tables }: Kernel): Table | undefined {
  const sums = rowSumsIn(body).map(({ sum }) => sum);
  const rowOf = new Map(
    sums.flatMap((sum) => sum.sums.map((one) => [one.local, add(sum.row, one.row)] as const)),
  );
  const begins = [...statementsIn(body)].filter((s) => s.kind === 'let' && rowOf.has(s.name));
  const loads = begins.flatMap((s) =>
    s.kind === 'let' && s.value.kind === 'load' ? [{ ...s.value, by: s.name }] : [],
  );
  const table = tables.find(({ name, elem }) => name === loads[0]?.from && elem === 'i32');
  const isCopy = (s: Stmt): boolean =>
    s.kind === 'let' &&
    s.value.kind === 'local' &&
    sameExpr(must(rowOf.get(s.name), 'a sum'), rowOf.get(s.value.name));
  const fits =
    begins.every((s) => (s.kind === 'let' && s.value.kind === 'load') || isCopy(s)) &&
    loads.every(({ from, index, by }) => from === table?.name && sameExpr(index, rowOf.get(by)));
  const uses = [...expressionsIn(body)].filter((e) => e.kind === 'load' && e.from === table?.name).length;
  return fits && uses === loads.length && !arraysPointedTo(body).has(table?.name ?? '') ? table : undefined;
}

const sameExpr = (a: Expr, b: Expr | undefined): boolean => JSON.stringify(a) === JSON.stringify(b);

const arraysPointedTo = (body: readonly Stmt[]): ReadonlySet<string> =>
  new Set([...statementsIn(body)].flatMap((s) => (s.kind === 'pointer' ? [s.base] : [])));

const says =
  'Two outputs a multiplication: a number of the table is the weight of one plus 65536 times the weight of the next, and the halves of an accumulator are their sums over a few terms.';

interface Made {
  readonly kernel: Kernel;
  readonly rows: PackedRows;
}

const jamOf = (packing: Loops, layout: WeightLayout, made: Made | undefined): Jam => ({
  takes: isPackable,
  joined: (_, passes) => passesOf(passes, layout.lanes > 1 ? 1 : 2 * packing.pairs),
  start: () => (made === undefined ? [] : startOf(made)),
  body: (pass) => (made === undefined ? [] : passBody({ ...made, packing, layout, pass })),
  whole: (pass, before, after) =>
    made === undefined ? [] : loopOfParts({ ...made, packing, layout, pass }, before, after),
});

function startOf({ kernel, rows }: Made): readonly Stmt[] {
  const tables = packedTables(kernel.name, rows);
  return [names.pairs, names.counts, names.rests].flatMap((name) => {
    const table = tables.find((one) => one.name === `${kernel.name}_${name}`);
    return table === undefined ? [] : [pointer(name, table.name, table.elem, 0, { mutable: true })];
  });
}

interface Context extends Made {
  readonly packing: Loops;
  readonly layout: WeightLayout;
  readonly pass: Pass;
}

/** Some of a pass's sums: two accumulators for each pair of rows and each of these places. */
interface Part {
  readonly pairs: number;
  readonly places: readonly Place[];
  /** Elements from where the places are to where the sums are made. */
  readonly skip: Expr;
  /** Keeps names apart. */
  readonly tag: string;
}

interface Place {
  readonly offset: number;
  /** By row. */
  readonly locals: readonly string[];
  readonly index: number;
}

function placesOf({ sums, rows }: Pass): readonly Place[] {
  const of = (row: number): readonly RowTerm[] => sums.filter((sum) => sum.row === row);
  return of(0).map(({ offset }, index) => ({
    offset,
    index,
    locals: times(rows, (row) => at(of(row), index).local),
  }));
}

function passBody(c: Context): readonly Stmt[] {
  const { pass, packing, rows } = c;
  const places = placesOf(pass);
  const pairs = Math.ceil(pass.rows / 2);
  const parts = times(Math.ceil(places.length / packing.pixels), (i): Part => {
    const own = places.slice(i * packing.pixels, (i + 1) * packing.pixels);
    return {
      pairs,
      places: own,
      skip: int(0),
      tag: `${places.length > packing.pixels ? `_${i}` : ''}${pass.tag}`,
    };
  });
  return [
    ...beginsOf(c, pairs, places),
    ...parts.flatMap((part) => partBody(c, part)),
    ...(rows.rests.length > 0
      ? [
          ...remainders(c, { pairs, places, skip: int(0), tag: pass.tag }, names.rests),
          ...advance(names.counts, pass.rows),
        ]
      : []),
    ...advance(names.pairs, lengthOf(c, pairs)),
  ];
}

/** Where the sums of each pair's second row begin, if the first ones do not begin with it too. */
const beginsOf = ({ pass, rows }: Context, pairs: number, places: readonly Place[]): readonly Stmt[] =>
  rows.isTogether
    ? []
    : times(pairs, (q) => {
        const upper = at(places, 0).locals[2 * q + 1];
        return upper === undefined ? [] : [constant(beginOf(q, pass.tag), local(upper))];
      }).flat();

const beginOf = (q: number, tag: string): string => `begin${q}${tag}`;

/**
 * The same code for some places after the others, where what follows is the largest sum of all places. Nothing is
 * stored before all sums are made, as in the plain kernel.
 */
function loopOfParts(
  c: Context,
  before: readonly (readonly Stmt[])[],
  after: readonly (readonly Stmt[])[],
): readonly Stmt[] | undefined {
  const { pass, packing, rows } = c;
  const { tag } = pass;
  const places = placesOf(pass);
  const pairs = Math.ceil(pass.rows / 2);
  const own = places.slice(0, packing.pixels);
  const walk = partsWalk(
    places.map(({ offset }) => offset),
    packing.pixels,
    tag,
  );
  const ends = after.map((body, k) =>
    behindMaximum(
      body,
      places.map(({ locals }) => at(locals, k)),
    ),
  );
  if (walk === undefined || ends.some((end) => end === undefined)) return undefined;
  const sums = at(places, 0).locals;
  const others = new Set(places.slice(1).flatMap(({ locals }) => locals));
  const [best, sum] = [(name: string) => `best_${name}`, (name: string) => `sum_${name}`];
  const moved = own.map((place) => ({ ...place, locals: place.locals.map(sum) }));
  const hasRests = rows.rests.length > 0;
  return [
    ...before.flat().filter((s) => s.kind !== 'let' || !others.has(s.name)),
    ...beginsOf(c, pairs, places),
    ...sums.map((name) => variable(best(name), int(rows.least))),
    ...walk((skip) => [
      ...own.flatMap(({ locals }) => locals.map((name, k) => variable(sum(name), local(at(sums, k))))),
      ...partBody(c, { pairs, places: moved, skip, tag }),
      ...(hasRests
        ? [
            pointer(`rest${tag}`, names.rests, rows.restElem, 0, { mutable: true }),
            ...remainders(c, { pairs, places: moved, skip, tag }, `rest${tag}`),
          ]
        : []),
      ...own.flatMap(({ locals }) =>
        locals.map((name, k) => {
          const most = best(at(sums, k));
          return assign(most, maximum(local(sum(name)), local(most)));
        }),
      ),
    ]),
    ...sums.map((name) => assign(name, local(best(name)))),
    ...(hasRests
      ? [
          ...times(pass.rows, (k) =>
            advance(names.rests, mul(load(names.counts, rows.countElem, k), 2)),
          ).flat(),
          ...advance(names.counts, pass.rows),
        ]
      : []),
    ...advance(names.pairs, lengthOf(c, pairs)),
    ...ends.flatMap((end) => must(end, 'an end')),
  ];
}

type Walk = (body: (skip: Expr) => readonly Stmt[]) => readonly Stmt[];

/**
 * Loops over parts of so many places: one where their distances are equal, two for a square of them. Two parts are
 * written out: with gcc 12 -O3 the CIFAR net then executes 3 % fewer instructions on Cortex-M3 and RV32IMC.
 */
function partsWalk(offsets: readonly number[], pixels: number, tag: string): Walk | undefined {
  const parts = offsets.length / pixels;
  if (parts < 3 || !Number.isInteger(parts)) return undefined;
  const isLike = offsets.every(
    (offset, i) => offset - at(offsets, i - (i % pixels)) === at(offsets, i % pixels) - at(offsets, 0),
  );
  const starts = times(parts, (i) => at(offsets, i * pixels) - at(offsets, 0));
  const step = at(starts, 1);
  if (!isLike) return undefined;
  if (starts.every((start, i) => start === i * step))
    return (body) => loop(`part${tag}`, parts, (i) => body(mul(i, step)));
  const down = starts[2] ?? 0;
  if (parts !== 4 || starts[3] !== down + step) return undefined;
  return (body) =>
    loop(`down${tag}`, 2, (y) => loop(`right${tag}`, 2, (x) => body(add(mul(y, down), mul(x, step)))));
}

/** What follows on a maximum of all these locals, which the first one then is; undefined: something else. */
function behindMaximum(body: readonly Stmt[], sums: readonly string[]): readonly Stmt[] | undefined {
  const first = at(sums, 0);
  const joins = sums.slice(1).map((name) => assign(first, maximum(local(name), local(first))));
  const end = body.slice(joins.length);
  const isMaximum = JSON.stringify(body.slice(0, joins.length)) === JSON.stringify(joins);
  const others = new Set(sums.slice(1));
  const reads = [...expressionsIn(end)].some((e) => e.kind === 'local' && others.has(e.name));
  return joins.length > 0 && isMaximum && !reads ? end : undefined;
}

/** Numbers of a pass: its head, then of each segment its beginnings and its weights. */
const lengthOf = ({ layout, packing }: Context, pairs: number): number =>
  pairs * segmentsOf(layout, packing.terms).reduce((sum, length) => sum + 1 + length, 0);

/** Loops over terms: their passes are not written out. */
const rolled = { rolled: true } as const;

function partBody(c: Context, part: Part): readonly Stmt[] {
  const { pairs, places, tag } = part;
  const joined = runsJoined(c.layout, c.packing.terms);
  return [
    pointer(`wt${tag}`, names.pairs, 'i32', 0, { mutable: true }),
    ...(joined > 1 ? overJoined(c, part, joined) : overRuns(c, part)),
    ...times(pairs, (q) => places.flatMap((place) => taken(c, q, place))).flat(),
  ];
}

/** Segments along each run. */
function overRuns(c: Context, part: Part): readonly Stmt[] {
  const { places, tag } = part;
  const { segments, segmentStride, pieces, pieceStride, run } = c.layout;
  const { terms } = c.packing;
  const rest = run % terms;
  const skip = (ky: Expr, kx: Expr): Expr =>
    add(part.skip, mul(ky, segmentStride), mul(kx, pieceStride), at(places, 0).offset);
  const along = (): readonly Stmt[] => [
    ...segment(part, { px: `px${tag}`, runs: [terms], stride: 0, end: '' }),
    ...advance(`px${tag}`, terms),
  ];
  const piece = (ky: Expr, kx: Expr): readonly Stmt[] => [
    inputs(c, `px${tag}`, skip(ky, kx)),
    ...loop(`i${tag}`, Math.floor(run / terms), along, rolled),
    ...(rest > 0 ? segment(part, { px: `px${tag}`, runs: [rest], stride: 0, end: '_end' }) : []),
  ];
  return loop(`ky${tag}`, segments, (ky) => loop(`kx${tag}`, pieces, (kx) => piece(ky, kx), rolled), rolled);
}

/** Segments of some whole runs. */
function overJoined(c: Context, part: Part, joined: number): readonly Stmt[] {
  const { segments, segmentStride: stride, run } = c.layout;
  const px = `px${part.tag}`;
  const runs = times(joined, () => run);
  return loop(
    `ky${part.tag}`,
    segments / joined,
    (ky) => [
      inputs(c, px, add(part.skip, mul(ky, joined * stride), at(part.places, 0).offset)),
      ...segment(part, { px, runs, stride, end: '' }),
    ],
    rolled,
  );
}

/** A pointer to the inputs of the first sum's terms, `skip` elements on. */
const inputs = ({ pass: { sum } }: Context, name: string, skip: Expr): Stmt =>
  pointer(name, sum.from, sum.elem, add(add(sum.first, sum.skip), skip), { mutable: true });

/** Some terms: lengths of runs, whose inputs are so many elements apart. */
interface Segment {
  readonly px: string;
  readonly runs: readonly number[];
  readonly stride: number;
  /** Keeps names apart. */
  readonly end: string;
}

/** Some terms, of all accumulators, and these taken apart. */
function segment({ pairs, places, tag }: Part, { px, runs, stride, end }: Segment): readonly Stmt[] {
  const wt = `wt${tag}`;
  const first = at(places, 0);
  const acc = (q: number, { index }: Place): string => `acc_${q}_${index}${tag}${end}`;
  const begins = times(pairs, (q) =>
    places.map((place, i) => variable(acc(q, place), i === 0 ? load(wt, 'i32', q) : local(acc(q, first)))),
  );
  const product = (t: number, near: number): readonly Stmt[] => {
    const x = ({ index }: Place): string => `x${t}_${index}${tag}${end}`;
    const v = (q: number): string => `v${t}_${q}${tag}${end}`;
    const input = (place: Place): Stmt =>
      constant(x(place), load(px, 'u8', near + place.offset - first.offset));
    const weights = times(pairs, (q) => constant(v(q), load(wt, 'i32', (1 + t) * pairs + q)));
    const add = (q: number, place: Place): Stmt =>
      accumulate(acc(q, place), mul(local(x(place)), local(v(q))));
    // Many inputs, one after the other, need one register.
    return places.length > 2
      ? [...weights, ...places.flatMap((place) => [input(place), ...times(pairs, (q) => add(q, place))])]
      : [...places.map(input), ...weights, ...times(pairs, (q) => places.map((p) => add(q, p))).flat()];
  };
  let term = 0;
  const products = runs.map((run, i) => {
    const [from, order] = [term, termOrder(places, run)];
    term += run;
    return [
      ...order.flatMap((near) => product(from + near, near)),
      ...(i < runs.length - 1 ? advance(px, stride) : []),
    ];
  });
  return [
    ...begins.flat(),
    ...products.flat(),
    ...times(pairs, (q) => places.flatMap((place) => apart(place, q, local(acc(q, place))))).flat(),
    ...advance(wt, (1 + term) * pairs),
  ];
}

/**
 * In which order terms are added. The first place's term t + d has the input of the second one's term t, for d elements
 * between them: one after the other, the input is in a register for both, and no longer. LeNet-5 then executes 4 % fewer
 * instructions on Cortex-M3.
 */
function termOrder(places: readonly Place[], run: number): readonly number[] {
  const [first, second] = places;
  const apart = first && second ? second.offset - first.offset : 0;
  return apart > 0
    ? times(Math.min(apart, run), (t) => times(Math.ceil((run - t) / apart), (k) => t + k * apart)).flat()
    : times(run, (t) => t);
}

/** The accumulator of a segment, to the sums of its two rows. */
function apart({ locals }: Place, q: number, acc: Expr): readonly Stmt[] {
  const [low, upper] = [at(locals, 2 * q), locals[2 * q + 1]];
  const whole = assign(low, call('wrapped_sum', 'i32', local(low), acc));
  return upper === undefined ? [whole] : [whole, accumulate(upper, shr(acc, 16))];
}

/** What the high halves added is taken out of a pair's first sum. */
function taken({ pass, rows }: Context, q: number, { locals }: Place): readonly Stmt[] {
  const [name, upper] = [at(locals, 2 * q), locals[2 * q + 1]];
  const within = (sum: Expr): readonly Stmt[] => [
    assign(name, call('known_within', 'i32', sum, int(rows.lo), int(rows.hi))),
  ];
  if (upper === undefined) return within(local(name));
  const high = rows.isTogether ? local(upper) : sub(local(upper), local(beginOf(q, pass.tag)));
  const below = call('wrapped_product', 'i32', high, int(65536));
  return within(call('wrapped_difference', 'i32', local(name), below));
}

/** What was too much, row by row: where a term's input lies, and what is missing of the weight. */
function remainders(c: Context, { places, skip, tag }: Part, rests: string): readonly Stmt[] {
  const { restElem: elem, countElem } = c.rows;
  const first = at(places, 0);
  const one = (k: number): readonly Stmt[] => {
    const [near, less] = [`near${k}${tag}`, `less${k}${tag}`];
    return [
      inputs(c, near, add(skip, load(rests, elem, 0), first.offset)),
      constant(less, load(rests, elem, 1)),
      ...places.map(({ offset, locals }) =>
        accumulate(at(locals, k), mul(load(near, 'u8', offset - first.offset), local(less))),
      ),
      ...advance(rests, 2),
    ];
  };
  return times(c.pass.rows, (k) => [
    constant(`count${k}${tag}`, load(names.counts, countElem, k)),
    ...loop(`n${k}${tag}`, local(`count${k}${tag}`), () => one(k)),
  ]).flat();
}
