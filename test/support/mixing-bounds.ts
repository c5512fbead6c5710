/** How far operators that mix elements, or choose among them, may be off: in float (`mixError`), and in 8 bits (`mixBound`). */
import { broadcastTo } from '../../src/ir/geometry/broadcast.ts';
import { type Graph, is, type Node } from '../../src/ir/graph/graph.ts';
import { argMax } from '../../src/ir/ops/arg-extreme.ts';
import { attention } from '../../src/ir/ops/attention.ts';
import { choice } from '../../src/ir/ops/choice.ts';
import { multiplied } from '../../src/ir/ops/common/stacked-product.ts';
import { conversion } from '../../src/ir/ops/conversion.ts';
import { embedding } from '../../src/ir/ops/embedding.ts';
import { matrices } from '../../src/ir/ops/matrices.ts';
import { gru, lstm, rnn } from '../../src/ir/ops/recurrent.ts';
import { type QuantizedResample, resample } from '../../src/ir/ops/resample.ts';
import { runningSum } from '../../src/ir/ops/running-sum.ts';
import { comparison, logic } from '../../src/ir/ops/truth.ts';
import type { Tensor } from '../../src/ir/tensor.ts';
import { abs, map, plus, times } from './float64.ts';

const most = (t: Tensor): number => Array.from(t.data).reduce((all, y) => Math.max(all, Math.abs(y)), 0);
const zeros = (t: Tensor): Tensor => map(t, () => 0);

const isRecurrent = (node: Node): boolean => is(node, lstm) || is(node, gru) || is(node, rnn);

/** States lie in -1..1, and a layer may hold on to any error. */
const anyState = 2;

interface Off {
  readonly node: Node;
  readonly inputs: readonly Tensor[];
  /** Undefined for constants. */
  readonly moved: readonly (Tensor | undefined)[];
  readonly result: Tensor;
}

/** A condition is open where its two sides are as near as they are off. */
function comparisonError({ inputs, moved, result }: Off): Tensor {
  const [x, y] = inputs.map((t) => broadcastTo(t, result.shape));
  const [dx, dy] = inputs.map((t, i) => broadcastTo(moved[i] ?? zeros(t), result.shape));
  return map(result, (_, i) => {
    const [off, apart] = [dx!.data[i]! + dy!.data[i]!, Math.abs(x!.data[i]! - y!.data[i]!)];
    return off > 0 && apart <= off * (1 + 1e-9) ? 1 : 0;
  });
}

function choiceError({ inputs, moved, result }: Off): Tensor {
  const whole = inputs.map((t) => broadcastTo(t, result.shape).data);
  const [open, dx, dy] = inputs.map((t, i) => broadcastTo(moved[i] ?? zeros(t), result.shape).data);
  return map(result, (_, i) => {
    const own = whole[0]![i] === 0 ? dy![i]! : dx![i]!;
    return open![i] === 0 ? own : Math.abs(whole[1]![i]! - whole[2]![i]!) + dx![i]! + dy![i]!;
  });
}

/** |a| |b| moved on either side. */
function productError({ inputs: [a, b], moved: [da, db] }: Off, unit: number): Tensor {
  const [x, y] = [abs(a!), abs(b!)];
  const [dx, dy] = [da ?? zeros(a!), db ?? zeros(b!)];
  const n = a!.shape.at(-1)!;
  const carried = [multiplied(dx, y), multiplied(x, dy), multiplied(dx, dy)];
  return plus(times(multiplied(x, y) as Tensor, unit * n), ...(carried as Tensor[]));
}

/** Scores that are off by e change each share by a factor of at most exp(2 e). */
function attentionError(at: Off, gain: number, unit: number): Tensor {
  const [q, k, v] = at.inputs as [Tensor, Tensor, Tensor];
  const { moved } = at;
  const scores = most(productError({ ...at, inputs: [q, k], moved: moved.slice(0, 2) }, unit)) * gain;
  const own = unit > 2 ** -30 ? 2 ** -17 : 1e-11;
  const shares = Math.expm1(2 * scores) + own;
  return map(at.result, () => Math.min(2 * most(v), most(v) * shares) + most(moved[2] ?? zeros(v)));
}

