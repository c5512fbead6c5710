/** Kernels for chips with Helium (Cortex-M55, M85): rows of dense weights, 16 products at a time. */
import { at } from '../base/errors.ts';
import { add, assign, call, constant, int, local, times, variable } from '../ir/kernel/builders.ts';
import type { Expr, Kernel, PlainStmt, RowSum, Stmt, Table } from '../ir/kernel/kernel.ts';
import { arraysUsed, declaredIn, inlined, type Loop, rowSumsIn } from '../ir/kernel/walk.ts';
import { dense8, formatName } from '../ir/kernel/weight-format.ts';
import { decodeRows } from '../program/rows.ts';
import { type DotRows, dotRows, dots, inputSums, isShort, joined, type Names, type Place } from './dots.ts';
import { inLanes, type Lanes, laneCount } from './lanes.ts';

const says =
  'Helium: 16 products at a time, of inputs and weights plus 128; 128 times the sum of the inputs is subtracted.';

/** The same bytes with Helium; undefined where it does not help. */
export function helium(kernel: Kernel): Kernel | undefined {
  const sums = rowSumsIn(kernel.body).map(({ sum }) => sum);
  const { weights } = kernel;
  if (weights === undefined || sums.length === 0 || !sums.every(isDense)) return undefined;
  const work: Work = { kernel, sums, names: namesOf(kernel), rows: decodeRows(kernel), tables: [] };
  const body = rewritten(work, kernel.body);
  if (body === undefined) return undefined;
  const { weights: _, ...rest } = kernel;
  const used = arraysUsed(body);
  const tables = [...kernel.tables, ...work.tables].filter(({ name }) => used.has(name));
  return { ...rest, doc: [...kernel.doc, says], tables, body };
}

interface Work {
  readonly kernel: Kernel;
  readonly sums: readonly RowSum[];
  readonly names: Names;
  readonly rows: readonly Int32Array[];
  /** New ones. */
  readonly tables: Table[];
}

const isDense = ({ stored, elem, skip }: RowSum): boolean =>
  elem === 'u8' &&
  stored.elem === 'i8' &&
  formatName(stored.format, stored.codebook !== undefined) === formatName(dense8) &&
  skip.kind === 'int' &&
  skip.value === 0 &&
  isShort(stored.layout);

/** `x`, `x_2`, ...: none that the kernel has. */
function namesOf({ params, tables, body }: Kernel): Names {
  const used = new Set([...declaredIn(body), ...params.map((p) => p.name), ...tables.map((t) => t.name)]);
  const next = new Map<string, number>();
  return (stem) => {
    let n = next.get(stem) ?? 1;
    while (used.has(n === 1 ? stem : `${stem}_${n}`)) n++;
    next.set(stem, n + 1);
    return n === 1 ? stem : `${stem}_${n}`;
  };
}

/** The block that the rows stand in, rewritten, with all around it. */
function rewritten(work: Work, body: readonly Stmt[]): readonly Stmt[] | undefined {
  const start = body.findIndex((s) => s.kind === 'startRows');
  if (start >= 0) {
    const made = rowsOf(work, body.slice(start + 1));
    return made && [...body.slice(0, start), ...made];
  }
  let found = false;
  const made = body.map((s): Stmt => {
    if (s.kind !== 'for') return s;
    const inner = rewritten(work, s.body);
    found ||= inner !== undefined;
    return inner === undefined ? s : { ...s, body: inner };
  });
  return found ? made : undefined;
}

const placesOf = ({ from, first, sums }: RowSum): readonly Place[] =>
  [...new Set(sums.map(({ offset }) => offset))].map((offset) => ({ from, first, offset }));

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
  const places = placesOf(first);
  // All sums are of the same inputs, known before the first.
  const same = work.sums.every((sum) => JSON.stringify(placesOf(sum)) === JSON.stringify(places));
  const declared = declaredIn(body);
  if (!same || namesIn(first.first).some((name) => declared.has(name))) return undefined;
  const bases = inputSums(layout, places, work.names);
  const inputs: Inputs = { places, bases: bases.sums };
  const made = channels(work, body, inputs) ?? inPlace(work, body, inputs);
  return [...bases.statements, ...made];
}

