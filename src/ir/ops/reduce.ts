/** Reductions: one number of all elements along some axes, each kind an operator of its own. */
import { at, complain, must } from '../../base/errors.ts';
import { broadcastIndex } from '../geometry/broadcast.ts';
import type { Steps, Value } from '../graph/gradient.ts';
import type { CanonicalOp, InputType, KernelContext, QuantizeContext, ScaleContext } from '../graph/op.ts';
import { quantOf } from '../integers/quant.ts';
import type { Kernel, Stmt, Table } from '../kernel/kernel.ts';
import { type Order, positionsOf, simplified } from '../kernel/memory-order.ts';
import { elemOf, type Quant, type StoredTensor } from '../kernel/stored.ts';
import { countOf, type Shape, type Tensor } from '../tensor.ts';
import { opaqueChannels, sameChannels } from './common/channel-flows.ts';
import { required, requireFloats } from './common/inputs.ts';
import { strided } from './common/reads.ts';
import { rounded } from './common/round.ts';
import { alongAxes, groupsOf, otherAxes } from './kernels/axis-lines.ts';
import { docOf } from './kernels/doc.ts';
import { type Group, inGroups } from './kernels/reducing.ts';

export interface ReduceAttrs {
  /** Ascending, from 0 on; at least one. */
  readonly axes: readonly number[];
  /** They stay as axes of 1. */
  readonly keepDims: boolean;
}

export const reducedShape = (shape: Shape, { axes, keepDims }: ReduceAttrs): Shape =>
  shape.flatMap((n, i) => (axes.includes(i) ? (keepDims ? [1] : []) : [n]));

/** Which element of the output each row-major element of the input goes into. */
export const targetsIn = (shape: Shape, { axes }: ReduceAttrs): Int32Array =>
  broadcastIndex(reducedShape(shape, { axes, keepDims: true }), shape);

/** Of each row-major element of the output, the first one that goes into it. */
const firstsIn = (shape: Shape, { axes }: ReduceAttrs): Int32Array =>
  alongAxes(shape, otherAxes(shape, axes));

/** `f` of the elements of each group. */
export function reducedBy(x: Tensor, attrs: ReduceAttrs, f: (values: Float64Array) => number): Tensor {
  const members = alongAxes(x.shape, attrs.axes);
  const values = new Float64Array(members.length);
  const made = Float64Array.from(firstsIn(x.shape, attrs), (first) => {
    members.forEach((member, i) => {
      values[i] = at(x.data, first + member);
    });
    return f(values);
  });
  return rounded(x.dtype, reducedShape(x.shape, attrs), made);
}

/** The statements of a group, and the tables that they read. */
interface Body {
  readonly tables?: readonly Table[];
  readonly statements: (group: Group) => readonly Stmt[];
}

/** A kind of reduction. @typeParam Q the integers of its 8-bit form */
export interface Reduction<Q> {
  readonly kind: string;
  /** What the comment above its kernel calls it. */
  readonly title: string;
  /** Of the elements of one group, in any order. */
  value(values: Float64Array): number;
  /** A group in float32. @param count elements of a group */
  float32(count: number): (group: Group) => readonly Stmt[];
  /** How large the groups may be in 8 bits; absent: any. */
  readonly longest?: number;
  readonly anyZeroPoint?: 'computes' | 'moves';
  /** Whether it stays the same through gains of each sign, and through shifts. */
  readonly commutes?: (gain: readonly number[], shift: readonly number[]) => boolean;
  outputQuant?(
    input: Quant,
    count: number,
    range: ScaleContext<unknown>['range'],
    bits: ScaleContext<unknown>['outputBits'],
  ): Quant;
  /** As `CanonicalOp.sixteen`. */
  readonly sixteen?: 'both';
  quantize(input: Quant, output: Quant, count: number): Q;
  int8(name: string, quantized: Q, count: number): Body;
  /** Of groups of which element 0 to `members.length` - 1 each lie `members` behind `starts`. */
  gradient?(steps: Steps, groups: RowGroups): Value;
}

/** Row-major places of groups. */
export interface RowGroups {
  readonly starts: Int32Array;
  readonly members: Int32Array;
}

/** Which group each row-major element is of. */
export function groupsBy(count: number, { starts, members }: RowGroups): Int32Array {
  const group = new Int32Array(count);
  starts.forEach((start, i) => {
    for (const member of members) group[start + member] = i;
  });
  return group;
}

/** Of a node's input x and a number near the largest of each group: x less that number, and ln(sum of e^that). */
export function logSumExpSteps(steps: Steps, near: Value, groups: RowGroups) {
  const x = steps.input(0);
  const group = groupsBy(countOf(x.shape), groups);
  const less = steps.fixed(x.shape, (i) => [
    [x, i, 1],
    [near, at(group, i), -1],
  ]);
  const powers = steps.curve(less, { kind: 'exp', attrs: {} });
  const sums = steps.fixed(near.shape, (i) =>
    Array.from(groups.members, (member) => [powers, at(groups.starts, i) + member, 1] as const),
  );
  return { less, group, log: steps.curve(sums, { kind: 'log', attrs: {} }) };
}

