/**
 * Loops over elements that lie side by side, four passes at a time, or 16 where all numbers are bytes: sums of images,
 * pools of channels, and what becomes of sums of rows. For every machine with vectors, with the primitives that it has.
 */

import { constant, int } from '../ir/kernel/builders.ts';
import { checkKernel } from '../ir/kernel/check.ts';
import type { Kernel, PlainStmt, Stmt, Table } from '../ir/kernel/kernel.ts';
import { declaredIn, inlined, type Loop, rewritten } from '../ir/kernel/walk.ts';
import { byteCount, inBytes } from './byte-lanes.ts';
import { copied } from './copies.ts';
import { type NewName, newNames } from './fresh-names.ts';
import { isIndependent, type Memory } from './independent.ts';
import { foldsOf, type Has, inLanes, type Lanes, laneCount, tablesOf } from './lanes.ts';
import { steady } from './steady.ts';

/** A machine with vectors, and where a kernel's parameters begin in its memory, in bytes, if that is known. */
export interface Machine {
  readonly has: Has;
  readonly gathers: boolean;
  /** Whether some lanes are loaded and stored as fast as all. */
  readonly predicates: boolean;
  readonly starts?: readonly number[];
}

export const mve: Machine = {
  has: ({ instructions }) => instructions.mve !== undefined,
  gathers: true,
  predicates: true,
};
export const webAssembly: Machine = {
  has: ({ wasm }) => wasm !== undefined,
  gathers: false,
  predicates: false,
};

interface Work {
  readonly kernel: Kernel;
  readonly machine: Machine;
  readonly memory: Memory;
  readonly names: NewName;
  readonly tables: Map<string, Table>;
}

/**
 * The kernel with its loops in lanes; undefined where none is. What is left of a loop runs pass by pass.
 * @throws DefectError for a kernel that breaks the static rules of Kernel IR
 */
export function widened(kernel: Kernel, machine: Machine): Kernel | undefined {
  const arrays = checkKernel(kernel);
  const tables = tablesOf(kernel);
  const work = { kernel, machine, memory: { ...machine, arrays }, names: newNames(kernel), tables };
  let found = false;
  const body = rewritten(kernel.body, (s) => {
    const made = s.kind === 'for' ? inLoops(work, s) : undefined;
    found ||= made !== undefined;
    return made;
  });
  return found ? { ...kernel, tables: [...tables.values()], body } : undefined;
}

/** Sixteen passes at a time where all numbers are bytes, or four; undefined where the loop stays as it is. */
const inLoops = (work: Work, loop: Loop): readonly Stmt[] | undefined =>
  taken(work, loop, byteCount, inBytes) ?? fewBytes(work, loop) ?? taken(work, loop, laneCount, inLanes);

/** From and to what number a loop counts one by one. */
function endsOf({ from, to, step }: Loop): readonly [from: number, to: number] | undefined {
  return from.kind === 'int' && to.kind === 'int' && step === 1 ? [from.value, to.value] : undefined;
}

function lanesFor(
  { machine, names, tables }: Work,
  loop: Loop,
  body: readonly PlainStmt[],
  count: number,
): Lanes {
  const { has, gathers } = machine;
  return {
    ...{ counter: loop.name, count, names, has, gathers },
    ...{ vectors: new Set(), loaded: new Map(), tables, filled: new Map() },
    // Elsewhere a loop inside is better taken in lanes, where its elements lie side by side.
    strides: gathers && !body.some(({ kind }) => kind === 'for'),
    folds: foldsOf(body),
  };
}

/** The loop over whole vectors, and what is left. */
function taken(
  work: Work,
  loop: Loop,
  width: number,
  lanesOf: (l: Lanes, body: readonly PlainStmt[]) => readonly Stmt[] | undefined,
): readonly Stmt[] | undefined {
  const [from, to] = endsOf(loop) ?? [0, 0];
  const end = to - ((to - from) % width);
  const own = end > from ? steady(loop, inlined(loop.body)) : undefined;
  const body = own && lanesOf(lanesFor(work, loop, own.body, width), own.body);
  if (own === undefined || body === undefined) return undefined;
  if (!isIndependent(work.memory, { ...loop, body: own.body }, { from, to: end, width })) return undefined;
  const wide = [{ ...loop, to: int(end), step: width, body }, ...own.after(end - from)];
  if (end === to) return wide;
  const rest = renamed({ ...loop, from: int(end) }, work.names);
  return [...wide, ...(inLoops(work, rest) ?? [rest])];
}

/** Less than sixteen passes over bytes, at once; undefined where that takes longer, or has no way. */
function fewBytes(work: Work, loop: Loop): readonly Stmt[] | undefined {
  const [from, to] = endsOf(loop) ?? [0, 0];
  const width = to - from;
  if (!work.machine.predicates || width <= laneCount || width >= byteCount) return undefined;
  const own = steady(loop, inlined(loop.body));
  const body = own && inBytes(lanesFor(work, loop, own.body, width), own.body);
  if (own === undefined || body === undefined) return undefined;
  if (!isIndependent(work.memory, { ...loop, body: own.body }, { from, to, width })) return undefined;
  return [constant(loop.name, from), ...body, ...own.after(width)];
}

const plain = (body: readonly Stmt[]): readonly Stmt[] =>
  rewritten(body, (s) => (s.kind === 'startRows' || s.kind === 'rowSum' ? plain(s.body) : undefined));

/** What is left of a loop, pass by pass. */
function renamed(loop: Loop, names: NewName): Loop {
  const others = new Map([...declaredIn([loop])].map((name) => [name, names(name)]));
  const name = (one: string): string => others.get(one) ?? one;
  return { ...loop, name: name(loop.name), body: copied(plain(loop.body), { name, values: new Map() }) };
}
