/** Kernels for chips with Helium (Cortex-M55, M85): rows of dense weights, 16 products at a time. */
import { at } from '../base/errors.ts';
import {
  accumulate,
  add,
  assign,
  call,
  constant,
  int,
  local,
  times,
  variable,
} from '../ir/kernel/builders.ts';
import type { Expr, Kernel, RowSum, RowTerm, Stmt } from '../ir/kernel/kernel.ts';
import { arraysUsed, declaredIn, namesIn, rewritten, rowSumsIn, takesAll } from '../ir/kernel/walk.ts';
import { dense8, formatName, type WeightLayout } from '../ir/kernel/weight-format.ts';
import { decodeRows } from '../program/rows.ts';
import type { Variant } from '../program/variants.ts';
import { withMoves } from './byte-moves.ts';
import { depthwise, isDepthwise } from './channel-lanes.ts';
import {
  type DotRows,
  dotRows,
  dots,
  type Held,
  heldDots,
  heldInputs,
  inputSums,
  isShort,
  joined,
  type Place,
  within,
} from './dots.ts';
import { newNames } from './fresh-names.ts';
import { laneCount } from './lanes.ts';
import { type Around, type Channels, channelsOf, fourRows, type Work } from './row-lanes.ts';
import { mve, widened } from './widen.ts';

const says =
  'Helium: 16 products at a time, of inputs and weights plus 128; 128 times the sum of the inputs is subtracted.';

const saysLanes = 'Helium: four elements at a time, of bytes up to sixteen.';

/** A kernel with Helium, and how its weights stand. */
export type HeliumForm = Pick<Variant, 'kernel' | 'bytes'>;

/** The same bytes with Helium; undefined where it does not help. */
export const helium = (kernel: Kernel): Kernel | undefined => heliumForm(kernel)?.kernel;

export const heliumForm = (kernel: Kernel): HeliumForm | undefined =>
  rowSumsIn(kernel.body).length > 0 ? withDots(kernel) : withLanes(kernel);

function withLanes(kernel: Kernel): HeliumForm | undefined {
  const made = widened(kernel, mve);
  return made && { kernel: { ...made, doc: [...kernel.doc, saysLanes] } };
}

function withDots(kernel: Kernel): HeliumForm | undefined {
  const sums = rowSumsIn(kernel.body).map(({ sum }) => sum);
  const { weights } = kernel;
  if (weights === undefined || sums.length === 0 || !sums.every(isDense)) return undefined;
  if (sums.some(({ stored }) => stored.stream !== weights.stream) || startsIn(kernel.body) !== 1)
    return undefined;
  const work: Work = {
    kernel,
    sums,
    names: newNames(kernel),
    rows: decodeRows(kernel),
    tables: [],
    bytes: [],
  };
  const made = withRows(work, kernel.body);
  if (made === undefined) return undefined;
  const body = withMoves(made, work.names);
  const { weights: _, ...rest } = kernel;
  const used = arraysUsed(body);
  const tables = [...kernel.tables, ...work.tables].filter(({ name }) => used.has(name));
  const [bytes] = work.bytes;
  return { kernel: { ...rest, doc: [...kernel.doc, says], tables, body }, ...(bytes && { bytes }) };
}

const isDense = ({ stored, elem }: RowSum): boolean =>
  elem === 'u8' &&
  stored.elem === 'i8' &&
  formatName(stored.format, stored.codebook !== undefined) === formatName(dense8) &&
  isShort(stored.layout);

/** How often rows begin anew: at one place of the code. */
const startsIn = (body: readonly Stmt[]): number =>
  body.reduce((sum, s) => sum + (s.kind === 'startRows' ? 1 : s.kind === 'for' ? startsIn(s.body) : 0), 0);

