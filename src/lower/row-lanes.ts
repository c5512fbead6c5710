/** Loops over rows of weights, a row a pass, become loops over four: what happens to their sums happens in lanes. */
import { at } from '../base/errors.ts';
import { constant, int, times } from '../ir/kernel/builders.ts';
import { checkKernel } from '../ir/kernel/check.ts';
import type { Kernel, PlainStmt, RowSum, Stmt, Table } from '../ir/kernel/kernel.ts';
import { declaredIn, inlined, type Loop } from '../ir/kernel/walk.ts';
import type { ByteRows } from '../program/byte-rows.ts';
import { copied } from './copies.ts';
import type { NewName } from './fresh-names.ts';
import { isIndependent } from './independent.ts';
import { inLanes, type Lanes, laneCount, tablesOf } from './lanes.ts';
import { mve } from './widen.ts';

/** A kernel on its way. */
export interface Work {
  readonly kernel: Kernel;
  readonly sums: readonly RowSum[];
  readonly names: NewName;
  readonly rows: readonly Int32Array[];
  /** New ones. */
  readonly tables: Table[];
  /** How weights stand, in bytes of their own. */
  readonly bytes: ByteRows[];
}

/** A loop over all rows, one a pass. */
export interface Channels {
  readonly loop: Loop;
  readonly sum: RowSum;
  readonly before: readonly PlainStmt[];
  readonly after: readonly PlainStmt[];
}

export function channelsOf({ rows }: Work, body: readonly Stmt[]): Channels | undefined {
  const [only] = body;
  if (body.length !== 1 || only?.kind !== 'for' || only.step !== 1) return undefined;
  const place = only.body.findIndex((s) => s.kind === 'rowSum');
  const sum = only.body[place];
  if (sum?.kind !== 'rowSum' || sum.sums.some(({ row }) => row !== 0)) return undefined;
  const isAll =
    only.from.kind === 'int' &&
    only.from.value === 0 &&
    only.to.kind === 'int' &&
    only.to.value === rows.length;
  if (!isAll || sum.row.kind !== 'local' || sum.row.name !== only.name) return undefined;
  const [before, after] = [only.body.slice(0, place), only.body.slice(place + 1)];
  return { loop: only, sum, before: inlined(before), after: inlined(after) };
}

/** What stands around the sums, in lanes; accumulators are vectors. */
export interface Around {
  readonly before: readonly Stmt[];
  readonly after: readonly Stmt[];
}

function aroundInLanes(
  { loop: { name }, sum, before, after }: Channels,
  l: Pick<Lanes, 'count' | 'tables' | 'filled' | 'names'>,
): Around | undefined {
  const lanes = {
    counter: name,
    vectors: new Set<string>(),
    loaded: new Map(),
    ...mve,
    folds: new Set<string>(),
    strides: false,
    ...l,
  };
  const first = inLanes(lanes, before);
  const last = first && inLanes(lanes, after);
  const hasAll = sum.sums.every((one) => lanes.vectors.has(one.local));
  return first && last && hasAll ? { before: first, after: last } : undefined;
}

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

/**
 * The loop over four rows a pass, and what is left of them.
 * @param block the statements of `count` rows from the loop's counter on
 * @returns undefined where what stands around the sums has no way into lanes
 */
export function fourRows(
  work: Work,
  found: Channels,
  block: (around: Around, count: number) => readonly Stmt[],
): readonly Stmt[] | undefined {
  const count = work.rows.length;
  const rest = count % laneCount;
  const { loop } = found;
  const filled = laneTables(work);
  const l = { tables: tablesOf(work.kernel), filled, names: work.names };
  const whole = aroundInLanes(found, { ...l, count: laneCount });
  const last = aroundInLanes(found, { ...l, count: rest });
  if (whole === undefined || last === undefined) return undefined;
  const memory = { arrays: checkKernel(work.kernel) };
  const isApart = (from: number, to: number, width: number): boolean =>
    isIndependent(memory, loop, { from, to, width });
  if (!isApart(0, count - rest, laneCount) || !isApart(count - rest, count, rest)) return undefined;
  if (rest > 0) work.tables.push(...filled.values());
  const pass = { ...loop, to: int(count - rest), step: laneCount };
  return [
    ...(count > rest ? [{ ...pass, body: block(whole, laneCount) }] : []),
    ...(rest > 0 ? renamed(work, [constant(loop.name, count - rest), ...block(last, rest)]) : []),
  ];
}

/** The statements with other names for all that they declare. */
function renamed({ names }: Work, body: readonly Stmt[]): readonly Stmt[] {
  const others = new Map([...declaredIn(body)].map((name) => [name, names(name)]));
  return copied(body, { name: (name) => others.get(name) ?? name, values: new Map() });
}
