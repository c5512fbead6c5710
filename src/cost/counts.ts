/**
 * How often each part of a kernel runs, exactly: what decides it (counters, counts in tables) is followed with
 * its values, everything else is only counted. A loop whose body decides nothing is counted in one step, and one
 * that begins in a state that it began in before does what it did then.
 */
import { at, DefectError, InputError, must } from '../base/errors.ts';
import type { Arrays } from '../ir/kernel/check.ts';
import type { Expr, ExprOf, Kernel, PlainStmt, Stmt, StmtOf } from '../ir/kernel/kernel.ts';
import { elemBytes } from '../ir/kernel/kernel.ts';
import { binaryOperations, compareOperations } from '../ir/kernel/operations.ts';
import { primitiveOf } from '../ir/kernel/prims/index.ts';
import { expressionsOf, inlined, statementsIn } from '../ir/kernel/walk.ts';
import { type BindingTimes, bindingTimes, isFixed } from '../prove/interval/binding-time.ts';
import { addNames, addTimes, type Counts, count, countStmt, noCounts, valuesHeld } from './speed-features.ts';

interface Run {
  readonly kernel: Kernel;
  readonly times: BindingTimes;
  readonly arrays: Arrays;
  /** Names whose values decide how often something runs. */
  readonly needed: ReadonlySet<string>;
  readonly env: Map<string, number>;
  /** Where operations are added up: of the whole kernel, or of the loop that is being learned. */
  total: Counts;
  /** What each statement executes by itself. */
  readonly own: Map<PlainStmt, Counts>;
  readonly learned: Map<PlainStmt, Learned>;
}

/** A loop whose outcome follows from a few names: it is followed once for each of their values. */
interface Learned {
  /** Needed names that live outside of the loop and that it reads or changes. */
  readonly names: readonly string[];
  readonly outcomes: Map<
    string,
    { readonly counts: Counts; readonly after: readonly (number | undefined)[] }
  >;
}

/** Tests, bounds of loops and sizes of copies: what must be known. */
function deciding(s: PlainStmt): readonly Expr[] {
  if (s.kind === 'for') return [s.from, s.to];
  if (s.kind === 'if') return [s.test];
  return s.kind === 'copy' || s.kind === 'fill' ? [s.count] : [];
}

/** Everything that flows into a decision. */
function neededNames(kernel: Kernel): ReadonlySet<string> {
  const needed = new Set<string>();
  for (const s of statementsIn(kernel.body)) {
    for (const e of deciding(s)) addNames(e, needed);
  }
  for (let before = -1; before < needed.size; ) {
    before = needed.size;
    for (const s of statementsIn(kernel.body)) {
      if (!('name' in s) || !needed.has(s.name)) continue;
      for (const e of expressionsOf(s)) addNames(e, needed);
      if (s.kind === 'pointer') needed.add(s.base);
    }
  }
  return needed;
}

function evaluated(run: Run, e: Expr): number {
  switch (e.kind) {
    case 'int':
    case 'float':
      return e.value;
    case 'local':
      return currentOf(run, e.name);
    case 'binary':
      return binaryOperations[e.op].meaning(evaluated(run, e.a), evaluated(run, e.b));
    case 'compare':
      return compareOperations[e.op].meaning(evaluated(run, e.a), evaluated(run, e.b)) ? 1 : 0;
    case 'select':
      return evaluated(run, e.test) !== 0 ? evaluated(run, e.yes) : evaluated(run, e.no);
    case 'load':
      return loaded(run, e);
    case 'call':
      return primitiveOf(e.primitive).js(...e.args.map((arg) => evaluated(run, arg)));
    case 'loadVector':
      throw new DefectError('a vector decides nothing');
    case 'toFloat':
    case 'toInt':
      return Math.trunc(evaluated(run, e.value));
    default:
      return e satisfies never;
  }
}

const currentOf = ({ env }: Run, name: string): number =>
  must(env.get(name), 'a name has a value where it decides something');

/** Where a pointer stands; arrays begin at 0. */
const startOf = (run: Run, name: string): number =>
  run.arrays.get(name)?.pointer === false ? 0 : currentOf(run, name);

/** Only tables are read: whatever depends on the arena decides nothing here. */
function loaded(run: Run, e: ExprOf<'load'>): number {
  const root = run.arrays.get(e.from)?.root;
  return root?.kind === 'table' ? at(root.table.data, startOf(run, e.from) + evaluated(run, e.index)) : 0;
}

/** Whether running it leaves nothing that a decision needs, and decides nothing but by its counters. */
function isClosed(run: Run, body: readonly Stmt[]): boolean {
  return inlined(body).every((s) => {
    if (s.kind === 'for') return s.from.kind === 'int' && s.to.kind === 'int' && isClosed(run, s.body);
    if (s.kind === 'if' || s.kind === 'copy' || s.kind === 'fill') return false;
    return !('name' in s && run.needed.has(s.name));
  });
}

function block(run: Run, body: readonly Stmt[], times: number): void {
  for (const s of inlined(body)) statement(run, s, times);
}

