/** What of a kernel is computed by vectors, and the memory that this takes. */
import { decodeRows } from '../../decode.ts';
import { must } from '../../ir/errors.ts';
import type { WeightLayout } from '../../ir/formats/format.ts';
import type { Kernel, Stmt } from '../../ir/kernel.ts';
import type { Code } from '../../wasm/code.ts';
import { i32 } from '../../wasm/instructions.ts';
import { type Body, baseOf, localOf } from './body.ts';
import { value } from './expr.ts';
import {
  type Bench,
  packedBytes,
  packWeights,
  rowSum,
  sumRows,
  sumsBytes,
  wideBytesOf,
  widen,
} from './lanes.ts';
import { type Replaced, type SumGroup, sumGroups } from './sums.ts';

/** Groups that can share their sums, and the memory that the kernel wants. */
export interface VectorPlan {
  readonly kernel: Kernel;
  readonly layout: WeightLayout;
  readonly groups: readonly SumGroup[];
  /** In bytes. The weights stay, the others are only used during the step. */
  readonly weightBytes: number;
  readonly wideBytes: number;
  readonly sumsBytes: number;
}

const paramOf = (kernel: Kernel, name: string) => {
  const index = kernel.params.findIndex((p) => p.name === name);
  return { index, ...must(kernel.params[index], `parameter '${name}'`) };
};

/** Undefined where the kernel's own statements are as good. */
export function vectorPlanOf(kernel: Kernel): VectorPlan | undefined {
  const order = ({ ahead }: SumGroup): number => kernel.body.indexOf(ahead);
  const [group, ...others] = sumGroups(kernel).toSorted((a, b) => order(a) - order(b));
  const layout = kernel.weights?.layout;
  if (group === undefined || layout === undefined) return undefined;
  const { length, elem } = paramOf(kernel, group.from);
  // One set of packed weights and of sums: all groups ask for the same ones.
  const same = others.every((o) => o.from === group.from && sameSums(kernel, o, group));
  if (!same || (elem !== 'u8' && elem !== 'i8')) return undefined;
  return {
    kernel,
    layout,
    groups: [group, ...others],
    weightBytes: packedBytes(layout),
    wideBytes: wideBytesOf(length),
    sumsBytes: sumsBytes(group.places.length, layout.rows),
  };
}

/** The sums made ahead of one statement of the kernel's own block are still there at a later one. */
const sameSums = (kernel: Kernel, a: SumGroup, b: SumGroup): boolean =>
  JSON.stringify(a.places) === JSON.stringify(b.places) &&
  kernel.body.includes(a.ahead) &&
  kernel.body.includes(b.ahead);

export const packedWeights = ({ kernel, layout, groups }: VectorPlan): Int16Array =>
  packWeights(decodeRows(kernel), layout, groups[0]?.places.length ?? 1);

/** The kernel's changes, with the engine's memory for it. */
export function replacedBy(plan: VectorPlan, bench: Bench): Replaced {
  const { kernel, layout, groups } = plan;
  const [group] = groups as readonly [SumGroup];
  const { role, index, elem, length } = paramOf(kernel, group.from);
  const widened = (b: Body): Code =>
    widen(
      b,
      baseOf(b, { kind: 'param', index, param: must(kernel.params[index], 'a parameter') }),
      bench.wide,
      length,
      elem as 'u8',
    );
  const summed = (b: Body): Code =>
    sumRows(
      b,
      layout,
      bench,
      group.places.map((place) => value(b, place)),
    );
  const before = new Map<Stmt, (b: Body) => Code>();
  const [start] = kernel.body;
  if (role !== 'in' || start === group.ahead || start === undefined)
    before.set(group.ahead, (b) => [...widened(b), ...summed(b)]);
  else before.set(start, widened).set(group.ahead, summed);
  const instead = new Map<Stmt, (b: Body) => Code>();
  for (const { members, statements } of groups)
    for (const s of statements)
      instead.set(s, (b) =>
        s !== statements[0]
          ? []
          : members.flatMap(({ sum, place }) => {
              const local = localOf(b, sum.local);
              const row = value(b, sum.row);
              return local.set(i32.add(local.get, rowSum(layout, bench, place, row)));
            }),
      );
  return { before, instead };
}
