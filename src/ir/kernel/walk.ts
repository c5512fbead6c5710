/** The parts of expressions and statements, for everything that walks Kernel IR without caring what it means. */
import type { Expr, Stmt } from './kernel.ts';

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
export function expressionsOf(s: Stmt): readonly Expr[] {
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

/** The statements nested in a statement. */
function blocksOf(s: Stmt): readonly (readonly Stmt[])[] {
  if (s.kind === 'for') return [s.body];
  return s.kind === 'if' ? [s.yes, s.no] : [];
}

/** Every statement, outer ones first. */
export function* statementsIn(body: readonly Stmt[]): Generator<Stmt> {
  for (const s of body) {
    yield s;
    for (const block of blocksOf(s)) yield* statementsIn(block);
  }
}

/** `e` and every expression in it, outer ones first. */
export function* partsIn(e: Expr): Generator<Expr> {
  yield e;
  for (const part of partsOf(e)) yield* partsIn(part);
}

export function* expressionsIn(body: readonly Stmt[]): Generator<Expr> {
  for (const s of statementsIn(body)) for (const e of expressionsOf(s)) yield* partsIn(e);
}

/** i32 or f32. */
export function typeOf(e: Expr): 'i32' | 'f32' {
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
    case 'call':
      return e.type;
    default:
      return e satisfies never;
  }
}

/** The arrays that a statement itself names, besides its expressions' loads. */
function arraysOf(s: Stmt): readonly string[] {
  if (s.kind === 'pointer') return [s.base];
  if (s.kind === 'advance') return [s.name];
  if (s.kind === 'store' || s.kind === 'fill') return [s.to];
  return s.kind === 'copy' ? [s.to, s.from] : [];
}

/** Every parameter, table and pointer that is used. */
export function arraysUsed(body: readonly Stmt[]): ReadonlySet<string> {
  const loads = [...expressionsIn(body)].flatMap((e) => (e.kind === 'load' ? [e.from] : []));
  return new Set([...[...statementsIn(body)].flatMap(arraysOf), ...loads]);
}

export const primitivesUsed = (body: readonly Stmt[]): ReadonlySet<string> =>
  new Set([...expressionsIn(body)].flatMap((e) => (e.kind === 'call' ? [e.primitive] : [])));

const declarations: ReadonlySet<Stmt['kind']> = new Set(['let', 'pointer', 'for']);

/** Names that a body declares: locals, loop variables, pointers. */
export const declaredIn = (body: readonly Stmt[]): ReadonlySet<string> =>
  new Set([...statementsIn(body)].flatMap((s) => ('name' in s && declarations.has(s.kind) ? [s.name] : [])));

/** The locals that something is added to. */
export const accumulatedIn = (body: readonly Stmt[]): ReadonlySet<string> =>
  new Set([...statementsIn(body)].flatMap((s) => (s.kind === 'accumulate' ? [s.name] : [])));
