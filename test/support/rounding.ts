/**
 * How far rounding can move the tensors of a float network: running error analysis, forward through the graph,
 * with the actual weights and values. With u = 2^-24, a sum of products whose coefficients were each rounded n
 * times is within gamma_n * sum |terms|, gamma_n = n u / (1 - n u) (Higham, Accuracy and Stability of Numerical
 * Algorithms, 3.1).
 */
import { broadcastTo } from '../../src/ir/geometry/broadcast.ts';
import { type Graph, is, type Node } from '../../src/ir/graph/graph.ts';
import { avgPool } from '../../src/ir/ops/avg-pool.ts';
import { batchNorm } from '../../src/ir/ops/batch-norm.ts';
import { conv } from '../../src/ir/ops/conv.ts';
import { type FormulaAttrs, realOps } from '../../src/ir/ops/formula.ts';
import { linear } from '../../src/ir/ops/linear.ts';
import { maxPool } from '../../src/ir/ops/max-pool.ts';
import { type NormalizeAttrs, normalize, rmsNormalize } from '../../src/ir/ops/normalize-groups.ts';
import { largestElement, mean, smallestElement, sum } from '../../src/ir/ops/reductions.ts';
import type { LineAttrs } from '../../src/ir/ops/scale-shift.ts';
import type { Tensor } from '../../src/ir/tensor.ts';
import { abs, constantsOf, map, plus, times, type Values } from './float64.ts';
import { gentleSamples } from './functions.ts';
import { mixError } from './mixing-bounds.ts';
import { type PairSample, pairOf } from './pairs.ts';

export const gamma = (n: number): number => (n * 2 ** -24) / (1 - n * 2 ** -24);

/** What one operation may be off by, relative to the sum of its absolute terms. */
export type UnitOf = (node: Node) => number;

export const zeros = (t: Tensor): Tensor => map(t, () => 0);

/** Per tensor and element: how far it may be from its exact value. */
export function roundingBounds(graph: Graph<'float'>, values: Values, unitOf: UnitOf): Values {
  const errors = new Map<string, Tensor>();
  for (const name of graph.inputs) errors.set(name, zeros(values.get(name)!));
  for (const node of graph.nodes) {
    const constants = constantsOf(graph, node);
    const inputs = node.inputs.map((name, i) => constants[i] ?? values.get(name)!);
    const moved = node.inputs.map((name) => errors.get(name));
    const padError = paddingErrors(graph, node, unitOf);
    const result = values.get(node.outputs[0]!)!;
    errors.set(node.outputs[0]!, nodeError({ node, inputs, moved, result, padError }, unitOf(node)));
  }
  return errors;
}

export interface At {
  readonly node: Node;
  readonly inputs: readonly Tensor[];
  /** The errors of those inputs that are activations. */
  readonly moved: readonly (Tensor | undefined)[];
  readonly result: Tensor;
  /** Of the padding of a convolution, per channel. */
  readonly padError: readonly number[] | undefined;
}

const apply = (node: Node, attrs: object, inputs: readonly (Tensor | undefined)[]): Tensor =>
  node.op.reference({ ...(node.attrs as object), ...attrs }, inputs)[0]!;

const bare = { clamp: undefined, pool: undefined };

