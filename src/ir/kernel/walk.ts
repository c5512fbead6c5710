/** The parts of expressions and statements, for everything that walks Kernel IR without caring what it means. */
import { DefectError } from '../../base/errors.ts';
import type { Expr, ExprOf, PlainStmt, RowSum, Scalar, Stmt, StmtOf, Type } from './kernel.ts';

/** The direct subexpressions, in order of evaluation. */
export function partsOf(e: Expr): readonly Expr[] {
  switch (e.kind) {
    case 'int':
    case 'float':
    case 'local':
      return [];
    case 'binary':
    case 'compare':
      return [e.a, e.b];
    case 'select':
      return [e.test, e.yes, e.no];
    case 'load':
      return [e.index];
    case 'loadVector':
      return e.offsets === undefined ? [e.index, e.count] : [e.index, e.count, e.offsets];
    case 'toFloat':
    case 'toInt':
      return [e.value];
    case 'call':
      return e.args;
    default:
      return e satisfies never;
  }
}

/** The expressions that a statement itself evaluates, without those of its blocks. */
export function expressionsOf(s: PlainStmt): readonly Expr[] {
  switch (s.kind) {
    case 'let':
    case 'assign':
    case 'accumulate':
      return [s.value];
    case 'pointer':
      return [s.offset];
    case 'advance':
      return [s.by];
    case 'store':
      return [s.index, s.value];
    case 'storeVector':
      return [s.index, s.value, s.count];
    case 'for':
      return [s.from, s.to];
    case 'if':
      return [s.test];
    case 'copy':
      return [s.toIndex, s.fromIndex, s.count];
    case 'fill':
      return [s.index, s.value, s.count];
    case 'comment':
      return [];
    default:
      return s satisfies never;
  }
}

/** The statements of a block, with the expansions of those that stand for one. */
export function inlined(body: readonly Stmt[]): readonly PlainStmt[] {
  if (isPlain(body)) return body;
  return body.flatMap((s) => (s.kind === 'startRows' || s.kind === 'rowSum' ? inlined(s.body) : [s]));
}

const isPlain = (body: readonly Stmt[]): body is readonly PlainStmt[] =>
  body.every((s) => s.kind !== 'startRows' && s.kind !== 'rowSum');

/** Every statement, outer ones first; expansions are part of the block that they stand in. */
export function statementsIn(body: readonly Stmt[]): readonly PlainStmt[] {
  const found: PlainStmt[] = [];
  addStatements(body, found);
  return found;
}

/** To a list, and not by generators one in the other: these take five times as long. */
function addStatements(body: readonly Stmt[], to: PlainStmt[]): void {
  for (const s of body) {
    if (s.kind === 'startRows' || s.kind === 'rowSum') addStatements(s.body, to);
    else to.push(s);
    if (s.kind === 'for') addStatements(s.body, to);
    if (s.kind === 'if') {
      addStatements(s.yes, to);
      addStatements(s.no, to);
    }
  }
}

export type Loop = StmtOf<'for'>;

/** Every sum of rows, with the loops around it, outer ones first. */
export const rowSumsIn = (
  body: readonly Stmt[],
  loops: readonly Loop[] = [],
): readonly { readonly loops: readonly Loop[]; readonly sum: RowSum }[] =>
  body.flatMap((s) => {
    if (s.kind === 'rowSum') return [{ loops, sum: s }];
    if (s.kind === 'for') return rowSumsIn(s.body, [...loops, s]);
    return s.kind === 'if' ? [...rowSumsIn(s.yes, loops), ...rowSumsIn(s.no, loops)] : [];
  });

/** Whether each sum takes all terms of its row. */
export const takesAll = ({ segments, sums }: Pick<RowSum, 'segments' | 'sums'>): boolean =>
  segments === undefined && sums.every(({ pieces }) => pieces === undefined);