/** The block that the rows stand in, rewritten, with all around it. */
function withRows(work: Work, body: readonly Stmt[]): readonly Stmt[] | undefined {
  const start = body.findIndex((s) => s.kind === 'startRows');
  if (start >= 0) {
    const made = rowsOf(work, body.slice(start + 1));
    return made && [...body.slice(0, start), ...made];
  }
  let found = false;
  const made = body.map((s): Stmt => {
    if (s.kind !== 'for') return s;
    const inner = withRows(work, s.body);
    found ||= inner !== undefined;
    return inner === undefined ? s : { ...s, body: inner };
  });
  return found ? made : undefined;
}

/** The accumulators of each row, in the order of its places. */
function accumulatorsOf({ sums }: RowSum): readonly (readonly RowTerm[])[] {
  const depth = 1 + Math.max(...sums.map(({ row }) => row));
  return times(depth, (row) => sums.filter((sum) => sum.row === row));
}

const placesOf = ({ from, first, skip }: RowSum, ofRow: readonly RowTerm[]): readonly Place[] =>
  ofRow.map(({ offset }) => ({ from, first: add(first, skip), offset }));

/** Where inputs are, and -128 times the sum of those of each place. */
interface Inputs {
  readonly places: readonly Place[];
  readonly bases: readonly Expr[];
}

/** What comes after the start of the rows: sums of the inputs, then the sums of rows. */
function rowsOf(work: Work, body: readonly Stmt[]): readonly Stmt[] | undefined {
  const [first] = work.sums;
  if (first === undefined) return undefined;
  const layout = joined(first.stored.layout);
  const places = placesOf(first, at(accumulatorsOf(first), 0));
  // All rows are of the same inputs, known before the first.
  const same = work.sums.every((sum) =>
    accumulatorsOf(sum).every((ofRow) => JSON.stringify(placesOf(sum, ofRow)) === JSON.stringify(places)),
  );
  if (!same) return undefined;
  const declared = declaredIn(body);
  const { from, to } = first.segments ?? {};
  const isOutside = [first.first, from, to].every((e) => e === undefined || isKnown(declared, e));
  if (work.sums.every(isDepthwise)) return isOutside ? depthwise(work, body) : undefined;
  if (!work.sums.every(takesAll)) return undefined;
  if (!isKnown(declared, add(first.first, first.skip))) return inGroups(work, body);
  const isHeld = channelsOf(work, body) !== undefined;
  const held = isHeld ? heldInputs(`${work.kernel.name}_offsets`, layout, places, work.names) : undefined;
  const made = held && heldChannels(work, body, held);
  if (made !== undefined) return made;
  return streamed(work, body, layout, places);
}

const isKnown = (declared: ReadonlySet<string>, e: Expr): boolean =>
  [...namesIn(e)].every((name) => !declared.has(name));

/** Shorter runs of a group take longer in vectors of their own than one by one: twice as long where they are 1. */
const leastRun = 4;

/** Groups of rows, each with inputs of its own. Rows stand in turns, so that all sums are of as many. */
function inGroups(work: Work, body: readonly Stmt[]): readonly Stmt[] | undefined {
  if (work.sums.some(({ stored }) => joined(stored.layout).run < leastRun)) return undefined;
  const [group] = body;
  const depths = new Set(work.sums.map((sum) => accumulatorsOf(sum).length));
  if (group?.kind !== 'for' || body.length > 1 || depths.size > 1) return undefined;
  const made = rowsOf(work, group.body);
  return made && [{ ...group, body: made }];
}

function streamed(
  work: Work,
  body: readonly Stmt[],
  layout: WeightLayout,
  places: readonly Place[],
): readonly Stmt[] {
  const bases = inputSums(layout, places, work.names);
  const inputs: Inputs = { places, bases: bases.sums };
  const made = channels(work, body, inputs) ?? inPlace(work, body, inputs);
  return [...bases.statements, ...made];
}

const dotTable = ({ kernel, sums, rows }: Work, group: number, layout?: WeightLayout): DotRows =>
  dotRows(`${kernel.name}_bytes`, layout ?? joined(at(sums, 0).stored.layout), rows, group);

function keep({ tables, bytes }: Work, { table, layout: { run }, group }: DotRows): void {
  tables.push(table);
  bytes.push({ table: table.name, run, group });
}

