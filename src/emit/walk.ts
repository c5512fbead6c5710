/** Visits every statement and expression of a kernel, in the order of the text. */
import type { Expr, Stmt } from '../ir/kernel.ts';

/** The expressions directly inside. */
function operandsOf(e: Expr): readonly Expr[] {
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

/** The expressions directly in a statement, without those of statements inside of it. */
function expressionsOf(s: Stmt): readonly Expr[] {
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

const blocksOf = (s: Stmt): readonly (readonly Stmt[])[] =>
  s.kind === 'for' ? [s.body] : s.kind === 'if' ? [s.yes, s.no] : [];

export function* statementsIn(body: readonly Stmt[]): Generator<Stmt> {
  for (const s of body) {
    yield s;
    for (const block of blocksOf(s)) yield* statementsIn(block);
  }
}

function* deep(e: Expr): Generator<Expr> {
  yield e;
  for (const inner of operandsOf(e)) yield* deep(inner);
}

export function* expressionsIn(body: readonly Stmt[]): Generator<Expr> {
  for (const s of statementsIn(body)) for (const e of expressionsOf(s)) yield* deep(e);
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
  const used = new Set<string>();
  for (const s of statementsIn(body)) for (const name of arraysOf(s)) used.add(name);
  for (const e of expressionsIn(body)) if (e.kind === 'load') used.add(e.from);
  return used;
}

export function primitivesUsed(body: readonly Stmt[]): ReadonlySet<string> {
  const used = new Set<string>();
  for (const e of expressionsIn(body)) if (e.kind === 'call') used.add(e.primitive);
  return used;
}

/** Names that a body declares: locals, loop variables, pointers. */
export function declaredIn(body: readonly Stmt[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const s of statementsIn(body))
    if (s.kind === 'let' || s.kind === 'pointer' || s.kind === 'for') names.add(s.name);
  return names;
}
