/**
 * Interval analysis of a kernel: what no input can break. The kernel is run once with every input element an
 * interval and everything else (counters, addresses, weights) concrete, so the bounds of an accumulator are
 * sums over the actual weights, and the walk of a sparse gather is followed step by step.
 */
import { must } from '../base/errors.ts';
import { elemRange } from '../ir/kernel/check.ts';
import { allInts, cutTo, hull, type Interval } from '../ir/kernel/interval.ts';
import type { Expr, Kernel, Param, PlainStmt } from '../ir/kernel/kernel.ts';
import { binaryOperations } from '../ir/kernel/operations.ts';
import { type KernelNode, nodeText } from '../ir/kernel/text.ts';
import { expressionsOf, partsIn, statementsIn } from '../ir/kernel/walk.ts';
import type { Program } from '../program/program.ts';
import { type RunOptions, runIntervals, type Seen } from './interval/intervals.ts';

interface Unproven {
  readonly site: Expr | PlainStmt;
  /** What could not be shown, with the numbers. */
  readonly why: string;
}

/** Properties of a kernel that hold for all inputs. */
export interface KernelFacts {
  /** Expressions and statements whose rules hold for all inputs in the given ranges. */
  readonly proven: ReadonlySet<Expr | PlainStmt>;
  readonly unproven: readonly Unproven[];
  /** By i32 local (not loop counters): an interval that holds all its values. Absent: never set. */
  readonly ranges: ReadonlyMap<string, Interval>;
  /** By parameter: an interval that holds everything stored to it; f32 parameters are absent. */
  readonly storeRanges: ReadonlyMap<string, Interval>;
  /** Whether the whole run fitted into the budget of abstract steps. */
  readonly complete: boolean;
}

/** About half a second; larger kernels keep their live checks. */
const budget = 50_000_000;

/**
 * Proves by interval analysis that a kernel never does anything that C leaves undefined, and that every index is inside its array.
 * @param inputRanges by 'in' parameter, where its elements' values are known to lie (default: all of the type).
 * @param everyPlace walks rows of weights at every place instead of once each: the same facts, later
 */
export function prove(
  kernel: Kernel,
  inputRanges?: ReadonlyMap<string, Interval>,
  everyPlace = false,
): KernelFacts {
  return factsOf(kernel, { everyPlace, ...(inputRanges === undefined ? {} : { inputRanges }) });
}

/** What of a kernel's rules is not shown. */
export type Rules = Pick<KernelFacts, 'unproven' | 'complete'>;

/**
 * As `prove`, without bounds, in less time where all rules hold whatever bytes the kernel has written before.
 * @param holds of a site whose rule is known to hold
 */
export function proveRules(kernel: Kernel, holds: (site: Expr | PlainStmt) => boolean): Rules {
  const isOpen = ({ site }: Unproven): boolean => !holds(site);
  const quick = factsOf(kernel, { rulesOnly: true });
  const facts = quick.unproven.some(isOpen) ? prove(kernel) : quick;
  return { complete: facts.complete, unproven: facts.unproven.filter(isOpen) };
}

function factsOf(kernel: Kernel, options: Omit<RunOptions, 'trace' | 'budget'>): KernelFacts {
  const holds = (name: string): Interval => elemRange(paramOf(kernel, name).elem) ?? allInts;
  const run = runIntervals(kernel, { trace: false, budget, ...options });
  const unproven = run.seen.flatMap((seen) => complaints(seen, run.complete));
  const open = new Set<KernelNode>(unproven.map(({ site }) => site));
  return {
    proven: new Set(ruleNodes(kernel).filter((node) => !open.has(node))),
    unproven,
    ranges: run.complete
      ? joinBy(
          run.seen,
          ({ local }) => local,
          () => allInts,
        )
      : new Map(),
    storeRanges: run.complete ? joinBy(run.seen, ({ storedTo }) => storedTo, holds) : new Map(),
    complete: run.complete,
  };
}

const paramOf = (kernel: Kernel, name: string): Param =>
  must(
    kernel.params.find((p) => p.name === name),
    `'${name}' is a parameter`,
  );

function complaints({ quantity, range }: Seen, complete: boolean): readonly Unproven[] {
  const { node: site, allowed, what } = quantity;
  if (allowed.lo === -Infinity && allowed.hi === Infinity) return [];
  if (!complete) return [{ site, why: `${what}: the kernel has more than ${budget} steps` }];
  if (range === undefined || (range.lo >= allowed.lo && range.hi <= allowed.hi)) return [];
  if (allowed.lo === 0 && allowed.hi === 0) return [{ site, why: what }];
  return [{ site, why: `${what} in ${range.lo}..${range.hi}, defined for ${allowed.lo}..${allowed.hi}` }];
}

/** Everything that some rule of C is about. */
function ruleNodes(kernel: Kernel): readonly KernelNode[] {
  const nodes = new Set<KernelNode>();
  for (const s of statementsIn(kernel.body)) {
    for (const e of expressionsOf(s)) for (const part of partsIn(e)) if (hasRule(part)) nodes.add(part);
    if (hasRule(s)) nodes.add(s);
  }
  return [...nodes];
}

const ruled: ReadonlySet<KernelNode['kind']> = new Set<KernelNode['kind']>([
  'load',
  'loadVector',
  'toInt',
  'call',
  'pointer',
  'advance',
  'store',
  'storeVector',
  'for',
  'copy',
  'fill',
]);

function hasRule(node: KernelNode): boolean {
  if (node.kind === 'binary') return node.type === 'i32' && binaryOperations[node.op].rules.length > 0;
  if (node.kind === 'accumulate') return node.type === 'i32';
  return ruled.has(node.kind);
}

/** Joins by key. What a rule forbids ends the run, so results are cut to what the key can hold. */
function joinBy(
  seen: readonly Seen[],
  keyOf: (quantity: Seen['quantity']) => string | undefined,
  possible: (key: string) => Interval,
): ReadonlyMap<string, Interval> {
  const joined = new Map<string, Interval>();
  for (const { quantity, range } of seen) {
    const key = keyOf(quantity);
    if (key === undefined || range === undefined) continue;
    const old = joined.get(key) ?? range;
    joined.set(key, cutTo(hull([old.lo, old.hi, range.lo, range.hi]), possible(key)));
  }
  return joined;
}

/** The facts as plain data for a report. */
export interface FactsSummary {
  readonly kernel: string;
  readonly complete: boolean;
  readonly proven: number;
  readonly unproven: readonly { readonly text: string; readonly why: string }[];
  readonly ranges: Readonly<Record<string, readonly [number, number]>>;
  readonly storeRanges: Readonly<Record<string, readonly [number, number]>>;
}

export function summarizeFacts(kernel: Kernel, facts: KernelFacts): FactsSummary {
  const plain = (ranges: ReadonlyMap<string, Interval>) =>
    Object.fromEntries([...ranges].map(([name, { lo, hi }]) => [name, [lo, hi] as const]));
  return {
    kernel: kernel.name,
    complete: facts.complete,
    proven: facts.proven.size,
    unproven: facts.unproven.map(({ site, why }) => ({ text: nodeText(site), why })),
    ranges: plain(facts.ranges),
    storeRanges: plain(facts.storeRanges),
  };
}

/** The proven facts of each kernel of a program. */
export type Facts = ReadonlyMap<Kernel, KernelFacts>;

/** Interval analysis of every kernel of a program. */
export const proveProgram = (program: Program): Facts =>
  new Map(program.steps.map(({ kernel }) => [kernel, prove(kernel)]));
