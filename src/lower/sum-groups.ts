/**
 * Where all sums of rows of a kernel can be made at once: before the outermost loop that changes neither the
 * inputs nor where they are.
 */
import { at, must } from '../base/errors.ts';
import { add } from '../ir/kernel/builders.ts';
import { type Arrays, checkKernel, rootName } from '../ir/kernel/check.ts';
import type { Expr, Kernel, RowSum, Stmt } from '../ir/kernel/kernel.ts';
import { type Loop, namesIn, partsIn, rowSumsIn, statementsIn, takesAll } from '../ir/kernel/walk.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import { isNeighbour, sumTerms } from './neighbours.ts';

/** An accumulator, the row that it gains, and the index of the row's first input. */
export interface PlacedSum {
  readonly local: string;
  readonly row: Expr;
  readonly first: Expr;
}

/** A kernel, and what its arrays are. */
interface Checked {
  readonly kernel: Kernel;
  readonly arrays: Arrays;
}

interface SumSite {
  readonly loops: readonly Loop[];
  readonly sum: RowSum;
  readonly sums: readonly PlacedSum[];
}

/** Sums of all rows at the same places of the same array. */
export interface SumGroup {
  /** A parameter. */
  readonly from: string;
  /** Where rows begin, each once. */
  readonly places: readonly Expr[];
  readonly members: readonly { readonly sum: PlacedSum; readonly place: number }[];
  /** Where the sums are added. */
  readonly statement: RowSum;
  /** In front of it all sums can be made. */
  readonly ahead: Stmt;
  /** The loops around that, outer ones first. */
  readonly around: readonly Loop[];
}

/** Names that a loop gives values to, and parameters that it writes. */
function changedBy(loop: Loop, arrays: Arrays): ReadonlySet<string> {
  const names = new Set<string>();
  for (const s of statementsIn([loop])) {
    if ('name' in s) names.add(s.name);
    if ('to' in s && typeof s.to === 'string') names.add(rootName(must(arrays.get(s.to), 'an array').root));
  }
  return names;
}

const roundsOf = ({ from, to, step }: Loop): number =>
  from.kind === 'int' && to.kind === 'int' ? Math.ceil((to.value - from.value) / step) : 0;

/** An input keeps its first value for the whole step: what is written over it was read before. */
function leaves(loop: Loop, { kernel, arrays }: Checked, from: string, needed: ReadonlySet<string>): boolean {
  const changed = changedBy(loop, arrays);
  const isInput = kernel.params.some(({ name, role }) => name === from && role === 'in');
  return (isInput || !changed.has(from)) && [...needed].every((name) => !changed.has(name));
}

function groupOf(checked: Checked, site: SumSite, rows: number): SumGroup | undefined {
  const { loops, sums, sum: statement } = site;
  if (!takesAll(statement)) return undefined;
  const { from } = statement;
  const texts = sums.map((sum) => JSON.stringify(sum.first));
  const distinct = [...new Set(texts)];
  const places = distinct.map((text) => must(sums[texts.indexOf(text)], 'a sum').first);
  const needed = new Set(places.flatMap((place) => [...namesIn(place)]));
  const passed = loops.slice(1 + loops.findLastIndex((l) => !leaves(l, checked, from, needed)));
  const rounds = passed.reduce((n, l) => n * roundsOf(l), 1);
  // Otherwise rows would be made that belong to other places.
  if (passed.length < loops.length && rounds * (sums.length / places.length) !== rows) return undefined;
  const members = sums.map((sum, i) => ({ sum, place: distinct.indexOf(at(texts, i)) }));
  const around = loops.slice(0, loops.length - passed.length);
  return { from, places, members, statement, ahead: passed[0] ?? statement, around };
}

/** Whether it is clear where the sum's inputs and its row are: not by what the kernel itself may write. */
const isPlaced = ({ first, row }: PlacedSum, { kernel, arrays }: Checked): boolean => {
  const params = new Set(kernel.params.map(({ name }) => name));
  return [...partsIn(first), ...partsIn(row)].every(
    (e) => e.kind !== 'load' || !params.has(rootName(must(arrays.get(e.from), 'an array').root)),
  );
};

/** With all that is constant in one number, at the end. */
function settled(e: Expr): Expr {
  const terms = sumTerms(e);
  const fixed = terms.reduce((sum, term) => sum + (term.kind === 'int' ? term.value : 0), 0);
  return add(...terms.filter(({ kind }) => kind !== 'int'), fixed);
}

const placedOf = ({ row, first, skip, sums }: RowSum): readonly PlacedSum[] =>
  sums.map((term) => ({
    local: term.local,
    row: add(row, term.row),
    first: settled(add(first, skip, term.offset)),
  }));

/** Inputs are a parameter. */
function placedSites(checked: Checked): readonly SumSite[] {
  const { body, params } = checked.kernel;
  const names = new Set(params.map(({ name }) => name));
  return rowSumsIn(body)
    .map(({ loops, sum }) => ({ loops, sum, sums: placedOf(sum) }))
    .filter(({ sum, sums }) => names.has(sum.from) && sums.every((one) => isPlaced(one, checked)));
}

/** Sums of a loop over rows in which each row has inputs of its own, one element behind those of the row before. */
export interface NeighbourSums {
  readonly loop: Loop;
  /** A parameter. */
  readonly from: string;
  readonly sums: readonly PlacedSum[];
  /** Where they are added. */
  readonly statement: RowSum;
}

/** Depthwise convolutions are such loops. */
function neighboursOf(checked: Checked, site: SumSite, rows: number): NeighbourSums | undefined {
  const { loops, sums, sum: statement } = site;
  const loop = loops.at(-1);
  const { from } = statement;
  if (loop === undefined || roundsOf(loop) !== rows) return undefined;
  const isRow = ({ row }: PlacedSum): boolean => row.kind === 'local' && row.name === loop.name;
  const inner = changedBy(loop, checked.arrays);
  const fits = sums.every(
    (sum) => isRow(sum) && isNeighbour(sum.first, loop.name, (name) => inner.has(name)),
  );
  const kept = leaves(loop, checked, from, new Set());
  return fits && kept && loop.from.kind === 'int' && loop.from.value === 0 && loop.step === 1
    ? { loop, from, sums, statement }
    : undefined;
}

/** Sums of 8-bit weights that may be made otherwise than by the kernel's own statements. */
export interface FoundSums {
  readonly groups: readonly SumGroup[];
  readonly neighbours: readonly NeighbourSums[];
}

export function foundSums(kernel: Kernel, { rows }: WeightLayout): FoundSums {
  const checked = { kernel, arrays: checkKernel(kernel) };
  const sites = placedSites(checked);
  const all = <T>(of: (checked: Checked, site: SumSite, rows: number) => T | undefined): readonly T[] =>
    sites.map((site) => of(checked, site, rows)).filter((one) => one !== undefined);
  return { groups: all(groupOf), neighbours: all(neighboursOf) };
}
