/**
 * Sums of rows of weights times inputs, 16 products at a time. Helium multiplies u8 by u8: with w' = w + 128, the sum
 * of w x is the sum of w' x less 128 times the sum of x, which all rows at a place have in common. Inputs beyond the
 * end of a run are not loaded; their lanes are 0, whatever the weights beside them.
 */
import { at } from '../base/errors.ts';
import {
  add,
  advance,
  assign,
  call,
  constant,
  gather,
  loadVector,
  local,
  loop,
  mul,
  pointer,
  times,
  variable,
} from '../ir/kernel/builders.ts';
import { hull, type Interval } from '../ir/kernel/interval.ts';
import type { Expr, RowSum, Stmt, Table } from '../ir/kernel/kernel.ts';
import { segmentOffsets, termsOf, type WeightLayout } from '../ir/kernel/weight-format.ts';
import type { NewName } from './fresh-names.ts';

const width = 16;
/** Added to a weight, which makes a byte of it. */
const shift = 128;
/** Steps that are written out one after the other. */
const mostSteps = 6;

/** Rows of weights for loads of 16: groups of rows in turns, vector by vector; runs end with a vector of their own. */
export interface DotRows {
  readonly layout: WeightLayout;
  /** Rows of a group. */
  readonly group: number;
  readonly table: Table;
  /** Of a row, in the table. */
  readonly rowBytes: number;
  /** Where the sums of all rows lie, for all bytes. */
  readonly sums: Interval;
}

/** Whole vectors of a run, and elements of the last one if it is none. */
const partsOf = ({ run }: WeightLayout) => ({ whole: Math.floor(run / width), rest: run % width });

/** Neighbouring runs are one. */
export function joined(l: WeightLayout): WeightLayout {
  if (l.pieces > 1 && l.pieceStride === l.run) return joined({ ...l, pieces: 1, run: l.run * l.pieces });
  if (l.segments > 1 && l.pieces === 1 && l.segmentStride === l.run)
    return joined({ ...l, segments: 1, run: l.run * l.segments });
  return l;
}

export function dotRows(
  name: string,
  layout: WeightLayout,
  rows: readonly Int32Array[],
  group: number,
): DotRows {
  const perRun = Math.ceil(layout.run / width) * width;
  const runs = layout.segments * layout.pieces;
  const rowBytes = runs * perRun;
  const data = new Uint8Array(rows.length * rowBytes);
  let next = 0;
  for (let first = 0; first < rows.length; first += group)
    for (let i = 0; i < rowBytes; i += width)
      for (const row of rows.slice(first, first + group))
        for (let lane = 0; lane < width; lane++) {
          const inRun = (i % perRun) + lane;
          const term = Math.floor(i / perRun) * layout.run + inRun;
          data[next++] = inRun < layout.run ? at(row, term) + shift : 0;
        }
  const says = `Weights plus ${shift}, ${group} outputs in turns, 16 bytes of each; runs of ${layout.run} are filled up to whole vectors.`;
  const sums = hull(
    rows.flatMap((row) => {
      const [below, above] = [row.filter((w) => w < 0), row.filter((w) => w > 0)];
      return [below, above].map((some) => 255 * some.reduce((sum, w) => sum + w, 0));
    }),
  );
  return { layout, group, rowBytes, sums, table: { name, elem: 'u8', data, rowLength: rowBytes, says } };
}

/** A sum that is made: what 128 is taken off for is in it no more, so it lies where the weights say. */
export const within = ({ sums: { lo, hi } }: DotRows, sum: string): Expr =>
  call('known_within', 'i32', local(sum), lo, hi);

/** Where the inputs of a sum begin. */
export type Place = Pick<RowSum, 'from' | 'first'> & { readonly offset: number };

/** What happens to each vector of inputs: the statements of one step. */
type Step = (inputs: readonly Expr[]) => readonly Stmt[];