function ownOf({ own }: Run, s: PlainStmt): Counts {
  const old = own.get(s);
  if (old !== undefined) return old;
  const counts = noCounts();
  countStmt(counts, s);
  own.set(s, counts);
  return counts;
}

function statement(run: Run, s: PlainStmt, times: number): void {
  addTimes(run.total, ownOf(run, s), times);
  if ('name' in s && run.needed.has(s.name)) follow(run, s);
  if (s.kind === 'for') loop(run, s, times);
  else if (s.kind === 'if') conditional(run, s, times);
  else if (s.kind === 'copy' || s.kind === 'fill')
    count(run.total, 'blockByte', times * elemBytes[s.elem] * evaluated(run, s.count));
}

function follow(run: Run, s: PlainStmt & { readonly name: string }): void {
  const { env } = run;
  if (s.kind === 'let' || s.kind === 'assign') env.set(s.name, evaluated(run, s.value));
  else if (s.kind === 'accumulate') env.set(s.name, currentOf(run, s.name) + evaluated(run, s.value));
  else if (s.kind === 'pointer') env.set(s.name, startOf(run, s.base) + evaluated(run, s.offset));
  else if (s.kind === 'advance') env.set(s.name, currentOf(run, s.name) + evaluated(run, s.by));
}

function requireFixed(run: Run, e: Expr): void {
  if (isFixed(run.times, e)) return;
  throw new InputError({
    where: `kernel '${run.kernel.name}'`,
    found: 'a loop whose length depends on the input',
    supported: 'kernels that do the same work for every input',
  });
}

function learnedOf(run: Run, s: StmtOf<'for'>): Learned {
  const old = run.learned.get(s);
  if (old !== undefined) return old;
  const inner = new Set<string>();
  const used = new Set<string>();
  for (const part of statementsIn([s])) {
    for (const e of expressionsOf(part)) addNames(e, used);
    if (part.kind === 'pointer') used.add(part.base);
    if (part.kind === 'let' || part.kind === 'pointer' || part.kind === 'for') inner.add(part.name);
    else if ('name' in part) used.add(part.name);
  }
  const names = [...used].filter((name) => run.needed.has(name) && !inner.has(name));
  const made = { names, outcomes: new Map() };
  run.learned.set(s, made);
  return made;
}

/** Adds what the loop does, learned where it has been in the same state before. */
function loop(run: Run, s: StmtOf<'for'>, times: number): void {
  const { names, outcomes } = learnedOf(run, s);
  const state = names.map((name) => run.env.get(name)).join();
  let outcome = outcomes.get(state);
  if (outcome === undefined) {
    const outer = run.total;
    run.total = noCounts();
    rounds(run, s);
    outcome = { counts: run.total, after: names.map((name) => run.env.get(name)) };
    run.total = outer;
    outcomes.set(state, outcome);
  }
  addTimes(run.total, outcome.counts, times);
  const { after } = outcome;
  names.forEach((name, i) => {
    const value = after[i];
    if (value !== undefined) run.env.set(name, value);
  });
}

function rounds(run: Run, s: StmtOf<'for'>): void {
  requireFixed(run, s.from);
  requireFixed(run, s.to);
  const [from, to] = [evaluated(run, s.from), evaluated(run, s.to)];
  const passes = Math.max(0, Math.ceil((to - from) / s.step));
  count(run.total, 'pass', passes);
  const innermost = inlined(s.body).every((inner) => inner.kind !== 'for' && inner.kind !== 'if');
  if (innermost) pressure(run, s.body, passes);
  if (isClosed(run, s.body)) {
    block(run, s.body, passes);
    return;
  }
  for (let i = from; i < to; i += s.step) {
    run.env.set(s.name, i);
    block(run, s.body, 1);
  }
}

function pressure(run: Run, body: readonly Stmt[], times: number): void {
  const held = valuesHeld(body);
  count(run.total, 'over7', times * Math.max(0, held - 7));
  count(run.total, 'over11', times * Math.max(0, held - 11));
}

/** Where the input decides, each way counts half. */
function conditional(run: Run, s: StmtOf<'if'>, times: number): void {
  if (!isFixed(run.times, s.test)) {
    block(run, s.yes, times / 2);
    block(run, s.no, times / 2);
  } else block(run, evaluated(run, s.test) !== 0 ? s.yes : s.no, times);
}

const known = new WeakMap<Kernel, Counts>();

/**
 * The operations of one call of a kernel, by kind.
 * @throws InputError for a kernel whose loops depend on the input.
 */
export function operationsOf(kernel: Kernel): Counts {
  const old = known.get(kernel);
  if (old !== undefined) return old;
  const times = bindingTimes(kernel);
  const run: Run = {
    kernel,
    times,
    arrays: times.arrays,
    needed: neededNames(kernel),
    env: new Map(),
    total: noCounts(),
    own: new Map(),
    learned: new Map(),
  };
  count(run.total, 'kernel');
  block(run, kernel.body, 1);
  known.set(kernel, run.total);
  return run.total;
}
