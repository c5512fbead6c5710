/**
 * Where the elements of a patch come from: what fills it is run at every place, over indices instead of inputs. That
 * needs no knowledge of what windows look like.
 */
import { int } from '../ir/kernel/builders.ts';
import type {
  Expr,
  ExprOf,
  Kernel,
  Param,
  PlainStmt,
  RowSum,
  Stmt,
  StmtOf,
  Table,
} from '../ir/kernel/kernel.ts';
import { binaryOperations, compareOperations } from '../ir/kernel/operations.ts';
import { anyPrimitive } from '../ir/kernel/prims/index.ts';
import { expressionsOf, isLoad, type Loop, partsIn } from '../ir/kernel/walk.ts';

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

type Writer = StmtOf<'copy' | 'fill' | 'store'>;
const isWriter = (s: Stmt, name: string): s is Writer =>
  (s.kind === 'copy' || s.kind === 'fill' || s.kind === 'store') && s.to === name;

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
  const places = run({ kernel, array, around, ahead }, input, writers);
  return places && { places, input, writers };
}

/** What is known while it runs. */
interface Known {
  readonly locals: Map<string, number>;
  readonly tables: ReadonlyMap<string, Table['data']>;
}

/** A number that follows from counters and constants. */
function numberOf(e: Expr, known: Known): number | undefined {
  switch (e.kind) {
    case 'int':
      return e.value;
    case 'local':
      return known.locals.get(e.name);
    case 'binary':
    case 'compare':
      return e.type === 'i32' ? ofTwo(e, numberOf(e.a, known), numberOf(e.b, known)) : undefined;
    case 'call': {
      const args = e.args.map((arg) => numberOf(arg, known));
      return args.every((arg) => arg !== undefined)
        ? scalar(anyPrimitive(e.primitive)?.js(...args))
        : undefined;
    }
    case 'load': {
      const index = numberOf(e.index, known);
      return index === undefined ? undefined : known.tables.get(e.from)?.[index];
    }
    case 'float':
    case 'select':
    case 'loadVector':
    case 'toFloat':
    case 'toInt':
      return undefined;
    default:
      return e satisfies never;
  }
}

function ofTwo(
  e: ExprOf<'binary' | 'compare'>,
  a: number | undefined,
  b: number | undefined,
): number | undefined {
  if (a === undefined || b === undefined) return undefined;
  return e.kind === 'binary'
    ? binaryOperations[e.op].meaning(a, b)
    : Number(compareOperations[e.op].meaning(a, b));
}

const scalar = (x: unknown): number | undefined => (typeof x === 'number' ? x : undefined);

/** The array as every place finds it. */
function run(
  { kernel, array, around, ahead }: Site,
  input: Param,
  writers: ReadonlySet<Stmt>,
): readonly Int32Array[] | undefined {
  const isAround = (s: Stmt): boolean => around.some((one) => one === s);
  const now = new Int32Array(array.length).fill(unset);
  const indices = Int32Array.from({ length: input.length }, (_, i) => i);
  const tables = new Map(kernel.tables.map(({ name, data }) => [name, data] as const));
  const known: Known = { locals: new Map(), tables };
  const { locals } = known;
  const found: Int32Array[] = [];
  /** Each says whether it could be done. */
  const block = (body: readonly Stmt[]): boolean =>
    body.every((s) => {
      if (s === ahead) return place();
      if (s.kind === 'let') return declared(s);
      return isAround(s) || writers.has(s) ? done(s, isAround(s) ? block : all) : true;
    });
  const place = (): boolean => {
    found.push(now.slice());
    return (found.length + 1) * now.length < mostElements && !now.includes(unset);
  };
  const declared = (s: StmtOf<'let'>): boolean => {
    const value = s.mutable ? undefined : numberOf(s.value, known);
    if (value === undefined) locals.delete(s.name);
    else locals.set(s.name, value);
    return true;
  };
  const all = (body: readonly Stmt[]): boolean => body.every((s) => done(s, all));
  const done = (s: Stmt, inside: (body: readonly Stmt[]) => boolean): boolean => {
    if (s.kind === 'for') return passes(s, inside);
    if (isWriter(s, array.name)) return written(s);
    const test = s.kind === 'if' ? numberOf(s.test, known) : undefined;
    return s.kind === 'if' && test !== undefined && inside(test !== 0 ? s.yes : s.no);
  };
  const passes = (s: Loop, inside: (body: readonly Stmt[]) => boolean): boolean => {
    const [from, to] = [numberOf(s.from, known), numberOf(s.to, known)];
    if (from === undefined || to === undefined) return false;
    for (let i = from; i < to; i += s.step) {
      locals.set(s.name, i);
      if (!inside(s.body)) return false;
    }
    return true;
  };
  const written = (s: Writer): boolean => {
    const [to, from, count] = extentOf(s).map((e) => numberOf(e, known));
    if (to === undefined || from === undefined || count === undefined) return false;
    if (s.kind === 'copy') now.set(indices.subarray(from, from + count), to);
    else now.fill(-1 - from, to, to + count);
    return true;
  };
  return block(kernel.body) ? found : undefined;
}

/** Where it writes, what or from where, and how many elements. */
const extentOf = (s: Writer): readonly Expr[] =>
  s.kind === 'copy'
    ? [s.toIndex, s.fromIndex, s.count]
    : [s.index, s.value, s.kind === 'fill' ? s.count : int(1)];
