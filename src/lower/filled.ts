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

/** The values of locals that follow from counters and constants, by place. */
type Values = Int32Array;
/** A number that follows from them. */
type Term = (values: Values) => number;
/** Runs a statement. False: it cannot be done, or need not. */
type Act = (values: Values) => boolean;

/** Makes functions of what is run at every place: walking its tree each time would take most of the time. */
class Terms {
  readonly #places = new Map<string, number>();
  readonly #tables: ReadonlyMap<string, Table['data']>;
  /** A table was read outside. */
  failed = false;

  constructor({ tables }: Kernel) {
    this.#tables = new Map(tables.map(({ name, data }) => [name, data] as const));
  }

  get values(): Values {
    return new Int32Array(this.#places.size);
  }

  /** The place of a local from here on. */
  declare(name: string): number {
    const place = this.#places.get(name) ?? this.#places.size;
    this.#places.set(name, place);
    return place;
  }

  /** Undefined where it does not follow from counters and constants. */
  of(e: Expr): Term | undefined {
    switch (e.kind) {
      case 'int': {
        const { value } = e;
        return () => value;
      }
      case 'local': {
        const place = this.#places.get(e.name);
        return place === undefined ? undefined : (values) => values[place] as number;
      }
      case 'binary':
        return e.type === 'i32' ? this.#ofTwo(e, binaryOperations[e.op].meaning) : undefined;
      case 'compare':
        return e.type === 'i32' ? this.#ofTwo(e, compareOperations[e.op].meaning) : undefined;
      case 'call':
        return e.type === 'i32' ? this.#call(e) : undefined;
      case 'load':
        return this.#load(e);
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

  #ofTwo(
    e: ExprOf<'binary' | 'compare'>,
    meaning: (a: number, b: number) => number | boolean,
  ): Term | undefined {
    const [a, b] = [this.of(e.a), this.of(e.b)];
    return a && b && ((values) => Number(meaning(a(values), b(values))));
  }

  #call({ primitive, args }: ExprOf<'call'>): Term | undefined {
    const terms = args.flatMap((arg) => this.of(arg) ?? []);
    const js = anyPrimitive(primitive)?.js;
    if (js === undefined || terms.length < args.length) return undefined;
    return (values) => Number(js(...terms.map((term) => term(values))));
  }

  #load({ from, index }: ExprOf<'load'>): Term | undefined {
    const [table, place] = [this.#tables.get(from), this.of(index)];
    if (table === undefined || place === undefined) return undefined;
    return (values) => {
      const found = table[place(values)];
      this.failed ||= found === undefined;
      return found ?? 0;
    };
  }
}

/** The array as every place finds it. */
function run(
  { kernel, array, around, ahead }: Site,
  input: Param,
  writers: ReadonlySet<Stmt>,
): readonly Int32Array[] | undefined {
  const now = new Int32Array(array.length).fill(unset);
  const indices = Int32Array.from({ length: input.length }, (_, i) => i);
  const terms = new Terms(kernel);
  const found: Int32Array[] = [];
  const place = (): boolean => {
    if (found.length === 0 && now.includes(unset)) return false;
    found.push(now.slice());
    return (found.length + 1) * now.length < mostElements;
  };
  /** Undefined: nothing has to be done. */
  const step = (s: Stmt): Act | undefined => {
    if (s === ahead) return place;
    if (s.kind === 'let') return declared(s);
    const loop = around.find((one) => one === s);
    if (loop !== undefined) return passes(loop, block);
    return writers.has(s) ? write(s) : undefined;
  };
  const block = (body: readonly Stmt[]): Act => inTurn(body.flatMap((s) => step(s) ?? []));
  const all = (body: readonly Stmt[]): Act => inTurn(body.map(write));
  const write = (s: Stmt): Act => {
    if (s.kind === 'for') return passes(s, all);
    if (isWriter(s, array.name)) return written(s);
    const test = s.kind === 'if' ? terms.of(s.test) : undefined;
    if (s.kind !== 'if' || test === undefined) return never;
    const [yes, no] = [all(s.yes), all(s.no)];
    return (values) => (test(values) !== 0 ? yes(values) : no(values));
  };
  const declared = (s: StmtOf<'let'>): Act | undefined => {
    const value = s.mutable || s.type !== 'i32' ? undefined : terms.of(s.value);
    if (value === undefined) return undefined;
    const place = terms.declare(s.name);
    return (values) => {
      values[place] = value(values);
      return true;
    };
  };
  const passes = (s: Loop, inside: (body: readonly Stmt[]) => Act): Act => {
    const [from, to] = [terms.of(s.from), terms.of(s.to)];
    if (from === undefined || to === undefined) return never;
    const place = terms.declare(s.name);
    const body = inside(s.body);
    return (values) => {
      const end = to(values);
      for (let i = from(values); i < end; i += s.step) {
        values[place] = i;
        if (!body(values)) return false;
      }
      return true;
    };
  };
  const written = (s: Writer): Act => {
    const [to, from, count] = extentOf(s).map((e) => terms.of(e));
    if (to === undefined || from === undefined || count === undefined) return never;
    return (values) => {
      const [start, source, length] = [to(values), from(values), count(values)];
      if (s.kind === 'copy') now.set(indices.subarray(source, source + length), start);
      else now.fill(-1 - source, start, start + length);
      return true;
    };
  };
  const act = block(kernel.body);
  return act(terms.values) && !terms.failed ? found : undefined;
}

const never: Act = () => false;

const inTurn =
  (acts: readonly Act[]): Act =>
  (values) => {
    for (const act of acts) if (!act(values)) return false;
    return true;
  };

/** Where it writes, what or from where, and how many elements. */
const extentOf = (s: Writer): readonly Expr[] =>
  s.kind === 'copy'
    ? [s.toIndex, s.fromIndex, s.count]
    : [s.index, s.value, s.kind === 'fill' ? s.count : int(1)];
