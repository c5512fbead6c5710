/**
 * The statements of a kernel that only add up rows of weights (`RowSum`): printers and engines that can multiply faster replace them.
 * There is no operator here: loops, names and arrays only.
 */
import { must } from '../../base/errors.ts';
import type { Expr, Kernel, RowSum, Stmt, StmtOf } from './kernel.ts';
import { expressionsIn, partsIn } from './walk.ts';

export type Loop = StmtOf<'for'>;

/** A block that declares accumulators of row sums. */
export interface SumSite {
  /** Around it, outer ones first. */
  readonly loops: readonly Loop[];
  /** At least one. */
  readonly sums: readonly RowSum[];
  /** Neighbours in the block, from the last accumulator's declaration to the first use; at least one. */
  readonly statements: readonly Stmt[];
}

export const namesIn = (e: Expr): ReadonlySet<string> =>
  new Set([...partsIn(e)].flatMap((part) => (part.kind === 'local' ? [part.name] : [])));

const reads = (s: Stmt, names: ReadonlySet<string>): boolean =>
  [...expressionsIn([s])].some((e) => e.kind === 'local' && names.has(e.name));

function summing(block: readonly Stmt[], names: ReadonlySet<string>): readonly Stmt[] {
  const first = 1 + block.findLastIndex((s) => s.kind === 'let' && names.has(s.name));
  const length = block.slice(first).findIndex((s) => reads(s, names));
  return block.slice(first, length < 0 ? undefined : first + length);
}

type Sums = ReadonlyMap<string, RowSum>;

function siteOf(block: readonly Stmt[], all: Sums, loops: readonly Loop[]): readonly SumSite[] {
  const names = block.flatMap((s) => (s.kind === 'let' && all.has(s.name) ? [s.name] : []));
  const statements = names.length === 0 ? [] : summing(block, new Set(names));
  if (statements.length === 0) return [];
  return [{ loops, sums: names.map((name) => must(all.get(name), 'a sum')), statements }];
}

const sitesIn = (block: readonly Stmt[], all: Sums, loops: readonly Loop[]): readonly SumSite[] => [
  ...siteOf(block, all, loops),
  ...block.flatMap((s) => {
    if (s.kind === 'for') return sitesIn(s.body, all, [...loops, s]);
    return s.kind === 'if' ? [...sitesIn(s.yes, all, loops), ...sitesIn(s.no, all, loops)] : [];
  }),
];

/** All of a kernel's; none where it does not say which rows its accumulators get. */
export const rowSumSites = ({ weights, body }: Kernel): readonly SumSite[] =>
  weights?.sums === undefined ? [] : sitesIn(body, new Map(weights.sums.map((sum) => [sum.local, sum])), []);
