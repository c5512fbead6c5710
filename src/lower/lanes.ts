/** Statements for four neighbouring values of a counter at once: every i32 becomes a vector with a lane for each. */

import { largestOf, smallestOf } from '../base/extremes.ts';
import { assign, call, constant, int, loadVector, local, storeVector } from '../ir/kernel/builders.ts';
import { allInts, type Interval } from '../ir/kernel/interval.ts';
import type { Expr, ExprOf, Kernel, PlainStmt, Stmt, StmtOf, Table } from '../ir/kernel/kernel.ts';
import { type BinaryOp, compareOperations } from '../ir/kernel/operations.ts';
import type { VectorPrimitive } from '../ir/kernel/primitive.ts';
import { clamp } from '../ir/kernel/prims/clamp.ts';
import { vectorPrimitiveOf } from '../ir/kernel/prims/index.ts';
import { choiceName, laneName } from '../ir/kernel/prims/lane-operations.ts';
import { requantizeHigh } from '../ir/kernel/prims/requantize.ts';
import { requantizeByte } from '../ir/kernel/prims/requantize-byte.ts';
import { exprText } from '../ir/kernel/text.ts';
import { inlined, typeOf } from '../ir/kernel/walk.ts';
import type { NewName } from './fresh-names.ts';
import { isNeighbour, mentions } from './neighbours.ts';

export const laneCount = 4;

/** Whether a machine with vectors has a primitive. */
export type Has = (primitive: VectorPrimitive) => boolean;

/** What the statements are lanes of. */
export interface Lanes {
  readonly counter: string;
  /** Lanes that are stored; what the others hold is defined too. */
  readonly count: number;
  /** Locals that are vectors; grows with declarations. */
  readonly vectors: Set<string>;
  /** By name. What is read of them is loaded once for all statements. */
  readonly tables: ReadonlyMap<string, Table>;
  /** By the names of tables: those that are read in their place, filled up to whole vectors. */
  readonly filled: ReadonlyMap<string, Table>;
  /** By the texts of loads of tables, locals that hold them; grows. */
  readonly loaded: Map<string, { readonly name: string; readonly value: Expr }>;
  readonly names: NewName;
  readonly has: Has;
}

export const tablesOf = ({ tables }: Kernel): Lanes['tables'] => new Map(tables.map((t) => [t.name, t]));

const isOfLanes =
  ({ counter, vectors }: Lanes) =>
  (name: string): boolean =>
    name === counter || vectors.has(name);

const varies = (l: Lanes, e: Expr): boolean => mentions(e, isOfLanes(l));

const isUnitStride = (l: Lanes, index: Expr): boolean => isNeighbour(index, l.counter, isOfLanes(l));

/** Undefined where the machine does not have the primitive, or an operand has no way. */
function applied(l: Lanes, name: string, ...args: readonly (Expr | undefined)[]): Expr | undefined {
  const primitive = vectorPrimitiveOf(name);
  const known = args.filter((arg) => arg !== undefined);
  return primitive === undefined || !l.has(primitive) || known.length < args.length
    ? undefined
    : call(name, 'i32x4', ...known);
}

