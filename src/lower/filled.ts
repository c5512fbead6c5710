/**
 * Where the elements of a patch come from: what fills it is run at every place, over indices instead of inputs. That
 * needs no knowledge of what windows look like.
 */
import type { Expr, Kernel, Param, PlainStmt, RowSum, Stmt, StmtOf } from '../ir/kernel/kernel.ts';
import { binaryOperations, compareOperations } from '../ir/kernel/operations.ts';
import { anyPrimitive } from '../ir/kernel/prims/index.ts';
import { expressionsOf, isLoad, type Loop, partsIn, partsOf } from '../ir/kernel/walk.ts';

/** An array, the loops whose every pass is a place, and the statement in the innermost of them before which it is filled. */
export interface Site {
  readonly kernel: Kernel;
  readonly array: Param;
  readonly around: readonly Loop[];
  readonly ahead: Stmt;
}

export interface Filled {
  /** Of each place in order what each element is: the index of an input, or -1 - n where it is the constant n. */
  readonly places: readonly Int32Array[];
  /** The array of these inputs, which the kernel is given. */
  readonly input: Param;
  /** What fills the array, and does nothing else. */
  readonly writers: ReadonlySet<Stmt>;
}

/** Elements of all places together: more would take longer than they save. */
const mostElements = 2 ** 22;
/** No place has filled it yet. */
const unset = -(2 ** 31);

type Leaf = Exclude<PlainStmt, StmtOf<'for' | 'if'>> | RowSum;

/** The statements that have no blocks. */
const leavesOf = (s: Stmt): readonly Leaf[] => {
  if (s.kind === 'for') return s.body.flatMap(leavesOf);
  if (s.kind === 'if') return [...s.yes, ...s.no].flatMap(leavesOf);
  return s.kind === 'startRows' ? [] : [s];
};

type Writer = StmtOf<'copy' | 'fill'>;
const isWriter = (s: Leaf, name: string): s is Writer =>
  (s.kind === 'copy' || s.kind === 'fill') && s.to === name;

/** Whether a statement has to do with an array, other than summing rows of it. */
const touches = (s: Leaf, name: string): boolean =>
  s.kind !== 'rowSum' &&
  ([s].some((of) => ['to', 'from', 'base'].some((key) => key in of && of[key as keyof Leaf] === name)) ||
    expressionsOf(s).some((e) => [...partsIn(e)].some((part) => isLoad(part) && part.from === name)));

/** Undefined where something else fills or reads the array, or what fills it follows from the inputs' values. */
export function filledOf({ kernel, array, around, ahead }: Site): Filled | undefined {
  const own = around.at(-1)?.body ?? kernel.body;
  const before = own.slice(0, own.indexOf(ahead));
  const writers = new Set(
    before.filter((s) => leavesOf(s).length > 0 && leavesOf(s).every((leaf) => isWriter(leaf, array.name))),
  );
  const writes = [...writers].flatMap(leavesOf).filter((leaf) => isWriter(leaf, array.name));
  const others = kernel.body.flatMap(leavesOf).filter((leaf) => !writes.includes(leaf as Writer));
  const sources = new Set(writes.flatMap((s) => (s.kind === 'copy' ? [s.from] : [])));
  const [source] = sources;
  const input = kernel.params.find(({ name, role }) => name === source && role === 'in');
  if (input === undefined || sources.size > 1 || others.some((leaf) => touches(leaf, array.name)))
    return undefined;
  const places = run(kernel, array, new Set(around), writers, ahead);
  return places && { places, input, writers };
}

type Locals = Map<string, number>;

/** A number that follows from counters and constants. */
function numberOf(e: Expr, locals: Locals): number | undefined {
  if (e.kind === 'int') return e.value;
  if (e.kind === 'local') return locals.get(e.name);
  if (e.kind !== 'binary' && e.kind !== 'compare' && e.kind !== 'call') return undefined;
  const parts = partsOf(e).flatMap((part) => numberOf(part, locals) ?? []);
  const [a, b] = parts;
  if (a === undefined || parts.length < partsOf(e).length) return undefined;
  if (e.kind === 'call') return scalar(anyPrimitive(e.primitive)?.js(...parts));
  if (b === undefined || e.type !== 'i32') return undefined;
  return e.kind === 'binary'
    ? binaryOperations[e.op].meaning(a, b)
    : Number(compareOperations[e.op].meaning(a, b));
}

const scalar = (x: unknown): number | undefined => (typeof x === 'number' ? x : undefined);

/** The array as every place finds it. */
function run(
  kernel: Kernel,
  array: Param,
  around: ReadonlySet<Stmt>,
  writers: ReadonlySet<Stmt>,
  ahead: Stmt,
): readonly Int32Array[] | undefined {
  const now = new Int32Array(array.length).fill(unset);
  const locals: Locals = new Map();
  const found: Int32Array[] = [];
  /** Each says whether it could be done. */
  const block = (body: readonly Stmt[]): boolean =>
    body.every((s) => {
      if (s === ahead) return place();
      if (s.kind === 'let') return declared(s);
      return around.has(s) || writers.has(s) ? done(s, around.has(s) ? block : all) : true;
    });
  const place = (): boolean => {
    found.push(now.slice());
    return (found.length + 1) * now.length < mostElements && !now.includes(unset);
  };
  const declared = (s: StmtOf<'let'>): boolean => {
    const value = s.mutable ? undefined : numberOf(s.value, locals);
    if (value === undefined) locals.delete(s.name);
    else locals.set(s.name, value);
    return true;
  };
  const all = (body: readonly Stmt[]): boolean => body.every((s) => done(s, all));
  const done = (s: Stmt, inside: (body: readonly Stmt[]) => boolean): boolean => {
    if (s.kind === 'for') return passes(s, inside);
    if (s.kind === 'fill' || s.kind === 'copy') return written(s);
    const test = s.kind === 'if' ? numberOf(s.test, locals) : undefined;
    return s.kind === 'if' && test !== undefined && inside(test !== 0 ? s.yes : s.no);
  };
  const passes = (s: Loop, inside: (body: readonly Stmt[]) => boolean): boolean => {
    const [from, to] = [numberOf(s.from, locals), numberOf(s.to, locals)];
    if (from === undefined || to === undefined) return false;
    for (let i = from; i < to; i += s.step) {
      locals.set(s.name, i);
      if (!inside(s.body)) return false;
    }
    return true;
  };
  const written = (s: Writer): boolean => {
    const numbers = [
      s.kind === 'copy' ? s.toIndex : s.index,
      s.kind === 'copy' ? s.fromIndex : s.value,
      s.count,
    ];
    const [to, from, count] = numbers.map((e) => numberOf(e, locals));
    if (to === undefined || from === undefined || count === undefined) return false;
    for (let i = 0; i < count; i++) now[to + i] = s.kind === 'copy' ? from + i : -1 - from;
    return true;
  };
  return block(kernel.body) ? found : undefined;
}
