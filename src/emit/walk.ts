/** Visits every statement and expression of a kernel, in the order of the text. */
import type { Expr, Stmt } from '../ir/kernel.ts';
import { expressionsOf, partsOf } from '../ir/kernel-walk.ts';

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
  for (const inner of partsOf(e)) yield* deep(inner);
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

/** The locals that something is added to. */
export function accumulatedIn(body: readonly Stmt[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const s of statementsIn(body)) if (s.kind === 'accumulate') names.add(s.name);
  return names;
}