/** The expression in every lane; undefined where there is no way. */
export function inEveryLane(l: Lanes, e: Expr): Expr | undefined {
  if (typeOf(e) !== 'i32') return undefined;
  if (!varies(l, e)) return applied(l, 'splat_i32x4', e);
  switch (e.kind) {
    case 'local':
      return l.vectors.has(e.name) ? local(e.name, 'i32x4') : undefined;
    case 'binary':
      return binary(l, e);
    case 'select':
      return choice(l, e);
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

const ofLanes: ReadonlySet<BinaryOp> = new Set(['add', 'sub', 'mul']);

function binary(l: Lanes, e: ExprOf<'binary'>): Expr | undefined {
  const a = inEveryLane(l, e.a);
  if (e.op === 'shr') return varies(l, e.b) ? undefined : applied(l, 'shift_right_i32x4', a, e.b);
  return ofLanes.has(e.op) ? applied(l, laneName(e.op), a, inEveryLane(l, e.b)) : undefined;
}

/** Both arms are computed in all lanes, so neither may be what only one of them could: `a > b ? a : b`, or a plain value. */
function choice(l: Lanes, { test, yes, no }: ExprOf<'select'>): Expr | undefined {
  if (test.kind !== 'compare' || test.type !== 'i32') return undefined;
  const [a, b] = [inEveryLane(l, test.a), inEveryLane(l, test.b)];
  const { picks } = compareOperations[test.op];
  const isPick = exprText(test.a) === exprText(yes) && exprText(test.b) === exprText(no);
  if (isPick && picks !== undefined) return applied(l, laneName(picks), a, b);
  const isPlain = [yes, no].every(({ kind }) => kind === 'local' || kind === 'int');
  return isPlain ? applied(l, choiceName(test.op), a, b, inEveryLane(l, yes), inEveryLane(l, no)) : undefined;
}

function loaded(l: Lanes, e: ExprOf<'load'>): Expr | undefined {
  if (!isUnitStride(l, e.index)) return undefined;
  const filled = l.filled.get(e.from);
  if (filled === undefined && l.count < laneCount) return undefined;
  const value = loadVector('i32x4', filled?.name ?? e.from, e.elem, e.index);
  if (!l.tables.has(e.from)) return value;
  const key = exprText(e);
  const known = l.loaded.get(key)?.name ?? l.names('lanes');
  if (!l.loaded.has(key)) l.loaded.set(key, { name: known, value });
  return local(known, 'i32x4');
}

const isOrdered = ([lo, hi]: readonly Expr[]): boolean =>
  lo?.kind === 'int' && hi?.kind === 'int' && lo.value <= hi.value;

function called(l: Lanes, e: ExprOf<'call'>): Expr | undefined {
  const name = laneName(e.primitive);
  if (e.primitive === clamp.name && !isOrdered(e.args.slice(1))) return undefined;
  const params = vectorPrimitiveOf(name)?.params ?? [];
  const args = e.args.map((arg, i) => {
    if (params[i]?.type === 'i32x4') return inEveryLane(l, arg);
    return varies(l, arg) ? undefined : arg;
  });
  return applied(l, name, ...args);
}

/** What is known of a number without running anything. */
function intervalOf({ tables }: Lanes, e: Expr): Interval {
  if (e.kind === 'int') return { lo: e.value, hi: e.value };
  const table = e.kind === 'load' ? tables.get(e.from) : undefined;
  return table === undefined ? allInts : { lo: smallestOf(table.data), hi: largestOf(table.data) };
}

/** A sum that is scaled and cut off at the limits of a byte in one step; undefined for all else. */
function requantizedByte(l: Lanes, e: Expr): Expr | undefined {
  if (e.kind !== 'call' || e.primitive !== clamp.name) return undefined;
  const [x = e, ...cuts] = e.args;
  const [sum, offset] =
    x.kind === 'binary' && x.op === 'add' && x.b.kind === 'int' ? [x.a, x.b] : [x, int(0)];
  if (sum.kind !== 'call' || sum.primitive !== requantizeHigh.name) return undefined;
  const isDefined = requantizeByte.violation(
    ...[...sum.args, offset, ...cuts].map((arg) => intervalOf(l, arg)),
  );
  return isDefined === undefined
    ? applied(l, requantizeByte.name, ...sum.args.map((arg) => inEveryLane(l, arg)), offset, ...cuts)
    : undefined;
}

function stored(l: Lanes, s: StmtOf<'store'>): Stmt | undefined {
  if (!isUnitStride(l, s.index)) return undefined;
  const value = requantizedByte(l, s.value) ?? inEveryLane(l, s.value);
  return value && storeVector('i32x4', s.to, s.elem, s.index, value, l.count);
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
    case 'store':
      return stored(l, s);
    case 'comment':
      return s;
    case 'accumulate': {
      const sum = l.vectors.has(s.name)
        ? applied(l, 'add_i32x4', local(s.name, 'i32x4'), inEveryLane(l, s.value))
        : undefined;
      return sum && assign(s.name, sum);
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
