/** Statements for four neighbouring values of a counter at once: every i32 becomes a vector with a lane for each. */

import { assign, call, constant, loadVector, local, storeVector } from '../ir/kernel/builders.ts';
import type { Expr, ExprOf, PlainStmt, Stmt, Table } from '../ir/kernel/kernel.ts';
import { compareOperations } from '../ir/kernel/operations.ts';
import { exprText } from '../ir/kernel/text.ts';
import { inlined, partsIn } from '../ir/kernel/walk.ts';
import type { NewName } from './fresh-names.ts';

export const laneCount = 4;

/** What the statements are lanes of. */
export interface Lanes {
  readonly counter: string;
  /** Lanes that are stored. */
  readonly count: number;
  /** Locals that are vectors; grows with declarations. */
  readonly vectors: Set<string>;
  /** Tables that are read at the counter, by the names of those with an element for each of its values. */
  readonly tables: ReadonlyMap<string, Table>;
  /** Arrays that nothing writes, which are read at the counter and what all lanes have in common. */
  readonly arrays: ReadonlySet<string>;
  /** Locals that hold what was loaded from a table; grows. */
  readonly loaded: Map<string, { readonly name: string; readonly value: Expr }>;
  readonly names: NewName;
}

const varies = (l: Lanes, e: Expr): boolean =>
  [...partsIn(e)].some(
    (part) => part.kind === 'local' && (part.name === l.counter || l.vectors.has(part.name)),
  );

const terms = (e: Expr): readonly Expr[] =>
  e.kind === 'binary' && e.op === 'add' ? [...terms(e.a), ...terms(e.b)] : [e];

/** Whether an index is the counter plus what all lanes have in common. */
function isUnitStride(l: Lanes, index: Expr): boolean {
  const moving = terms(index).filter((term) => varies(l, term));
  const [only] = moving;
  return moving.length === 1 && only?.kind === 'local' && only.name === l.counter;
}

/** The expression in every lane; undefined where there is no way. */
export function inEveryLane(l: Lanes, e: Expr): Expr | undefined {
  if (!varies(l, e)) return call('splat_i32x4', 'i32x4', e);
  switch (e.kind) {
    case 'local':
      return l.vectors.has(e.name) ? local(e.name, 'i32x4') : undefined;
    case 'binary':
      return binary(l, e);
    case 'select':
      return extreme(l, e);
    case 'load':
      return loaded(l, e);
    case 'call':
      return called(l, e);
    case 'int':
    case 'float':
    case 'compare':
    case 'loadVector':
    case 'toFloat':
    case 'toInt':
      return undefined;
    default:
      return e satisfies never;
  }
}

function binary(l: Lanes, e: ExprOf<'binary'>): Expr | undefined {
  if (e.type !== 'i32') return undefined;
  const a = inEveryLane(l, e.a);
  if (e.op === 'shr') return varies(l, e.b) ? undefined : a && call('shift_right_i32x4', 'i32x4', a, e.b);
  if (e.op !== 'add' && e.op !== 'sub' && e.op !== 'mul') return undefined;
  const b = inEveryLane(l, e.b);
  return a && b && call(`${e.op}_i32x4`, 'i32x4', a, b);
}

/** `a > b ? a : b` and `a < b ? a : b`. */
function extreme(l: Lanes, e: ExprOf<'select'>): Expr | undefined {
  const { test } = e;
  if (test.kind !== 'compare' || test.type !== 'i32') return undefined;
  const { picks } = compareOperations[test.op];
  if (picks === undefined) return undefined;
  if (exprText(test.a) !== exprText(e.yes) || exprText(test.b) !== exprText(e.no)) return undefined;
  const [a, b] = [inEveryLane(l, e.yes), inEveryLane(l, e.no)];
  return a && b && call(`${picks}_i32x4`, 'i32x4', a, b);
}

/** Elements of a table are loaded once for all statements. */
function loaded(l: Lanes, e: ExprOf<'load'>): Expr | undefined {
  if (l.arrays.has(e.from))
    return e.elem === 'f32' || !isUnitStride(l, e.index)
      ? undefined
      : loadVector('i32x4', e.from, e.elem, e.index, l.count);
  const found = l.tables.get(e.from);
  const isCounter = e.index.kind === 'local' && e.index.name === l.counter;
  if (found === undefined || e.elem === 'f32' || !isCounter) return undefined;
  const known = l.loaded.get(e.from);
  if (known !== undefined) return local(known.name, 'i32x4');
  const name = l.names('lanes');
  l.loaded.set(e.from, { name, value: loadVector('i32x4', found.name, e.elem, e.index) });
  return local(name, 'i32x4');
}

function called(l: Lanes, e: ExprOf<'call'>): Expr | undefined {
  const [x, ...rest] = e.args;
  if (x === undefined) return undefined;
  const first = inEveryLane(l, x);
  if (e.primitive === 'clamp' && !rest.some((arg) => varies(l, arg)))
    return first && call('clamp_i32x4', 'i32x4', first, ...rest);
  if (e.primitive !== 'requantize_high') return undefined;
  const others = rest.flatMap((arg) => inEveryLane(l, arg) ?? []);
  return others.length < rest.length
    ? undefined
    : first && call('requantize_high_i32x4', 'i32x4', first, ...others);
}

function statement(l: Lanes, s: PlainStmt): Stmt | undefined {
  switch (s.kind) {
    case 'let':
    case 'assign': {
      const value = s.type === 'i32' ? inEveryLane(l, s.value) : undefined;
      if (value === undefined || (s.kind === 'assign' && !l.vectors.has(s.name))) return undefined;
      l.vectors.add(s.name);
      return { ...s, type: 'i32x4', value };
    }
    case 'store': {
      const value = inEveryLane(l, s.value);
      if (value === undefined || s.elem === 'f32' || !isUnitStride(l, s.index)) return undefined;
      return storeVector('i32x4', s.to, s.elem, s.index, value, l.count);
    }
    case 'comment':
      return s;
    case 'accumulate': {
      const value = s.type === 'i32' && l.vectors.has(s.name) ? inEveryLane(l, s.value) : undefined;
      if (value === undefined) return undefined;
      const { name } = s;
      return assign(name, call('add_i32x4', 'i32x4', local(name, 'i32x4'), value));
    }
    case 'for': {
      // What is loaded in the body is not there behind it.
      const inner = { ...l, loaded: new Map(l.loaded) };
      const body = varies(l, s.from) || varies(l, s.to) ? undefined : inLanes(inner, inlined(s.body));
      return body && { ...s, body };
    }
    case 'pointer':
    case 'advance':
    case 'storeVector':
    case 'if':
    case 'copy':
    case 'fill':
      return undefined;
    default:
      return s satisfies never;
  }
}

/** All statements in every lane; undefined where one has no way. */
export function inLanes(l: Lanes, body: readonly PlainStmt[]): readonly Stmt[] | undefined {
  const made: Stmt[] = [];
  for (const s of body) {
    const before = l.loaded.size;
    const one = statement(l, s);
    if (one === undefined) return undefined;
    made.push(...[...l.loaded.values()].slice(before).map(({ name, value }) => constant(name, value)), one);
  }
  return made;
}
