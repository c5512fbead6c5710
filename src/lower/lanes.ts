/** Statements for four neighbouring values of a counter at once: every i32 becomes a vector with a lane for each. */

import { largestOf, smallestOf } from '../base/extremes.ts';
import {
  assign,
  call,
  constant,
  gather,
  int,
  loadVector,
  local,
  storeVector,
  times,
} from '../ir/kernel/builders.ts';
import { allInts, type Interval } from '../ir/kernel/interval.ts';
import type { Expr, ExprOf, Kernel, PlainStmt, Stmt, StmtOf, Table } from '../ir/kernel/kernel.ts';
import { type BinaryOp, compareOperations } from '../ir/kernel/operations.ts';
import type { VectorPrimitive } from '../ir/kernel/primitive.ts';
import { clamp } from '../ir/kernel/prims/clamp.ts';
import { vectorPrimitiveOf } from '../ir/kernel/prims/index.ts';
import { choiceName, laneName } from '../ir/kernel/prims/lane-operations.ts';
import { requantizeHigh, requantizeSingle } from '../ir/kernel/prims/requantize.ts';
import { requantizeByte } from '../ir/kernel/prims/requantize-byte.ts';
import { extremeName } from '../ir/kernel/prims/vectors.ts';
import { exprText } from '../ir/kernel/text.ts';
import { expressionsOf, inlined, statementsIn, typeOf } from '../ir/kernel/walk.ts';
import { floatScale } from './float-scales.ts';
import type { NewName } from './fresh-names.ts';
import { isNeighbour, mentions, stepOf } from './neighbours.ts';

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
  /** By name. What is read of them is loaded once for all statements. Grows with those that lanes need. */
  readonly tables: Map<string, Table>;
  /** By the names of tables: those that are read in their place, filled up to whole vectors. */
  readonly filled: ReadonlyMap<string, Table>;
  /** By the texts of loads of tables, locals that hold them; grows. */
  readonly loaded: Map<string, { readonly name: string; readonly value: Expr }>;
  /** Locals from outside of the loop that all of its passes together add to, or are the largest or smallest of. */
  readonly folds: ReadonlySet<string>;
  readonly names: NewName;
  readonly has: Has;
  /** Whether lanes are loaded from places that are apart. */
  readonly gathers: boolean;
  /** Whether elements in equal steps are loaded one by one. */
  readonly strides: boolean;
}

export const tablesOf = ({ tables }: Kernel): Map<string, Table> => new Map(tables.map((t) => [t.name, t]));

export const isOfLanes =
  ({ counter, vectors }: Pick<Lanes, 'counter' | 'vectors'>) =>
  (name: string): boolean =>
    name === counter || vectors.has(name);

const varies = (l: Lanes, e: Expr): boolean => mentions(e, isOfLanes(l));

const isUnitStride = (l: Lanes, index: Expr): boolean => isNeighbour(index, l.counter, isOfLanes(l));