/** Of one output, `unit` relative to each term, with what the inputs bring along; undefined for other operators. */
export function mixError(at: Off, unit: number): Tensor | undefined {
  const { node, inputs, moved, result } = at;
  const linear = (): Tensor => {
    const [x] = inputs as [Tensor];
    const apply = (t: Tensor): Tensor => node.op.reference(node.attrs, [t])[0]!;
    return plus(apply(moved[0]!), times(apply(abs(x)), unit * (Math.max(...x.shape) + 3)));
  };
  if (is(node, runningSum)) return linear();
  if (is(node, resample)) {
    const reach = node.attrs.axes.reduce((all, { taps, weights }) => {
      const sums = Array.from({ length: weights.length / taps }, (_, i) =>
        weights.slice(i * taps, (i + 1) * taps).reduce((sum, w) => sum + Math.abs(w), 0),
      );
      return all * Math.max(...sums);
    }, 1);
    return map(result, () => reach * (most(moved[0]!) + unit * 8 * most(inputs[0]!)));
  }
  if (is(node, matrices)) return productError(at, unit);
  if (is(node, attention)) return attentionError(at, node.attrs.gain, unit);
  if (is(node, comparison)) return comparisonError(at);
  if (is(node, choice)) return choiceError(at);
  if (is(node, logic))
    return map(result, (_, i) => Math.max(...moved.map((t) => (t === undefined ? 0 : t.data[i]!))));
  if (is(node, conversion)) return moved[0]!;
  // Any index, and so any row, where the numbers may change their order at all.
  if (is(node, argMax))
    return map(result, () => (most(moved[0]!) > 0 ? inputs[0]!.shape[node.attrs.axis]! : 0));
  if (is(node, embedding)) return map(result, () => (most(moved[0]!) > 0 ? 2 * most(inputs[1]!) : 0));
  return isRecurrent(node) ? map(result, () => (most(moved[0]!) + unit > 0 ? anyState : 0)) : undefined;
}

/** Of each operand's grid: what is too near to tell, for what its numbers are rounded to. */
const nearness = 2 ** -18;

/**
 * Of the integers with exact 8-bit inputs, beside the float operator. Weights of resampling have 11 bits at most and
 * 2 or 4 neighbours; scores of attention are 256ths of an octave, its shares have 10 bits at least.
 */
export function mixBound(
  graph: Graph<'int8'>,
  node: Node,
  inputs: readonly Tensor[],
  ideal: Tensor,
): Tensor | undefined {
  const step = (name: string): number => graph.tensors.get(name)?.quant?.scale ?? 0;
  const scale = step(node.outputs[0]!);
  const rounding = (own: number) => map(ideal, (y) => scale * 0.502 + Math.abs(y) * 2 ** -22 + own);
  if (is(node, resample)) {
    const { bits } = node.quantized as QuantizedResample;
    const blurred = node.attrs.axes.filter(({ taps }) => taps > 1);
    return rounding(blurred.length * 4 * 2 ** -bits * 2 * most(inputs[0]!));
  }
  if (is(node, runningSum) || is(node, matrices)) return rounding(0);
  if (is(node, attention)) return rounding(0.02 * most(inputs[2]!));
  if (is(node, comparison)) {
    const near = node.inputs.reduce((sum, name) => sum + step(name), 0) * nearness;
    const constants = node.inputs.map((name) => graph.tensors.get(name)?.constant);
    const rest = inputs.values();
    const [x, y] = constants.map((constant) => constant ?? rest.next().value!);
    const off = [x!, y!].map((t) => map(t, (value) => near + Math.abs(value) * 2e-6));
    return comparisonError({ node, inputs: [x!, y!], moved: off, result: ideal });
  }
  // A constant is rounded to the output's grid, or cut off where that does not reach.
  if (is(node, choice)) return map(ideal, () => scale * 0.53);
  if (is(node, embedding)) return rounding(0);
  if (is(node, logic) || is(node, conversion) || is(node, argMax)) return zeros(ideal);
  return isRecurrent(node) ? map(ideal, () => anyState) : undefined;
}