/** Of one node's output, `unit` relative to the sum of its absolute terms, and what its inputs bring along. */
export function nodeError(at: At, unit: number): Tensor {
  const { node, inputs, moved } = at;
  if (is(node, conv) || is(node, linear)) return macError(at, unit);
  if (is(node, batchNorm)) return normError(at, node.attrs.epsilon, unit);
  if (is(node, maxPool)) return apply(node, {}, [moved[0]!]);
  if (is(node, avgPool))
    return plus(apply(node, {}, [moved[0]!]), times(apply(node, {}, [abs(inputs[0]!)]), unit));
  if (is(node, mean) || is(node, sum))
    return plus(apply(node, {}, [moved[0]!]), times(apply(node, {}, [abs(inputs[0]!)]), unit));
  if (is(node, largestElement) || is(node, smallestElement))
    return largestElement.reference(node.attrs, [moved[0]!])[0]!;
  if (is(node, normalize) || is(node, rmsNormalize)) return groupError(at, node.attrs, unit);
  const mixed = mixError(at, unit);
  if (mixed !== undefined) return mixed;
  const pair = pairOf(node);
  if (pair !== undefined) return pairError(at, pair, unit);
  if (node.op.kind === 'formula') return formulaError(at, unit);
  if (node.op.kind === 'scaleShift') return scaleError(at, unit);
  if (node.op.kind === 'line') {
    const { gain, shift } = node.attrs as LineAttrs;
    return map(
      moved[0]!,
      (e, i) => Math.abs(gain) * (e + unit * Math.abs(inputs[0]!.data[i]!)) + unit * Math.abs(shift),
    );
  }
  if (node.op.kind === 'add') {
    const terms = inputs.map((x, i) => plus(moved[i] ?? zeros(x), times(abs(x), unit)));
    return apply(node, bare, terms);
  }
  if (node.op.kind === 'softmax') return softmaxError(at);
  if (node.op.kind === 'clip') return moved[0]!;
  if (node.op.kind === 'move')
    return apply(
      node,
      { fill: 0 },
      inputs.map((x, i) => moved[i] ?? zeros(x!)),
    );
  const slope = slopes.get(node.op.kind);
  if (slope !== undefined)
    return map(moved[0]!, (e, i) => slope * e + unit * Math.max(1, Math.abs(at.result.data[i]!)));
  return apply(node, {}, [moved[0]!]);
}

/** The steepest slopes of operators that are one real function. */
const slopes = new Map<string, number>();
for (const { op, slope } of gentleSamples)
  slopes.set(op.kind, Math.max(slope ?? 0, slopes.get(op.kind) ?? 0));

export const isFunction = ({ op }: Pick<Node, 'op'>): boolean => slopes.has(op.kind) || op.kind === 'formula';

/** Step by step, each on what is known of those before. A function's own approximation is of this size in float32. */
function formulaError({ node, inputs: [x], moved: [dx] }: At, unit: number): Tensor {
  const made: (readonly [Tensor, Tensor])[] = [];
  for (const { kind, attrs, inputs } of (node.attrs as FormulaAttrs).steps) {
    const op = realOps.find((o) => o.kind === kind)!;
    const read = inputs.map((operand) => {
      if (typeof operand !== 'number') return [map(x!, () => operand.constant), zeros(x!)] as const;
      return operand < 0 ? ([x!, dx!] as const) : made[operand]!;
    });
    const [values, errors] = [read.map(([t]) => t), read.map(([, e]) => e)];
    const result = op.reference(attrs, values)[0]!;
    const step = { node: { ...node, op, attrs }, inputs: values, moved: errors, result, padError: undefined };
    const own = unit > 0 && slopes.has(kind) ? 2 ** -20 : 0;
    made.push([
      result,
      map(nodeError(step, unit), (e, i) => e + own * Math.max(1, Math.abs(result.data[i]!))),
    ]);
  }
  return made.at(-1)![1];
}

/**
 * Of z = d / sqrt(mean d^2 + epsilon), d off by at most e in each element of n, z is off by at most (1 + sqrt n) e /
 * sqrt epsilon: |z| is at most sqrt n. What the sums are off by is relative to the largest element.
 */
function groupError(
  { inputs: [x, gain], moved, result }: At,
  { view, axes, epsilon }: NormalizeAttrs,
  unit: number,
): Tensor {
  const n = axes.reduce((product, axis) => product * view[axis]!, 1);
  const most = (t: Tensor): number => Array.from(t.data).reduce((all, y) => Math.max(all, Math.abs(y)), 0);
  const off = 2 * (most(moved[0]!) + unit * n * most(x!));
  const normal = ((1 + Math.sqrt(n)) * off) / Math.sqrt(epsilon) + unit * (n + 8) * Math.sqrt(n);
  return map(result, (y) => most(gain!) * normal + unit * Math.abs(y));
}

/** Of both operands, broadcast, with a rounding of the result. */
function pairError({ inputs, moved, result }: At, { moved: off }: PairSample, unit: number): Tensor {
  const whole = (t: Tensor): Tensor => broadcastTo(t, result.shape);
  const [x, y] = inputs.map(whole);
  const [dx, dy] = inputs.map((t, i) => whole(moved[i] ?? zeros(t)));
  return map(result, (value, i) => {
    const carried = off([x!.data[i]!, dx!.data[i]!], [y!.data[i]!, dy!.data[i]!]);
    return carried + unit * (Math.abs(value) + carried);
  });
}

