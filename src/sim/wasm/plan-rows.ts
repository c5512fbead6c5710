/** Kernels in which all rows of weights meet the same inputs: convolutions and linear layers. */

import type { Kernel, Stmt } from '../../ir/kernel/kernel.ts';
import { namesIn } from '../../ir/kernel/walk.ts';
import type { WeightLayout } from '../../ir/kernel/weight-format.ts';
import { decodeRows } from '../../program/rows.ts';
import type { Code } from '../../wasm/code.ts';
import { i32, i32x4 } from '../../wasm/instructions.ts';
import type { Replaced } from './body.ts';
import { type Body, localOf, type Passes } from './body.ts';
import { value } from './expr.ts';
import type { VectorPlan } from './lanes.ts';
import {
  packedBytes,
  packWeights,
  rowSum,
  rowSums,
  sumRows,
  sumsBytes,
  type Workspace,
  wideBytesOf,
} from './lanes.ts';
import { type PlacedSum, type SumGroup, sumGroups } from './sums.ts';
import { isUnitStride } from './vector-expr.ts';
import { type Source, sourceOf, widenedBefore } from './widened.ts';

export function rowPlan(kernel: Kernel): VectorPlan | undefined {
  const order = ({ ahead }: SumGroup): number => kernel.body.indexOf(ahead);
  const groups = sumGroups(kernel).toSorted((a, b) => order(a) - order(b));
  const [group, ...others] = groups;
  const layout = kernel.weights?.layout;
  const source = group && sourceOf(kernel, group.from);
  if (group === undefined || layout === undefined || source === undefined) return undefined;
  // One set of packed weights and of sums: all groups ask for the same ones, of what never changes.
  const isLasting = source.role === 'in' && group.places.every((place) => namesIn(place).size === 0);
  if (!others.every((o) => isLasting && o.from === group.from && sameSums(kernel, o, group)))
    return undefined;
  const places = group.places.length;
  return {
    weightBytes: packedBytes(layout),
    wideBytes: wideBytesOf(source.length),
    sumsBytes: sumsBytes(places, layout.rows),
    weights: () => packWeights(decodeRows(kernel), layout, places),
    replaced: (workspace) => replaced({ kernel, layout, source, workspace }, group, groups),
  };
}

/** The sums made ahead of one statement of the kernel's own block are still there at a later one. */
const sameSums = (kernel: Kernel, a: SumGroup, b: SumGroup): boolean =>
  JSON.stringify(a.places) === JSON.stringify(b.places) &&
  kernel.body.includes(a.ahead) &&
  kernel.body.includes(b.ahead);

interface Rows {
  readonly kernel: Kernel;
  readonly layout: WeightLayout;
  readonly source: Source;
  readonly workspace: Workspace;
}

function replaced(at: Rows, group: SumGroup, groups: readonly SumGroup[]): Replaced {
  const { kernel, layout, source, workspace } = at;
  const summed = (b: Body): Code =>
    sumRows(
      b,
      layout,
      workspace,
      group.places.map((place) => value(b, place)),
    );
  const instead = new Map<Stmt, (b: Body) => Code>();
  const lanes = new Map<Stmt, (p: Passes) => Code | undefined>();
  for (const { members, statement } of groups) {
    instead.set(statement, (b) => members.flatMap((member) => added(b, at, member)));
    lanes.set(statement, (p) => addedLanes(p, at, members));
  }
  return { before: widenedBefore(kernel, source, workspace, group.ahead, summed), instead, lanes };
}

interface Member {
  readonly sum: PlacedSum;
  readonly place: number;
}

function added(b: Body, { layout, workspace }: Rows, { sum, place }: Member): Code {
  const local = localOf(b, sum.local);
  return local.set(i32.add(local.get, rowSum(layout, workspace, place, value(b, sum.row))));
}

/** Rows that follow the passes lie side by side. */
function addedLanes(p: Passes, { layout, workspace }: Rows, members: readonly Member[]): Code | undefined {
  const parts = members.map(({ sum, place }) => {
    const local = p.vectors.get(sum.local);
    if (local === undefined || !isUnitStride(p, sum.row)) return undefined;
    return local.set(i32x4.add(local.get, rowSums(layout, workspace, place, value(p.body, sum.row))));
  });
  return parts.includes(undefined) ? undefined : parts.flatMap((part) => part ?? []);
}
