/**
 * Loops over rows of weights, several rows a pass: one load of an input then serves them all. A lowering says how
 * many rows a pass takes, and what stands in place of a pass's sums. Passes of a loop are joined statement by
 * statement: first what each declares, then their sums together, then what each does with its own. What they store
 * is never read by a later pass's sums in the plain kernel either, whose planner has proved that.
 */
import { at, DefectError } from '../base/errors.ts';
import { add, int, local } from '../ir/kernel/builders.ts';
import type { Expr, RowSum, RowTerm, StartRows, Stmt, StoredRows } from '../ir/kernel/kernel.ts';
import { declaredIn, expressionsIn, type Loop, namesIn, takesAll } from '../ir/kernel/walk.ts';
import { copied, suffixed } from './copies.ts';

/** The sums of a pass: the accumulators of its rows, which are neighbours in the tables, in the order of rows. */
export interface Pass {
  readonly sum: RowSum;
  readonly sums: readonly RowTerm[];
  /** How many rows. */
  readonly rows: number;
  /** Keeps names apart from those of other passes. */
  readonly tag: string;
}

/** How rows are taken, and computed. */
export interface Jam {
  /** Whether these rows are lowered. */
  readonly takes: (sum: RowSum) => boolean;
  /** How many passes of a loop are joined, from how many there are: counts that add up to it, equal ones together. */
  readonly joined: (sum: RowSum, passes: number) => readonly number[];
  readonly start: (stored: StoredRows) => readonly Stmt[];
  readonly body: (pass: Pass) => readonly Stmt[];
  /**
   * A pass with what each of those that it joins does before its sums and after them; undefined: one after the other.
   */
  readonly whole?: (
    pass: Pass,
    before: readonly (readonly Stmt[])[],
    after: readonly (readonly Stmt[])[],
  ) => readonly Stmt[] | undefined;
}

/** Statements, and how many rows each pass takes, as they are run. */
export interface Jammed {
  readonly body: readonly Stmt[];
  readonly passes: readonly number[];
}

/** Undefined where the rows of some sum cannot be told apart from the code alone. */
type Maybe<T> = T | undefined;

const constantOf = (e: Expr): Maybe<number> => (e.kind === 'int' ? e.value : undefined);

function countOf({ from, to, step }: Loop): Maybe<number> {
  const [first, last] = [constantOf(from), constantOf(to)];
  return first === undefined || last === undefined
    ? undefined
    : Math.max(0, Math.ceil((last - first) / step));
}

const isRows = (s: Stmt): s is StartRows | RowSum => s.kind === 'startRows' || s.kind === 'rowSum';

const hasRows = (body: readonly Stmt[]): boolean =>
  body.some(
    (s) =>
      isRows(s) ||
      (s.kind === 'for' && hasRows(s.body)) ||
      (s.kind === 'if' && (hasRows(s.yes) || hasRows(s.no))),
  );

const rowsOf = (sums: readonly RowTerm[]): number => 1 + Math.max(...sums.map(({ row }) => row));

/** The statements from a `startRows` to the end of its block, and the passes over all rows. */
function jammed(body: readonly Stmt[], jam: Jam): Maybe<Jammed> {
  const parts = body.map((s) => jammedStmt(s, jam));
  const known = parts.filter((part) => part !== undefined);
  if (known.length < parts.length) return undefined;
  return { body: known.flatMap((part) => part.body), passes: known.flatMap((part) => part.passes) };
}

function jammedStmt(s: Stmt, jam: Jam): Maybe<Jammed> {
  if (s.kind === 'startRows') return { body: jam.start(s.stored), passes: [] };
  if (s.kind === 'rowSum') return single(s, jam);
  if (s.kind === 'if') return hasRows([s]) ? undefined : { body: [s], passes: [] };
  if (s.kind !== 'for' || !hasRows(s.body)) return { body: [s], passes: [] };
  const at = s.body.findIndex((inner) => inner.kind === 'rowSum');
  if (at >= 0) return loopOfRows(s, at, jam);
  const inner = jammed(s.body, jam);
  const count = countOf(s);
  if (inner === undefined || count === undefined) return undefined;
  const passes = Array.from({ length: count }, () => inner.passes).flat();
  return { body: [{ ...s, body: inner.body }], passes };
}

function single(sum: RowSum, jam: Jam): Maybe<Jammed> {
  if (!takesAll(sum) || !jam.takes(sum)) return undefined;
  const rows = rowsOf(sum.sums);
  return { body: jam.body({ sum, sums: sum.sums, rows, tag: sum.suffix }), passes: [rows] };
}