const namesIn = (e: Expr): readonly string[] => [
  ...new Set(JSON.stringify(e).match(/(?<="name":")\w+/g) ?? []),
];

function storeRows(work: Work, group: number): DotRows {
  const layout = joined(at(work.sums, 0).stored.layout);
  const made = dotRows(`${work.kernel.name}_bytes`, layout, work.rows, group);
  work.tables.push(made.table);
  return made;
}

/** Sums where they stand: each accumulator gains what its row gives. */
function inPlace(work: Work, body: readonly Stmt[], { places, bases }: Inputs): readonly Stmt[] {
  const group = Math.max(...work.sums.map(({ sums }) => 1 + Math.max(...sums.map(({ row }) => row))));
  const rows = storeRows(work, group);
  const placeOf = (offset: number): number => places.findIndex((place) => place.offset === offset);
  const replaced = (s: Stmt): readonly Stmt[] => {
    if (s.kind === 'for') return [{ ...s, body: s.body.flatMap(replaced) }];
    if (s.kind === 'if') return [{ ...s, yes: s.yes.flatMap(replaced), no: s.no.flatMap(replaced) }];
    if (s.kind !== 'rowSum') return [s];
    const names = times(1 + Math.max(...s.sums.map(({ row }) => row)), (row) =>
      places.map(
        (_, p) =>
          at(
            s.sums.filter((sum) => sum.row === row && placeOf(sum.offset) === p),
            0,
          ).local,
      ),
    );
    const started = s.sums.map((sum) =>
      assign(sum.local, add(local(sum.local), at(bases, placeOf(sum.offset)))),
    );
    return [...started, ...dots(rows, s.row, places, names, work.names)];
  };
  return body.flatMap(replaced);
}

/** A loop over rows, one a pass. */
interface Channels {
  readonly loop: Loop;
  readonly sum: RowSum;
  readonly before: readonly PlainStmt[];
  readonly after: readonly PlainStmt[];
}

function channelsOf(body: readonly Stmt[]): Channels | undefined {
  const [only] = body;
  if (body.length !== 1 || only?.kind !== 'for' || only.step !== 1) return undefined;
  const place = only.body.findIndex((s) => s.kind === 'rowSum');
  const sum = only.body[place];
  if (sum?.kind !== 'rowSum' || sum.sums.some(({ row }) => row !== 0)) return undefined;
  if (sum.row.kind !== 'local' || sum.row.name !== only.name) return undefined;
  const [before, after] = [only.body.slice(0, place), only.body.slice(place + 1)];
  return { loop: only, sum, before: inlined(before), after: inlined(after) };
}

/** What stands around the sums, in lanes: undefined where it cannot be. */
interface Around {
  readonly before: readonly Stmt[];
  readonly after: readonly Stmt[];
}

function aroundInLanes({ loop: { name }, sum, before, after }: Channels, l: LaneTables): Around | undefined {
  const lanes = { counter: name, vectors: new Set<string>(), ...l };
  const first = inLanes(lanes, before);
  const last = first && inLanes(lanes, after);
  const hasAll = sum.sums.every((one) => lanes.vectors.has(one.local));
  return first && last && hasAll ? { before: first, after: last } : undefined;
}

type LaneTables = Pick<Lanes, 'count' | 'tables'>;

/** Tables with an element for each row; they are filled up to whole vectors. */
function laneTables({ kernel, rows, names }: Work): ReadonlyMap<string, Table> {
  const missing = (laneCount - (rows.length % laneCount)) % laneCount;
  const filled = (t: Table): Table => {
    const last = at(t.data, t.data.length - 1);
    return { ...t, name: names(`${t.name}_lanes`), data: [...t.data, ...times(missing, () => last)] };
  };
  const ofRows = kernel.tables.filter(({ data }) => data.length === rows.length);
  return new Map(ofRows.map((t) => [t.name, missing === 0 ? t : filled(t)]));
}

/** Four rows a pass: what happens to their sums happens in lanes. */
function channels(work: Work, body: readonly Stmt[], inputs: Inputs): readonly Stmt[] | undefined {
  const found = channelsOf(body);
  const count = work.rows.length;
  const rest = count % laneCount;
  const tables = laneTables(work);
  const whole = found && aroundInLanes(found, { count: laneCount, tables });
  const last = found && aroundInLanes(found, { count: rest, tables });
  if (found === undefined || whole === undefined || last === undefined) return undefined;
  const rows = storeRows(work, inputs.places.length % 2 === 0 ? 2 : laneCount);
  if (rest > 0) work.tables.push(...tables.values());
  const { loop: passes } = found;
  const counter = work.names(passes.name);
  const pass = { ...passes, to: int(count - rest), step: laneCount };
  return [
    ...(count > rest ? [{ ...pass, body: block(work, found, whole, rows, laneCount, inputs) }] : []),
    ...(rest === 0
      ? []
      : renamed(
          [constant(passes.name, count - rest), ...block(work, found, last, rows, rest, inputs)],
          new Map(
            [passes.name, ...declaredIn([...last.before, ...last.after])].map((name) => [
              name,
              name === passes.name ? counter : work.names(name),
            ]),
          ),
        )),
  ];
}

/** The statements with other names; they hold integers only. */
const renamed = (body: readonly Stmt[], names: ReadonlyMap<string, string>): readonly Stmt[] =>
  JSON.parse(JSON.stringify(body), (key, value) => (key === 'name' ? (names.get(value) ?? value) : value));

/** The sums of up to four rows at all places, each place's in a vector, and what comes of them. */
function block(
  work: Work,
  { loop: { name }, sum }: Channels,
  { before, after }: Around,
  rows: DotRows,
  count: number,
  { places, bases }: Inputs,
): readonly Stmt[] {
  const vectors = places.map(() => work.names('sums'));
  const perPass = rows.group === 2 ? 2 : 1;
  const made = times(places.length / perPass, (i) => {
    const some = times(perPass, (p) => i * perPass + p);
    const sums = times(count, () => some.map(() => work.names('sum')));
    const starts = sums.flatMap((ofRow) => ofRow.map((one, p) => variable(one, at(bases, at(some, p)))));
    const groups = times(Math.ceil(count / rows.group), (g) =>
      dots(
        rows,
        add(local(name), g * rows.group),
        some.map((p) => at(places, p)),
        sums.slice(g * rows.group, (g + 1) * rows.group),
        work.names,
      ),
    );
    const lanes = some.map((place, p) => {
      const ofPlace = times(laneCount, (row) => (row < count ? local(at(at(sums, row), p)) : int(0)));
      return constant(at(vectors, place), call('four_i32x4', 'i32x4', ...ofPlace));
    });
    return [...starts, ...groups.flat(), ...lanes];
  });
  const added = sum.sums.map((one) => {
    const place = places.findIndex(({ offset }) => offset === one.offset);
    const parts = [one.local, at(vectors, place)].map((each) => local(each, 'i32x4'));
    return assign(one.local, call('add_i32x4', 'i32x4', ...parts));
  });
  return [...made.flat(), ...before, ...added, ...after];
}
