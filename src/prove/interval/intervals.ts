/** Builds the interval code of a kernel and runs it once. */
import { at, must } from '../../base/errors.ts';
import { elemRange } from '../../ir/kernel/check.ts';
import { allInts, clampInt, cutTo, type Interval, maxInt } from '../../ir/kernel/interval.ts';
import { elemBytes, type Kernel } from '../../ir/kernel/kernel.ts';
import { binaryOperations } from '../../ir/kernel/operations.ts';
import { anyPrimitive } from '../../ir/kernel/prims/index.ts';
import { typedTable } from '../../ir/kernel/table-bytes.ts';
import { expressionsIn, isLoad, primitivesUsed, statementsIn } from '../../ir/kernel/walk.ts';
import { bindingTimes } from './binding-time.ts';
import type { Code, Quantity } from './bounds.ts';
import { Repeats } from './repeats.ts';
import {
  addProduct,
  addScaled,
  callBounds,
  contentOf,
  copyFollowed,
  type Followed,
  firstWrite,
  follow,
  lastBefore,
  note,
  readFollowed,
  tableRange,
  writeFollowed,
} from './runtime.ts';
import { block } from './stmt.ts';
import { SumTooWide, WalkedRows } from './walked-rows.ts';

export interface Seen {
  readonly quantity: Quantity;
  /** The join of all its values; undefined when its code was never reached. */
  readonly range: Interval | undefined;
}

/** Times count the writes to parameters; an element's are those of its last read and first write. */
export interface Trace {
  /** Whether all addresses were known, so that the times are exact. */
  known: boolean;
  /** By input parameter: the number of writes before the last read; -1 for elements never read. */
  readonly reads: ReadonlyMap<string, Int32Array>;
  /** By output parameter: the number of the first write, from 1; the largest int32 where there is none. */
  readonly writes: ReadonlyMap<string, Int32Array>;
}

export interface IntervalRun {
  /** False when the kernel has more steps than the budget: then ranges are of a part of the run only. */
  readonly complete: boolean;
  readonly seen: readonly Seen[];
  readonly trace: Trace;
  /** What did not run each time: sums of rows, other loops, and loops of which only the ends ran. */
  readonly once: { readonly rows: number; readonly loops: number; readonly ends: number };
}

export interface RunOptions {
  readonly inputRanges?: ReadonlyMap<string, Interval>;
  readonly trace: boolean;
  /** Executed statements. */
  readonly budget: number;
  /** Walks rows of weights at every place, not only at the first: the same bounds later. */
  readonly everyPlace?: boolean;
  /**
   * Only whether rules hold, sooner: bounds of locals and of what is stored are not kept, and scratch of bytes, such as
   * patches of images, may hold all bytes at all times.
   */
  readonly rulesOnly?: boolean;
}

export function runIntervals(kernel: Kernel, options: RunOptions): IntervalRun {
  try {
    return run(kernel, options);
  } catch (error) {
    if (!(error instanceof SumTooWide)) throw error;
    return run(kernel, { ...options, everyPlace: true });
  }
}

function run(kernel: Kernel, options: RunOptions): IntervalRun {
  const code = translate(kernel, options);
  const trace = emptyTrace(kernel);
  const ranges = new Float64Array(2 * code.quantities.length).fill(Infinity);
  for (let i = 1; i < ranges.length; i += 2) ranges[i] = -Infinity;
  const complete = link(code, trace, ranges, options.budget)();
  const seen = code.quantities.map((quantity, k): Seen => {
    const { quantity: other, by } = quantity.follows ?? { quantity: k, by: 0 };
    const [lo, hi] = [at(ranges, 2 * other) + by, at(ranges, 2 * other + 1) + by];
    return { quantity, range: lo > hi ? undefined : { lo, hi } };
  });
  const rows = code.plans.filter((plan) => plan !== undefined && 'sums' in plan).length;
  return {
    complete,
    seen,
    trace,
    once: { rows, loops: code.plans.length - rows, ends: code.even },
  };
}

function translate(kernel: Kernel, options: RunOptions): Code {
  const times = bindingTimes(kernel);
  const code: Code = {
    kernel,
    times,
    dependent: new Map([...times.dependent].map((name, i) => [name, i])),
    inputRanges: options.inputRanges ?? new Map(),
    trace: options.trace,
    // Addresses never depend on what is stored in the arena: a trace needs no values.
    followed: options.trace ? new Set() : followedOf(kernel, times, options.rulesOnly ?? false),
    lines: [],
    quantities: [],
    staticBounds: new Map(),
    tableBounds: new Map(),
    anchors: new Map(),
    rulesOnly: options.rulesOnly ?? false,
    everyPlace: options.everyPlace ?? false,
    plans: [],
    walk: undefined,
    repeated: 0,
    even: 0,
    names: 0,
  };
  block(code, kernel.body);
  return code;
}