/** Walks over the inputs of some places, 16 at a time. */
function walk(l: WeightLayout, places: readonly Place[], names: NewName, step: Step): readonly Stmt[] {
  const { whole, rest } = partsOf(l);
  const pointers = places.map(() => names('px'));
  const one = (count: number, isLast: boolean): readonly Stmt[] => {
    const inputs = places.map(() => names('x'));
    return [
      ...inputs.flatMap((x, p) => [
        constant(x, loadVector('u8x16', at(pointers, p), 'u8', 0, count)),
        ...(isLast ? [] : advance(at(pointers, p), width)),
      ]),
      ...step(inputs.map((x) => local(x, 'u8x16'))),
    ];
  };
  const starts = (from: Expr): readonly Stmt[] =>
    places.map((place, p) =>
      pointer(at(pointers, p), place.from, 'u8', add(place.first, from, place.offset), {
        mutable: l.run > width,
      }),
    );
  const tail = rest === 0 ? [] : one(rest, true);
  const run = (from: Expr): readonly Stmt[] => [
    ...starts(from),
    ...steps(whole, names, (isLast) => one(width, isLast && rest === 0)),
    ...tail,
  ];
  return loop(names('segment'), l.segments, (s) =>
    loop(names('piece'), l.pieces, (p) => run(add(mul(s, l.segmentStride), mul(p, l.pieceStride)))),
  );
}

/** Few steps in a straight line, many in a loop over a few of them. */
function steps(count: number, names: NewName, one: (isLast: boolean) => readonly Stmt[]): readonly Stmt[] {
  if (count <= mostSteps) return times(count, (i) => one(i === count - 1)).flat();
  const unroll = [6, 5, 4, 3].find((n) => count % n === 0) ?? 4;
  const left = count % unroll;
  return [
    ...loop(names('pass'), Math.floor(count / unroll), () => times(unroll, () => one(false)).flat()),
    ...times(left, (i) => one(i === left - 1)).flat(),
  ];
}

/** Locals that hold -128 times the sum of each place's inputs. */
export function inputSums(
  l: WeightLayout,
  places: readonly Place[],
  names: NewName,
): { readonly statements: readonly Stmt[]; readonly sums: readonly Expr[] } {
  const made = places.map((place) => {
    const [total, sum] = [names('total'), names('base')];
    const statements = [
      variable(total, 0),
      ...walk(l, [place], names, (x) => [assign(total, call('sum_u8x16', 'i32', local(total), ...x))]),
      constant(sum, mul(local(total), -shift)),
    ];
    return { statements, sum: local(sum) };
  });
  return { statements: made.flatMap(({ statements }) => statements), sums: made.map(({ sum }) => sum) };
}

/**
 * Adds to `sums[row][place]` the rows of one group from `row` on.
 * @param row a multiple of the group's rows
 */
export function dots(
  rows: DotRows,
  row: Expr,
  places: readonly Place[],
  sums: readonly (readonly string[])[],
  names: NewName,
): readonly Stmt[] {
  const weights = names('wt');
  const step: Step = (inputs) =>
    sums.flatMap((ofRow) => {
      const w = names('w');
      return [
        constant(w, loadVector('u8x16', weights, 'u8', 0)),
        ...advance(weights, width),
        ...ofRow.map((sum, p) =>
          assign(sum, call('dot_u8x16', 'i32', local(sum), at(inputs, p), local(w, 'u8x16'))),
        ),
      ];
    });
  return [
    pointer(weights, rows.table.name, 'u8', mul(row, rows.rowBytes), { mutable: true }),
    ...walk(rows.layout, places, names, step),
  ];
}

/** Inputs of all places that stay in registers for all rows. */
export interface Held {
  readonly layout: WeightLayout;
  /** In front of the loop over rows. */
  readonly statements: readonly Stmt[];
  readonly inputs: readonly (readonly Expr[])[];
  /** As of `inputSums`. */
  readonly sums: readonly Expr[];
  /** Where the inputs of each vector's lanes lie. */
  readonly table: Table;
}

/** Vectors that a place may hold. */
const mostHeld = 3;

