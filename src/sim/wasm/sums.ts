/**
 * Which statements of a kernel only add up rows of weights (`RowSum`), and where all of those sums can be made
 * at once: before the outermost loop that changes neither the inputs nor where they are. There is no operator
 * here: loops, names and arrays only.
 */
import { must } from '../../ir/errors.ts';
import type { Expr, Kernel, RowSum, Stmt } from '../../ir/kernel.ts';
import { type Arrays, checkKernel, rootName } from '../../ir/kernel-check.ts';
import { eachExpr, eachStmt, expressionsOf } from '../../ir/kernel-walk.ts';
import type { Code } from '../../wasm/code.ts';
import type { Body } from './body.ts';

/** Code in place of statements of the kernel, and code in front of them. */
export interface Replaced {
  readonly before: ReadonlyMap<Stmt, (b: Body) => Code>;
  readonly instead: ReadonlyMap<Stmt, (b: Body) => Code>;
}

export const nothingReplaced: Replaced = { before: new Map(), instead: new Map() };

/** Sums of all rows at the same places of the same array. */
export interface SumGroup {
  /** A parameter. */
  readonly from: string;
  /** Where rows begin, each once. */
  readonly places: readonly Expr[];
  readonly members: readonly { readonly sum: RowSum; readonly place: number }[];
  /** What is not needed any more; never empty. The first stands where the sums are added. */
  readonly statements: readonly Stmt[];
  /** In front of it all sums can be made. */
  readonly ahead: Stmt;
}

type Loop = Stmt & { readonly kind: 'for' };

interface Site {
  readonly loops: readonly Loop[];
  readonly block: readonly Stmt[];
  readonly sums: readonly RowSum[];
}

/** Blocks that declare accumulators of row sums, with the loops around them. */
function sitesOf(body: readonly Stmt[], sums: ReadonlyMap<string, RowSum>, loops: readonly Loop[]): Site[] {
  const own = body.flatMap((s) => (s.kind === 'let' && sums.has(s.name) ? [s.name] : []));
  const here = own.map((name) => must(sums.get(name), 'a sum'));
  return [
    ...(here.length === 0 ? [] : [{ loops, block: body, sums: here }]),
    ...body.flatMap((s) => {
      if (s.kind === 'for') return sitesOf(s.body, sums, [...loops, s]);
      return s.kind === 'if' ? [...sitesOf(s.yes, sums, loops), ...sitesOf(s.no, sums, loops)] : [];
    }),
  ];
}

const namesIn = (e: Expr): ReadonlySet<string> => {
  const names = new Set<string>();
  eachExpr(e, (part) => {
    if (part.kind === 'local') names.add(part.name);
  });
  return names;
};

function reads(s: Stmt, names: ReadonlySet<string>): boolean {
  let found = false;
  eachStmt([s], (inner) => {
    for (const e of expressionsOf(inner)) for (const name of namesIn(e)) found ||= names.has(name);
  });
  return found;
}

/** From the last declaration to the first use. */
function summing({ block, sums }: Site): readonly Stmt[] {
  const names = new Set(sums.map(({ local }) => local));
  const first = 1 + block.findLastIndex((s) => s.kind === 'let' && names.has(s.name));
  const length = block.slice(first).findIndex((s) => reads(s, names));
  return block.slice(first, length < 0 ? undefined : first + length);
}

/** Names that a loop gives values to, and parameters that it writes. */
function changedBy(loop: Loop, arrays: Arrays): ReadonlySet<string> {
  const names = new Set<string>();
  eachStmt([loop], (s) => {
    if ('name' in s) names.add(s.name);
    if ('to' in s && typeof s.to === 'string') names.add(rootName(must(arrays.get(s.to), 'an array').root));
  });
  return names;
}

const roundsOf = ({ from, to, step }: Loop): number =>
  from.kind === 'int' && to.kind === 'int' ? Math.ceil((to.value - from.value) / step) : 0;

/** An input keeps its first value for the whole step: what is written over it was read before. */
function leaves(loop: Loop, kernel: Kernel, from: string, needed: ReadonlySet<string>): boolean {
  const changed = changedBy(loop, checkKernel(kernel));
  const isInput = kernel.params.some(({ name, role }) => name === from && role === 'in');
  return (isInput || !changed.has(from)) && [...needed].every((name) => !changed.has(name));
}

function groupOf(kernel: Kernel, site: Site, rows: number): SumGroup | undefined {
  const statements = summing(site);
  const [first] = statements;
  const [{ from }] = site.sums as readonly [RowSum];
  if (first === undefined || site.sums.some((sum) => sum.from !== from)) return undefined;
  const texts = site.sums.map((sum) => JSON.stringify(sum.first));
  const distinct = [...new Set(texts)];
  const places = distinct.map((text) => must(site.sums[texts.indexOf(text)], 'a sum').first);
  const needed = new Set(places.flatMap((place) => [...namesIn(place)]));
  const passed = site.loops.length - site.loops.findLastIndex((l) => !leaves(l, kernel, from, needed)) - 1;
  const rounds = site.loops.slice(site.loops.length - passed).reduce((n, l) => n * roundsOf(l), 1);
  const once = passed === site.loops.length;
  // Otherwise rows would be made that belong to other places.
  if (!once && rounds * (site.sums.length / places.length) !== rows) return undefined;
  const members = site.sums.map((sum, i) => ({ sum, place: distinct.indexOf(texts[i] ?? '') }));
  return { from, places, members, statements, ahead: site.loops[site.loops.length - passed] ?? first };
}

/** Groups of sums that may be made otherwise than by the kernel's own statements. */
export function sumGroups(kernel: Kernel): readonly SumGroup[] {
  const { weights } = kernel;
  if (weights?.sums === undefined) return [];
  const sums = new Map(weights.sums.map((sum) => [sum.local, sum]));
  return sitesOf(kernel.body, sums, []).flatMap((site) => {
    const group = groupOf(kernel, site, weights.layout.rows);
    return group === undefined ? [] : [group];
  });
}