/** Integer parameters that the kernel writes and also reads. */
function followedOf(
  kernel: Kernel,
  { arrays }: ReturnType<typeof bindingTimes>,
  anyBytes: boolean,
): ReadonlySet<string> {
  const read = new Set<string>();
  const add = (from: string) => {
    const root = arrays.get(from)?.root;
    if (root?.kind !== 'param' || root.param.role === 'in' || root.param.elem === 'f32') return;
    if (!anyBytes || elemBytes[root.param.elem] > 1) read.add(root.param.name);
  };
  for (const e of expressionsIn(kernel.body)) if (isLoad(e)) add(e.from);
  for (const s of statementsIn(kernel.body)) {
    if (s.kind === 'copy') add(s.from);
  }
  return read;
}

function emptyTrace(kernel: Kernel): Trace {
  const of = (role: 'in' | 'out', start: number) =>
    new Map(
      kernel.params
        .filter((p) => p.role === role)
        .map((p) => [p.name, new Int32Array(p.length).fill(start)] as const),
    );
  return { known: true, reads: of('in', -1), writes: of('out', maxInt) };
}

/** What the generated code calls, by these names. */
const runtime = {
  addProduct,
  addScaled,
  binaryOperations,
  clampInt,
  contentOf,
  copyFollowed,
  cutTo,
  firstWrite,
  lastBefore,
  note,
  readFollowed,
  tableRange,
  writeFollowed,
};

/** A function that returns whether the run fitted the budget, and leaves lo, hi, lo, hi, ... in `ranges`. */
function sourceOf(c: Code): string {
  return [
    "'use strict';",
    'const { imul, min, max } = Math;',
    `const { ${Object.keys(runtime).join(', ')} } = runtime;`,
    ...c.kernel.tables.map(({ name }) => `const table_${name} = tables.get('${name}');`),
    ...[...primitivesUsed(c.kernel.body)].map(
      (p) => `const call_${p} = calls('${p}'), prim_${p} = prims('${p}');`,
    ),
    ...[...c.followed].flatMap((name) => [
      `const memory_${name} = memory('${name}');`,
      `const low_${name} = memory_${name}.lo, high_${name} = memory_${name}.hi;`,
    ]),
    ...c.plans.map((_, i) => `const again${i} = repeats[${i}];`),
    ...[...c.kernel.params].map(
      ({ name }) =>
        `const reads_${name} = traced.reads.get('${name}'), writes_${name} = traced.writes.get('${name}');`,
    ),
    // In parentheses, engines compile it once, and not a first time to see where it ends.
    `return (function ${c.kernel.name}_intervals() {`,
    `const tooMany = {}, state = new Float64Array(${2 * c.dependent.size}); `,
    'let steps = 0, now = 0, maybe = 0;',
    'let complete = true;',
    'try {',
    ...c.lines,
    '} catch (e) { if (e !== tooMany) throw e; complete = false; }',
    'return complete; });',
  ].join('\n');
}

type Linker = (
  runtimeFunctions: typeof runtime,
  tables: ReadonlyMap<string, ArrayLike<number>>,
  calls: typeof callBounds,
  prims: (name: string) => unknown,
  memory: (name: string) => Followed,
  repeats: readonly Repeats[],
  traced: Trace,
  ranges: Float64Array,
  budget: number,
) => () => boolean;

function link(c: Code, trace: Trace, ranges: Float64Array, budget: number): () => boolean {
  const names = ['runtime', 'tables', 'calls', 'prims', 'memory', 'repeats', 'traced', 'ranges', 'budget'];
  const linker = new Function(...names, sourceOf(c)) as Linker;
  const tables = new Map(c.kernel.tables.map((table) => [table.name, typedTable(table)] as const));
  const prims = (name: string) => anyPrimitive(name)?.js;
  const memories = new Map([...c.followed].map((name) => [name, memoryOf(c, name)]));
  const memory = (name: string) => must(memories.get(name), `'${name}' is followed`);
  const repeats = c.plans.map((plan) => {
    const known = must(plan, 'what was planned was emitted');
    return 'sums' in known ? new WalkedRows(known, ranges, memory) : new Repeats(known, ranges);
  });
  return linker(runtime, tables, callBounds, prims, memory, repeats, trace, ranges, budget);
}

function memoryOf({ kernel }: Code, name: string): Followed {
  const param = must(
    kernel.params.find((p) => p.name === name),
    'a parameter of the kernel',
  );
  return follow(param.length, elemRange(param.elem) ?? allInts);
}