/** y = g x + h */
function scaleError({ inputs, moved }: At, unit: number): Tensor {
  const [x, gain, shift] = inputs as [Tensor, Tensor, Tensor];
  const inner = x.data.length / gain.data.length;
  return map(x, (value, i) => {
    const c = Math.floor(i / inner);
    const [g, h] = [Math.abs(gain.data[c]!), Math.abs(shift.data[c]!)];
    return g * moved[0]!.data[i]! + unit * (g * Math.abs(value) + h);
  });
}

/** unit (|W||x| + |b|) + |W| e, and the largest of that where a max-pool follows. */
function macError({ node, inputs: [x, w, b], moved, padError }: At, unit: number): Tensor {
  const attrs = node.attrs as { padValues?: readonly number[]; pool?: object };
  const padValues = attrs.padValues?.map(Math.abs);
  const terms = apply(node, { ...bare, padValues }, [abs(x!), abs(w!), b && abs(b)]);
  const carried = apply(node, { ...bare, padValues: padError }, [moved[0]!, abs(w!)]);
  const error = plus(times(terms, unit), carried);
  return attrs.pool === undefined ? error : maxPool.reference(attrs.pool as never, [error])[0]!;
}

/** y = g x + (b - g m) */
function normError({ inputs, moved }: At, epsilon: number, unit: number): Tensor {
  const [x, scale, bias, mean, variance] = inputs as [Tensor, Tensor, Tensor, Tensor, Tensor];
  const channels = scale.data.length;
  const inner = x.data.length / channels;
  return map(x, (value, i) => {
    const c = Math.floor(i / inner);
    const g = Math.abs(scale.data[c]! / Math.sqrt(variance.data[c]! + epsilon));
    const terms = g * (Math.abs(value) + Math.abs(mean.data[c]!)) + Math.abs(bias.data[c]!);
    return g * moved[0]!.data[i]! + unit * terms;
  });
}

/**
 * Zeros around a normalized image become other numbers when the normalization is folded into the convolution:
 * they carry the rounding of g m and b through the chain of normalizations before it.
 */
function paddingErrors(graph: Graph<'float'>, node: Node, unitOf: UnitOf): readonly number[] | undefined {
  if (!is(node, conv)) return undefined;
  let errors: number[] | undefined;
  const gains: number[] = [];
  let source = graph.nodes.find((n) => n.outputs[0] === node.inputs[0]);
  while (source !== undefined && is(source, batchNorm)) {
    const [, scale, bias, mean, variance] = constantsOf(graph, source);
    const { epsilon } = source.attrs;
    const unit = unitOf(node) + unitOf(source);
    errors ??= new Array<number>(scale!.data.length).fill(0);
    errors = errors.map((error, c) => {
      const g = Math.abs(scale!.data[c]! / Math.sqrt(variance!.data[c]! + epsilon));
      const outer = gains[c] ?? 1;
      gains[c] = outer * g;
      return error + outer * unit * (g * Math.abs(mean!.data[c]!) + Math.abs(bias!.data[c]!));
    });
    const [input] = source.inputs;
    source = graph.nodes.find((n) => n.outputs[0] === input);
  }
  return errors;
}

/** Inputs moved by up to e move each probability by a factor of at most exp(2 e). */
function softmaxError({ moved, result }: At): Tensor {
  const most = Math.max(...moved[0]!.data);
  return map(result, (p) => Math.min(1, p * Math.expm1(2 * most) + 1e-12));
}

/** The first element that is farther off than its bound allows, in words. */
export function beyond(name: string, a: Tensor, b: Tensor, bound: Tensor): string | undefined {
  for (let i = 0; i < a.data.length; i++) {
    const [x, y, most] = [a.data[i]!, b.data[i]!, bound.data[i]!];
    // 2^-40 of the value itself: the noise of float64 in all of this.
    if (!(Math.abs(x - y) <= most + 2 ** -40 * Math.abs(x) + 1e-290))
      return `tensor '${name}', element ${i}: ${x} and ${y} are ${Math.abs(x - y)} apart, allowed ${most}`;
  }
  return a.data.length === b.data.length ? undefined : `tensor '${name}': ${a.shape} and ${b.shape}`;
}

/** @throws when a tensor that both have differs by more than its bound */
export function requireWithin(a: Values, b: Values, bounds: Values): void {
  for (const [name, x] of a) {
    const y = b.get(name);
    const found = y === undefined ? undefined : beyond(name, x, y, bounds.get(name)!);
    if (found !== undefined) throw new Error(found);
  }
}