/** A body with other statements in place of some, in all of its blocks; undefined: the statement stays. */
export const rewritten = (
  body: readonly Stmt[],
  by: (s: Stmt) => readonly Stmt[] | undefined,
): readonly Stmt[] =>
  body.flatMap((s): readonly Stmt[] => {
    const instead = by(s);
    if (instead !== undefined) return instead;
    if (s.kind === 'for') return [{ ...s, body: rewritten(s.body, by) }];
    return s.kind === 'if' ? [{ ...s, yes: rewritten(s.yes, by), no: rewritten(s.no, by) }] : [s];
  });

/** `e` and every expression in it, outer ones first. */
export function partsIn(e: Expr): readonly Expr[] {
  const found: Expr[] = [];
  addParts(e, found);
  return found;
}

function addParts(e: Expr, to: Expr[]): void {
  to.push(e);
  for (const part of partsOf(e)) addParts(part, to);
}

/** The locals that an expression reads. */
export const namesIn = (e: Expr): ReadonlySet<string> =>
  new Set(partsIn(e).flatMap((part) => (part.kind === 'local' ? [part.name] : [])));

export function expressionsIn(body: readonly Stmt[]): readonly Expr[] {
  const found: Expr[] = [];
  for (const s of statementsIn(body)) for (const e of expressionsOf(s)) addParts(e, found);
  return found;
}

export function typeOf(e: Expr): Type {
  switch (e.kind) {
    case 'int':
    case 'compare':
    case 'toInt':
      return 'i32';
    case 'float':
    case 'toFloat':
      return 'f32';
    case 'load':
      return e.elem === 'f32' ? 'f32' : 'i32';
    case 'local':
    case 'binary':
    case 'select':
    case 'loadVector':
    case 'call':
      return e.type;
    default:
      return e satisfies never;
  }
}

/** Of operands of operators, which are numbers. */
export function scalarTypeOf(e: Expr): Scalar {
  const type = typeOf(e);
  if (type === 'i32' || type === 'f32') return type;
  throw new DefectError(`an operand of type ${type}`);
}

/** The arrays that a statement itself names, besides its expressions' loads. */
function arraysOf(s: PlainStmt): readonly string[] {
  if (s.kind === 'pointer') return [s.base];
  if (s.kind === 'advance') return [s.name];
  if (s.kind === 'store' || s.kind === 'storeVector' || s.kind === 'fill') return [s.to];
  return s.kind === 'copy' ? [s.to, s.from] : [];
}

export const isLoad = (e: Expr): e is ExprOf<'load' | 'loadVector'> =>
  e.kind === 'load' || e.kind === 'loadVector';

/** Every parameter, table and pointer that is used. */
export function arraysUsed(body: readonly Stmt[]): ReadonlySet<string> {
  const loads = expressionsIn(body).flatMap((e) => (isLoad(e) ? [e.from] : []));
  return new Set([...statementsIn(body).flatMap(arraysOf), ...loads]);
}

const primitivesOf = new WeakMap<readonly Stmt[], ReadonlySet<string>>();

/** The primitives that a body calls. Printing asks for each form of a kernel many times. */
export function primitivesUsed(body: readonly Stmt[]): ReadonlySet<string> {
  const known = primitivesOf.get(body);
  if (known !== undefined) return known;
  const found = new Set<string>();
  for (const e of expressionsIn(body)) if (e.kind === 'call') found.add(e.primitive);
  primitivesOf.set(body, found);
  return found;
}

const declarations: ReadonlySet<PlainStmt['kind']> = new Set(['let', 'pointer', 'for']);

/** Names that a body declares: locals, loop variables, pointers. */
export const declaredIn = (body: readonly Stmt[]): ReadonlySet<string> =>
  new Set(statementsIn(body).flatMap((s) => ('name' in s && declarations.has(s.kind) ? [s.name] : [])));

/** The locals that something is added to. */
export const accumulatedIn = (body: readonly Stmt[]): ReadonlySet<string> =>
  new Set(statementsIn(body).flatMap((s) => (s.kind === 'accumulate' ? [s.name] : [])));
