/** Kernels in which each row of weights has inputs beside those of the row before: depthwise convolutions. */
import { decodeRows } from '../../decode.ts';
import type { WeightLayout } from '../../ir/formats/format.ts';
import type { Kernel, RowSum, Stmt } from '../../ir/kernel.ts';
import type { Code } from '../../wasm/code.ts';
import { localOf } from './body.ts';
import { value } from './expr.ts';
import { type Bench, neighbourBytes, packNeighbours, sumNeighbours, wideBytesOf } from './lanes.ts';
import type { VectorPlan } from './plan.ts';
import { neighbourSums } from './sums.ts';
import type { Passes } from './vector-expr.ts';
import { sourceOf, widenedBefore } from './widened.ts';

export function neighbourPlan(kernel: Kernel): VectorPlan | undefined {
  const [found, ...others] = neighbourSums(kernel);
  const layout = kernel.weights?.layout;
  const source = found && sourceOf(kernel, found.from);
  if (found === undefined || others.length > 0 || layout === undefined || source === undefined)
    return undefined;
  const { loop, sums, statements } = found;
  return {
    weightBytes: neighbourBytes(layout),
    wideBytes: wideBytesOf(source.length),
    sumsBytes: 0,
    weights: () => packNeighbours(decodeRows(kernel), layout),
    replaced(bench) {
      const lanes = new Map<Stmt, (p: Passes) => Code | undefined>();
      for (const s of statements)
        lanes.set(s, (p) => (s === statements[0] ? addedLanes(p, layout, bench, sums) : []));
      return { before: widenedBefore(kernel, source, bench, loop, () => []), instead: new Map(), lanes };
    },
  };
}

function addedLanes(
  p: Passes,
  layout: WeightLayout,
  bench: Bench,
  sums: readonly RowSum[],
): Code | undefined {
  const places = sums.flatMap(({ local, first }) => {
    const sum = p.vectors.get(local);
    return sum === undefined ? [] : [{ sum, first: value(p.body, first) }];
  });
  if (places.length < sums.length) return undefined;
  return sumNeighbours(p.body, layout, bench, localOf(p.body, p.counter).get, places);
}