/** By vector: where its first term lies, and the others from there. */
function gathered(
  l: WeightLayout,
): readonly { readonly first: number; readonly offsets: readonly number[] }[] {
  const all = times(l.segments, (s) => segmentOffsets(l).map((o) => s * l.segmentStride + o)).flat();
  return times(Math.ceil(all.length / width), (v) => {
    const own = all.slice(v * width, (v + 1) * width);
    const first = at(own, 0);
    return { first, offsets: own.map((offset) => offset - first) };
  });
}

/** A place's inputs by vector, and -128 times their sum. */
function heldPlace(
  { from, first, offset }: Place,
  vectors: ReturnType<typeof gathered>,
  where: readonly string[],
  names: NewName,
) {
  const inputs = vectors.map(() => names('x'));
  const [total, sum] = [names('total'), names('base')];
  const held = inputs.map((x) => local(x, 'u8x16'));
  const loads = vectors.map(({ first: start, offsets }, v) => {
    const begin = add(first, offset, start);
    return gather('u8x16', from, 'u8', begin, local(at(where, v), 'u8x16'), offsets.length);
  });
  const statements = [
    ...inputs.map((x, v) => constant(x, at(loads, v))),
    variable(total, 0),
    ...held.map((x) => assign(total, call('sum_u8x16', 'i32', local(total), x))),
    constant(sum, mul(local(total), -shift)),
  ];
  return { statements, inputs: held, sum: local(sum) };
}

/**
 * Short runs that are apart: whole vectors are gathered once from all of the window, for all rows; undefined where that
 * saves no vectors.
 */
export function heldInputs(
  name: string,
  l: WeightLayout,
  places: readonly Place[],
  names: NewName,
): Held | undefined {
  const vectors = gathered(l);
  const isNear = vectors.every(({ offsets }) => offsets.every((offset) => offset <= 255));
  const steps = l.segments * l.pieces * Math.ceil(l.run / width);
  if (!isNear || vectors.length > mostHeld || vectors.length >= steps) return undefined;
  const data = vectors.flatMap(({ offsets }) => times(width, (i) => offsets[i] ?? 0));
  const says = 'Where inputs lie, from the first of 16 on.';
  const where = vectors.map(() => names('offsets'));
  const made = places.map((place) => heldPlace(place, vectors, where, names));
  return {
    layout: { ...l, segments: 1, pieces: 1, run: termsOf(l) },
    statements: [
      ...where.map((one, v) => constant(one, loadVector('u8x16', name, 'u8', v * width))),
      ...made.flatMap(({ statements }) => statements),
    ],
    inputs: made.map(({ inputs }) => inputs),
    sums: made.map(({ sum }) => sum),
    table: { name, elem: 'u8', data, rowLength: width, says },
  };
}

/** Adds to `sums[row][place]` the rows from `row` on; `rows` has groups of one. */
export function heldDots(
  rows: DotRows,
  row: Expr,
  inputs: readonly (readonly Expr[])[],
  sums: readonly (readonly string[])[],
  names: NewName,
): readonly Stmt[] {
  const weights = names('wt');
  const vectors = rows.rowBytes / width;
  const one = (ofRow: readonly string[], v: number): readonly Stmt[] => {
    const w = names('w');
    return [
      constant(w, loadVector('u8x16', weights, 'u8', 0)),
      ...advance(weights, width),
      ...ofRow.map((sum, p) =>
        assign(sum, call('dot_u8x16', 'i32', local(sum), at(at(inputs, p), v), local(w, 'u8x16'))),
      ),
    ];
  };
  return [
    pointer(weights, rows.table.name, 'u8', mul(row, rows.rowBytes), { mutable: true }),
    ...sums.flatMap((ofRow) => times(vectors, (v) => one(ofRow, v)).flat()),
  ];
}

/** Whether sums of so many products are far from overflowing. */
export const isShort = ({ segments, pieces, run }: WeightLayout): boolean =>
  segments * pieces * run * 255 * (255 + shift) < 2 ** 30;
