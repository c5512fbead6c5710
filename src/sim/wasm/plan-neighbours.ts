/** Kernels in which each row of weights has inputs beside those of the row before: depthwise convolutions. */

import { must } from '../../base/errors.ts';
import type { Kernel, Stmt } from '../../ir/kernel/kernel.ts';
import type { WeightLayout } from '../../ir/kernel/weight-format.ts';
import { decodeRows } from '../../program/rows.ts';
import type { Code } from '../../wasm/code.ts';
import { i32, i32x4, zeroLanes } from '../../wasm/instructions.ts';
import type { Passes } from './body.ts';
import { type Body, fresh, localOf } from './body.ts';
import { value } from './expr.ts';
import type { VectorPlan } from './lanes.ts';
import { neighbourBytes, packNeighbours, sumNeighbours, type Workspace, wideBytesOf } from './lanes.ts';
import { neighbourSums, type PlacedSum } from './sums.ts';
import { sourceOf, widenedBefore } from './widened.ts';

export function neighbourPlan(kernel: Kernel): VectorPlan | undefined {
  const [found, ...others] = neighbourSums(kernel);
  const layout = kernel.weights?.layout;
  const source = found && sourceOf(kernel, found.from);
  if (found === undefined || others.length > 0 || layout === undefined || source === undefined)
    return undefined;
  const { loop, sums, statement } = found;
  return {
    weightBytes: neighbourBytes(layout),
    wideBytes: wideBytesOf(source.length),
    sumsBytes: 0,
    weights: () => packNeighbours(decodeRows(kernel), layout),
    replaced(workspace) {
      // Also in the passes left over: the expansion walks along the weights, which vectors do not.
      const instead = new Map<Stmt, (b: Body) => Code>([
        [statement, (b) => added(b, layout, workspace, sums)],
      ]);
      const lanes = new Map<Stmt, (p: Passes) => Code | undefined>([
        [statement, (p) => addedLanes(p, layout, workspace, sums)],
      ]);
      return { before: widenedBefore(kernel, source, workspace, loop, () => []), instead, lanes };
    },
  };
}

/** One row's sums, in the first lane. */
function added(b: Body, layout: WeightLayout, workspace: Workspace, sums: readonly PlacedSum[]): Code {
  const row = value(b, must(sums[0], 'a sum').row);
  const places = sums.map(({ first }) => ({ first: value(b, first), sum: fresh(b, 'v128') }));
  return [
    ...places.flatMap(({ sum }) => sum.set(zeroLanes)),
    ...sumNeighbours(b, layout, workspace, row, places),
    ...sums.flatMap(({ local }, j) => {
      const [to, sum] = [localOf(b, local), must(places[j], 'a place per sum').sum];
      return to.set(i32.add(to.get, i32x4.first(sum.get)));
    }),
  ];
}

function addedLanes(
  p: Passes,
  layout: WeightLayout,
  workspace: Workspace,
  sums: readonly PlacedSum[],
): Code | undefined {
  const places = sums.flatMap(({ local, first }) => {
    const sum = p.vectors.get(local);
    return sum === undefined ? [] : [{ sum, first: value(p.body, first) }];
  });
  if (places.length < sums.length) return undefined;
  return sumNeighbours(p.body, layout, workspace, localOf(p.body, p.counter).get, places);
}