/** Undefined where the machine does not have the primitive, or an operand has no way. */
export function applied(
  l: Pick<Lanes, 'has'>,
  name: string,
  ...args: readonly (Expr | undefined)[]
): Expr | undefined {
  const primitive = vectorPrimitiveOf(name);
  const known = args.filter((arg) => arg !== undefined);
  return primitive === undefined || !l.has(primitive) || known.length < args.length
    ? undefined
    : call(name, primitive.result, ...known);
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

const ofLanes: ReadonlySet<BinaryOp> = new Set(['sub', 'mul']);

/** The factor that is the same in every lane, and the other one; undefined for all else. */
function scaled(l: Lanes, e: Expr): { readonly a: Expr; readonly by: Expr } | undefined {
  if (e.kind !== 'binary' || e.op !== 'mul' || varies(l, e.a) === varies(l, e.b)) return undefined;
  return varies(l, e.a) ? { a: e.a, by: e.b } : { a: e.b, by: e.a };
}

/** A sum with what is in lanes. */
function added(l: Lanes, sum: Expr | undefined, e: Expr): Expr | undefined {
  const product = scaled(l, e);
  return (
    (product && applied(l, 'add_scaled_i32x4', sum, inEveryLane(l, product.a), product.by)) ??
    applied(l, 'add_i32x4', sum, inEveryLane(l, e))
  );
}

function binary(l: Lanes, e: ExprOf<'binary'>): Expr | undefined {
  if (e.op === 'add') {
    const [first, last] = scaled(l, e.b) ? [e.a, e.b] : [e.b, e.a];
    return added(l, inEveryLane(l, first), last);
  }
  const a = inEveryLane(l, e.a);
  if (e.op === 'shr') return varies(l, e.b) ? undefined : applied(l, 'shift_right_i32x4', a, e.b);
  return ofLanes.has(e.op) ? applied(l, laneName(e.op), a, inEveryLane(l, e.b)) : undefined;
}

/** Both arms are computed in all lanes, so neither may be what only one of them could: `a > b ? a : b`, or a plain value. */
function choice(l: Lanes, e: ExprOf<'select'>): Expr | undefined {
  const { test, yes, no } = e;
  if (test.kind !== 'compare' || test.type !== 'i32') return undefined;
  const [a, b] = [inEveryLane(l, test.a), inEveryLane(l, test.b)];
  const pick = picked(e);
  if (pick !== undefined) return applied(l, laneName(pick), a, b);
  const isPlain = [yes, no].every(({ kind }) => kind === 'local' || kind === 'int');
  return isPlain ? applied(l, choiceName(test.op), a, b, inEveryLane(l, yes), inEveryLane(l, no)) : undefined;
}

function loaded(l: Lanes, e: ExprOf<'load'>): Expr | undefined {
  if (!isUnitStride(l, e.index)) return inSteps(l, e) ?? lookedUp(l, e);
  const filled = l.filled.get(e.from);
  if (filled === undefined && l.count < laneCount) return undefined;
  const value = loadVector('i32x4', filled?.name ?? e.from, e.elem, e.index);
  if (!l.tables.has(e.from)) return value;
  const key = exprText(e);
  const known = l.loaded.get(key)?.name ?? l.names('lanes');
  if (!l.loaded.has(key)) l.loaded.set(key, { name: known, value });
  return local(known, 'i32x4');
}

/** Elements in equal steps. */
function inSteps(l: Lanes, e: ExprOf<'load'>): Expr | undefined {
  const step = l.strides ? stepOf(e.index, l.counter, isOfLanes(l)) : undefined;
  if (step === undefined || step === 0) return undefined;
  const offsets = call('four_i32x4', 'i32x4', ...times(laneCount, (i) => i * step));
  return gather('i32x4', e.from, e.elem, e.index, offsets, l.count);
}

/** An element of a table for each lane. */
function lookedUp(l: Lanes, e: ExprOf<'load'>): Expr | undefined {
  const index = l.gathers && l.tables.has(e.from) ? inEveryLane(l, e.index) : undefined;
  return index && gather('i32x4', e.from, e.elem, 0, index, l.count);
}

const isOrdered = ([lo, hi]: readonly Expr[]): boolean =>
  lo?.kind === 'int' && hi?.kind === 'int' && lo.value <= hi.value;

function called(l: Lanes, e: ExprOf<'call'>): Expr | undefined {
  const [, , shift] = e.args;
  // The same value, by fewer instructions.
  if (e.primitive === requantizeSingle.name && shift?.kind === 'int' && shift.value >= 2)
    return called(l, { ...e, primitive: requantizeHigh.name });
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
  // The cuts are the same in all lanes.
  if (cuts.some((cut) => varies(l, cut))) return undefined;
  const [acc, multiplier, shift] = sum.args;
  if (acc === undefined || multiplier === undefined || shift === undefined || !l.has(requantizeByte))
    return undefined;
  const scale = floatScale(l.tables, multiplier, shift);
  if (scale === undefined) return undefined;
  const args = [acc, ...scale];
  const isDefined = requantizeByte.violation(...[...args, offset, ...cuts].map((arg) => intervalOf(l, arg)));
  return isDefined === undefined
    ? applied(l, requantizeByte.name, ...args.map((arg) => inEveryLane(l, arg)), offset, ...cuts)
    : undefined;
}

function stored(l: Lanes, s: StmtOf<'store'>): Stmt | undefined {
  if (!isUnitStride(l, s.index)) return undefined;
  const value = requantizedByte(l, s.value) ?? inEveryLane(l, s.value);
  return value && storeVector('i32x4', s.to, s.elem, s.index, value, l.count);
}

const isSame = (a: Expr, b: Expr): boolean => exprText(a) === exprText(b);

/** Of `a > b ? a : b` and the like. */
export function picked({ test, yes, no }: ExprOf<'select'>): 'max' | 'min' | undefined {
  const isPick = test.kind === 'compare' && test.type === 'i32' && isSame(test.a, yes) && isSame(test.b, no);
  return isPick ? compareOperations[test.op].picks : undefined;
}

/** What a statement does to a local of all passes, the local being `name`, and with what. */
function foldOf(s: PlainStmt): Fold | undefined {
  if (s.kind === 'accumulate') return { how: 'sum', value: s.value };
  const op = s.kind === 'assign' && s.value.kind === 'select' ? picked(s.value) : undefined;
  if (op === undefined || s.kind !== 'assign' || s.value.kind !== 'select') return undefined;
  const { yes, no } = s.value;
  const isOwn = (e: Expr): boolean => e.kind === 'local' && e.name === s.name;
  if (isOwn(yes) === isOwn(no)) return undefined;
  return { how: op, value: isOwn(yes) ? no : yes };
}
interface Fold {
  readonly how: 'sum' | 'max' | 'min';
  readonly value: Expr;
}

/** The locals that a body changes by one statement each, of all that it has in any depth, and reads nowhere else. */
export function foldsOf(body: readonly PlainStmt[]): ReadonlySet<string> {
  const folds = body.flatMap((s) => (foldOf(s) && 'name' in s ? [{ s, name: s.name }] : []));
  const isOnly = ({ s, name }: (typeof folds)[number]): boolean => {
    const others = [...statementsIn(body)].filter((other) => other !== s);
    const value = foldOf(s)?.value;
    const isRead = (e: Expr): boolean => mentions(e, (read) => read === name);
    return (
      value !== undefined &&
      !isRead(value) &&
      !others.some((other) => ('name' in other && other.name === name) || expressionsOf(other).some(isRead))
    );
  };
  return new Set(folds.filter(isOnly).map(({ name }) => name));
}

/** The same of all lanes. */
function folded(l: Lanes, s: StmtOf<'accumulate' | 'assign'>): Stmt | undefined {
  const fold = l.folds.has(s.name) ? foldOf(s) : undefined;
  if (fold === undefined || s.type !== 'i32') return undefined;
  const { how, value } = fold;
  const name = local(s.name);
  const made =
    how !== 'sum'
      ? applied(l, extremeName(how), name, inEveryLane(l, value))
      : value.kind === 'binary' && value.op === 'mul'
        ? applied(l, 'dot_i32x4', name, inEveryLane(l, value.a), inEveryLane(l, value.b))
        : applied(l, 'sum_i32x4', name, inEveryLane(l, value));
  return made && assign(s.name, made);
}

function statement(l: Lanes, s: PlainStmt): Stmt | undefined {
  switch (s.kind) {
    case 'let':
    case 'assign': {
      if (s.kind === 'assign' && !l.vectors.has(s.name)) return folded(l, s);
      const value = s.type === 'i32' ? inEveryLane(l, s.value) : undefined;
      if (value === undefined) return undefined;
      l.vectors.add(s.name);
      return { ...s, type: 'i32x4', value };
    }
    case 'store':
      return stored(l, s);
    case 'comment':
      return s;
    case 'accumulate': {
      if (!l.vectors.has(s.name)) return folded(l, s);
      const sum = added(l, local(s.name, 'i32x4'), s.value);
      return sum && assign(s.name, sum);
    }
    case 'for': {
      // What is loaded in the body is not there behind it.
      const inner = { ...l, loaded: new Map(l.loaded), folds: new Set<string>() };
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