/** Sums where they stand: each accumulator gains what its row gives. */
function inPlace(work: Work, body: readonly Stmt[], { places, bases }: Inputs): readonly Stmt[] {
  const rows = dotTable(work, Math.max(...work.sums.map((sum) => accumulatorsOf(sum).length)));
  keep(work, rows);
  return rewritten(body, (s) => {
    if (s.kind !== 'rowSum') return undefined;
    const gains = accumulatorsOf(s).map((ofRow) => ofRow.map((sum) => ({ ...sum, made: work.names('sum') })));
    const names = gains.map((ofRow) => ofRow.map(({ made }) => made));
    return [
      ...names.flatMap((ofRow) => ofRow.map((name, p) => variable(name, at(bases, p)))),
      ...dots(rows, s.row, places, names, work.names),
      ...gains.flat().map(({ local: name, made }) => accumulate(name, within(rows, made))),
    ];
  });
}

/** Adds to `sums[row][place]` the rows from `row` on, at some of the places. */
type AddRows = (row: Expr, some: readonly number[], sums: readonly (readonly string[])[]) => readonly Stmt[];

/** Four rows a pass, over inputs that are loaded anew for each. */
function channels(work: Work, body: readonly Stmt[], { places, bases }: Inputs): readonly Stmt[] | undefined {
  const found = channelsOf(work, body);
  const rows = dotTable(work, places.length % 2 === 0 ? 2 : laneCount);
  const addRows: AddRows = (row, some, sums) =>
    times(Math.ceil(sums.length / rows.group), (g) => {
      const own = sums.slice(g * rows.group, (g + 1) * rows.group);
      const from = some.map((p) => at(places, p));
      return dots(rows, add(row, g * rows.group), from, own, work.names);
    }).flat();
  const made =
    found &&
    fourRows(work, found, (around, count) => block(work, found, around, { rows, addRows }, count, bases));
  if (made !== undefined) keep(work, rows);
  return made;
}

/** Four rows a pass, over inputs that stay in registers. */
function heldChannels(work: Work, body: readonly Stmt[], held: Held): readonly Stmt[] | undefined {
  const found = channelsOf(work, body);
  const rows = dotTable(work, 1, held.layout);
  const addRows: AddRows = (row, some, sums) =>
    heldDots(
      rows,
      row,
      some.map((p) => at(held.inputs, p)),
      sums,
      work.names,
    );
  const made =
    found &&
    fourRows(work, found, (around, count) => block(work, found, around, { rows, addRows }, count, held.sums));
  if (made === undefined) return undefined;
  keep(work, rows);
  work.tables.push(held.table);
  return [...held.statements, ...made];
}

/** The sums of up to four rows at all places, each place's in a vector, and what comes of them. */
function block(
  work: Work,
  { loop: { name }, sum }: Channels,
  { before, after }: Around,
  { rows, addRows }: { readonly rows: DotRows; readonly addRows: AddRows },
  count: number,
  bases: readonly Expr[],
): readonly Stmt[] {
  const vectors = bases.map(() => work.names('sums'));
  const perPass = bases.length % 2 === 0 ? 2 : 1;
  const made = times(bases.length / perPass, (i) => {
    const some = times(perPass, (p) => i * perPass + p);
    const sums = times(count, () => some.map(() => work.names('sum')));
    const starts = sums.flatMap((ofRow) => ofRow.map((one, p) => variable(one, at(bases, at(some, p)))));
    const lanes = some.map((place, p) => {
      const ofPlace = times(laneCount, (row) => (row < count ? within(rows, at(at(sums, row), p)) : int(0)));
      return constant(at(vectors, place), call('four_i32x4', 'i32x4', ...ofPlace));
    });
    return [...starts, ...addRows(local(name), some, sums), ...lanes];
  });
  const added = sum.sums.map((one, place) => {
    const parts = [one.local, at(vectors, place)].map((each) => local(each, 'i32x4'));
    return assign(one.local, call('add_i32x4', 'i32x4', ...parts));
  });
  return [...made.flat(), ...before, ...added, ...after];
}