const groupSize = ({ attrs, inputTypes }: ScaleContext<ReduceAttrs>): number =>
  countOf(attrs.axes.map((axis) => at(required(inputTypes, 0, 'data').shape, axis)));

/** As the groups lie in the input. */
function orderOf(attrs: ReduceAttrs, inputs: readonly StoredTensor[]): Order {
  const input = must(inputs[0], 'an input');
  const places = positionsOf(input);
  const firsts = firstsIn(input.shape, attrs);
  const elements = Array.from(firsts.keys());
  return simplified(elements.sort((a, b) => at(places, at(firsts, a)) - at(places, at(firsts, b))));
}

function kernelOf(
  title: string,
  attrs: ReduceAttrs,
  context: KernelContext,
  elem: 'u8' | 'f32',
  body: (count: number) => Body,
): Kernel {
  const [input, output] = [must(context.inputs[0], 'an input'), must(context.outputs[0], 'an output')];
  const out = positionsOf(output);
  const targets = targetsIn(input.shape, attrs).map((element) => at(out, element));
  const groups = groupsOf(input.shape, attrs.axes, [positionsOf(input), targets]);
  const { tables = [], statements } = body(groups.size);
  return inGroups({
    name: context.name,
    doc: docOf(`${title} of ${groups.size}`, [input], output, elem),
    elem: elem === 'f32' ? elem : elemOf(input),
    outElem: elem === 'f32' ? elem : elemOf(output),
    groups,
    counts: [countOf(input.shape), countOf(output.shape)],
    tables,
    body: statements,
  });
}

function requireAtMost(longest: number | undefined, count: number, title: string): void {
  if (longest === undefined || count <= longest) return;
  throw complain(
    `${title} of ${count} elements in 8 bits`,
    `at most ${longest}`,
    'reduce over fewer elements at once, or compile with --arith float32',
  );
}

/** Axis 1 of the output is that of the input. */
const keepsChannels = ({ axes, keepDims }: ReduceAttrs): boolean =>
  !axes.includes(1) && (keepDims || !axes.includes(0));

/** An operator of every stage, of a kind of reduction. */
export const reduction = <Q>(r: Reduction<Q>): CanonicalOp<ReduceAttrs, Q> => ({
  kind: r.kind,
  ...(r.longest === undefined ? {} : { restrictions: `int8: over at most ${r.longest} elements` }),
  infer(attrs, inputs: readonly (InputType | undefined)[]) {
    requireFloats(inputs);
    const { dtype, shape } = required(inputs, 0, 'data');
    return [{ dtype, shape: reducedShape(shape, attrs) }];
  },
  reference: (attrs, inputs) => [reducedBy(required(inputs, 0, 'data'), attrs, (values) => r.value(values))],
  channels: (attrs) =>
    keepsChannels(attrs)
      ? { ...sameChannels(attrs), isSilent: () => r.value(new Float64Array(4)) === 0 }
      : opaqueChannels(),
  reads: strided,
  order: orderOf,
  affine:
    r.commutes === undefined
      ? { kind: 'opaque' }
      : {
          kind: 'commuting',
          commutes: ({ gain, shift, clamp }, { attrs }) =>
            clamp === undefined && keepsChannels(attrs) && (r.commutes?.(gain, shift) ?? false),
        },
  absorb: () => undefined,
  elementwise: false,
  ...(r.sixteen === undefined ? {} : { sixteen: r.sixteen }),
  ...(r.anyZeroPoint === undefined ? {} : { anyZeroPoint: r.anyZeroPoint }),
  outputQuant(c) {
    const input = must(c.inputQuants[0], 'the input is quantized');
    return r.outputQuant?.(input, groupSize(c), c.range, c.outputBits) ?? quantOf(c.range);
  },
  quantize(c: QuantizeContext<ReduceAttrs>) {
    const count = groupSize(c);
    requireAtMost(r.longest, count, r.title);
    return r.quantize(must(c.inputQuants[0], 'the input is quantized'), c.outputQuant, count);
  },
  rows: undefined,
  gradient:
    r.gradient === undefined
      ? 'none'
      : {
          of: (attrs, steps) => {
            const { shape } = steps.input(0);
            return must(
              r.gradient?.(steps, {
                starts: firstsIn(shape, attrs),
                members: alongAxes(shape, attrs.axes),
              }),
              'a gradient',
            );
          },
        },
  int8: (attrs, q, context) =>
    kernelOf(r.title, attrs, context, 'u8', (count) => r.int8(context.name, q, count)),
  float32: (attrs, context) =>
    kernelOf(r.title, attrs, context, 'f32', (count) => ({ statements: r.float32(count) })),
});