/** A loop that has a sum in its body. */
interface RowLoop {
  readonly loop: Loop;
  readonly sum: RowSum;
  readonly before: readonly Stmt[];
  readonly after: readonly Stmt[];
  readonly first: number;
  readonly count: number;
}

/** Inputs that depend on the row are its own: its sums share nothing with those of others. */
function rowLoop(loop: Loop, index: number): Maybe<RowLoop> {
  const [before, after] = [loop.body.slice(0, index), loop.body.slice(index + 1)];
  const sum = at(loop.body, index);
  const [first, count] = [constantOf(loop.from), countOf(loop)];
  if (sum.kind !== 'rowSum' || hasRows([...before, ...after]) || first === undefined || count === undefined)
    return undefined;
  const own = new Set([loop.name, ...declaredIn(before)]);
  const isShared = [sum.first, sum.skip].every((e) => [...namesIn(e)].every((name) => !own.has(name)));
  // What a later pass does first may come before what an earlier one does last.
  const isPure = before.every((s) => s.kind === 'let' || s.kind === 'comment');
  const loads = [...expressionsIn(before)].flatMap((e) => (e.kind === 'load' ? [e.from] : []));
  return isShared && isPure && !loads.includes(sum.from)
    ? { loop, sum, before, after, first, count }
    : undefined;
}

function loopOfRows(loop: Loop, index: number, jam: Jam): Maybe<Jammed> {
  const rows = rowLoop(loop, index);
  if (rows === undefined || !takesAll(rows.sum) || !jam.takes(rows.sum)) return undefined;
  const joined = jam.joined(rows.sum, rows.count);
  if (joined.reduce((sum, n) => sum + n, 0) !== rows.count)
    throw new DefectError(`${rows.count} passes joined as ${joined.join(', ')}`);
  const each = rowsOf(rows.sum.sums);
  let from = rows.first;
  const body = [...new Set(joined)].flatMap((width, i) => {
    const times = joined.filter((n) => n === width).length;
    const part = joinedLoop(rows, jam, { width, times, from, part: i === 0 ? '' : `_p${i}` });
    from += times * width * loop.step;
    return part;
  });
  return { body, passes: joined.map((n) => n * each) };
}

/** `times` passes of `width` former ones each, from the counter's value `from` on. */
interface Joined {
  readonly width: number;
  readonly times: number;
  readonly from: number;
  /** Keeps the names of this part of a loop apart from those of others. */
  readonly part: string;
}

function joinedLoop(rows: RowLoop, jam: Jam, joined: Joined): readonly Stmt[] {
  const { loop } = rows;
  const { width, times, from, part } = joined;
  if (times === 1) return joinedPass(rows, jam, joined, int(from));
  const name = loop.name + part;
  const step = width * loop.step;
  const body = joinedPass(rows, jam, joined, local(name));
  return [{ kind: 'for', name, from: int(from), to: int(from + times * step), step, body }];
}

function joinedPass(
  { loop, sum, before, after }: RowLoop,
  jam: Jam,
  { width, part }: Joined,
  counter: Expr,
): readonly Stmt[] {
  const declared = declaredIn(loop.body);
  const each = rowsOf(sum.sums);
  const changes = Array.from({ length: width }, (_, k) => ({
    name: suffixed(declared, part + (k === 0 ? '' : `_${k}`)),
    values: new Map([[loop.name, add(counter, k * loop.step)]]),
  }));
  const sums = changes.flatMap(({ name }, k) =>
    sum.sums.map((one) => ({ ...one, local: name(one.local), row: one.row + k * each })),
  );
  const pass = { sum, sums, rows: width * each, tag: sum.suffix + part };
  const [first, last] = [before, after].map((body) => changes.map((change) => copied(body, change))) as [
    (readonly Stmt[])[],
    (readonly Stmt[])[],
  ];
  return jam.whole?.(pass, first, last) ?? [...first.flat(), ...jam.body(pass), ...last.flat()];
}

/** The block that begins with `startRows`, wherever it stands. */
export function fromRows(body: readonly Stmt[], jam: Jam): Maybe<Jammed> {
  const first = body.findIndex((s) => s.kind === 'startRows');
  if (first >= 0) {
    const rows = jammed(body.slice(first), jam);
    return rows && { ...rows, body: [...body.slice(0, first), ...rows.body] };
  }
  for (const [i, s] of body.entries()) {
    const inner = s.kind === 'for' ? fromRows(s.body, jam) : undefined;
    if (inner !== undefined && s.kind === 'for')
      return { ...inner, body: [...body.slice(0, i), { ...s, body: inner.body }, ...body.slice(i + 1)] };
  }
  return undefined;
}
