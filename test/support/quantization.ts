/**
 * How far one quantized operator, fed with exact 8-bit inputs, may be from its float form. In output steps:
 * the rounding of the output, 1/2 (and 2^-(s + 1) where tfl-double rounds twice); the weights' and the bias's
 * half steps; the rounding of the multiplier. Clamps and max-pools never stretch a distance.
 */
import { broadcastTo } from '../../src/ir/geometry/broadcast.ts';
import { type Graph, is, type Node, type TensorInfo } from '../../src/ir/graph/graph.ts';
import type { QuantizedMac } from '../../src/ir/integers/mac.ts';
import type { Requant } from '../../src/ir/integers/requant.ts';
import type { ChannelGrid, Quant } from '../../src/ir/kernel/stored.ts';
import { avgPool, type QuantizedAverage } from '../../src/ir/ops/avg-pool.ts';
import { type ConvAttrs, conv, type QuantizedConv } from '../../src/ir/ops/conv.ts';
import type { AffineSum } from '../../src/ir/ops/kernels/affine-sum.ts';
import { linear } from '../../src/ir/ops/linear.ts';
import { maxPool } from '../../src/ir/ops/max-pool.ts';
import { normalize, rmsNormalize } from '../../src/ir/ops/normalize-groups.ts';
import { mean, sum } from '../../src/ir/ops/reductions.ts';
import type { Tensor } from '../../src/ir/tensor.ts';
import { abs, constantsOf, f64, map, plus, times } from './float64.ts';
import { mixBound } from './mixing-bounds.ts';
import { difference, pairOf } from './pairs.ts';
import type { IntegerStages } from './pipeline.ts';
import { isFunction } from './rounding.ts';

type Info = TensorInfo<'int8'>;

/** The grid of each row-major element. */
function gridsIn({ quant, shape }: Info): (element: number) => ChannelGrid {
  // Integers stand for themselves.
  const whole = quant ?? { scale: 1, zeroPoint: 0 };
  const { channels = [whole] } = whole;
  const each = shape.reduce((n, size) => n * size, 1) / channels.length;
  return (element) => channels[Math.floor(element / each)]!;
}

export function realOf(graph: Graph<'int8'>, name: string, bytes: ArrayLike<number>): Tensor {
  const info = graph.tensors.get(name)!;
  const gridOf = gridsIn(info);
  return f64(
    info.shape,
    Array.from(bytes, (q, i) => (q - gridOf(i).zeroPoint) * gridOf(i).scale),
  );
}

/** The float operator on these inputs, kept to what the output's grid can hold. */
export function idealOf(graph: Graph<'int8'>, node: Node, inputs: readonly Tensor[]): Tensor {
  const gridOf = gridsIn(graph.tensors.get(node.outputs[0]!)!);
  const [y] = node.op.reference(node.attrs, operands(graph, node, inputs));
  return map(y!, (x, i) => {
    const { scale, zeroPoint } = gridOf(i);
    return Math.min((255 - zeroPoint) * scale, Math.max(-zeroPoint * scale, x));
  });
}

/** Constants in their places among the activations. */
function operands(graph: Graph<'int8'>, node: Node, inputs: readonly Tensor[]): (Tensor | undefined)[] {
  let next = 0;
  return constantsOf(graph, node).map((constant, i) =>
    node.inputs[i] === '' ? undefined : (constant ?? inputs[next++]),
  );
}

/** Relative error of the factor that stands for a real scale. */
function factorError(requant: Requant): number {
  switch (requant.mode) {
    case 'single':
    case 'tfl-double':
      return 2 ** -31;
    // The scale, the accumulator and their product are each rounded to float32.
    case 'ort-float':
      return 3.0001 * 2 ** -24;
    case 'pow2':
      return 0;
    // Exact where weight steps are chosen for it; rounded where the steps were given.
    case 'compact':
      return Math.max(
        ...Array.from(requant.multiplier, (m, c) =>
          Math.abs((m * 2 ** -requant.shift[c]!) / requant.scale[c]! - 1),
        ),
      );
    default:
      return requant.mode satisfies never;
  }
}

/** Of the output, in its steps. */
const outputRounding = (requant: Requant, channel: number): number =>
  0.5 + (requant.mode === 'tfl-double' ? 2 ** -(requant.shift[channel]! + 1) : 0);

/** @returns per element the largest distance between the dequantized output and `idealOf`. */
export function quantizationBound(stages: IntegerStages, node: Node, inputs: readonly Tensor[]): Tensor {
  const { integers } = stages;
  const output = integers.tensors.get(node.outputs[0]!)!;
  const gridOf = gridsIn(output);
  const none = f64(output.shape, new Float64Array(output.shape.reduce((n, size) => n * size, 1)));
  const steps = map(none, (_, i) => gridOf(i).scale);
  const quants = node.inputs.flatMap((name) => integers.tensors.get(name)?.quant ?? []);
  if (is(node, conv) || is(node, linear))
    return macBound(stages, node, inputs[0]!, quants[0]!, output.quant!);
  if (is(node, avgPool)) return averageBound(node.quantized!, idealOf(integers, node, inputs), steps);
  const mixed = mixBound(integers, node, inputs, idealOf(integers, node, inputs));
  if (mixed !== undefined) return mixed;
  const addsConstant = node.op.kind === 'add' && inputs.length < node.inputs.length;
  if (pairOf(node) !== undefined || addsConstant) return pairBound(integers, node, inputs);
  if (node.op.kind === 'add') return additionBound(inputs, quants, steps);
  if (node.op.kind === 'clip')
    return clipBound(node.quantized as AffineSum, inputs[0]!, quants[0]!, output.quant!);
  if (node.op.kind === 'softmax') return softmaxBound(node, inputs[0]!);
  // The nearest step to the function of each byte.
  if (isFunction(node) || node.op.kind === 'line') return map(steps, (step) => step * (0.5 + 1e-9));
  // To another grid, and constants to theirs.
  if (node.op.kind === 'move') return map(steps, (step) => step * (0.5 + 1e-9));
  // One rounding; the sum itself is exact but for what a far zero point left of a step.
  if (is(node, mean) || is(node, sum)) return map(steps, (step) => step * 0.502);
  // Rows whose deviation is below a step know their mean in 128ths of one, and steps may be 4,096ths of a gain.
  if (is(node, normalize) || is(node, rmsNormalize)) return map(steps, (step) => step * 3);
  // Pooling by the maximum, reshapes and transposes only move bytes.
  return none;
}

/** Of a few operations. */
const float32 = 2 ** -22;

const bare = { clamp: undefined, pool: undefined };

/** |y| 2^-31 + sum |dw| (|x| + |mean|) + sum |w| |dp| + bias step / 2 + output rounding, per sum. */
function macBound(
  { integers, calibration }: IntegerStages,
  node: Node,
  x: Tensor,
  input: Quant,
  output: Quant,
): Tensor {
  const q = node.quantized as QuantizedMac;
  const [, w, b] = constantsOf(integers, node);
  const row = w!.data.length / q.bias.length;
  const apply = (attrs: object, from: Tensor, weight: Tensor, bias?: Tensor): Tensor =>
    node.op.reference({ ...(node.attrs as object), ...bare, ...attrs }, [from, weight, bias])[0]!;
  const mean = calibration.means.get(node.inputs[0]!)!;
  const inner = x.data.length / mean.length;
  const reach = map(x, (value, i) => Math.abs(value) + Math.abs(mean[Math.floor(i / inner)]!));
  const halfSteps = map(w!, (_, i) => (q.steps?.[i] ?? q.weightScales[Math.floor(i / row)]!) / 2);
  const inputGrid = gridsIn(integers.tensors.get(node.inputs[0]!)!);
  const pads = paddings(node, (channel) => inputGrid(channel * inner));
  const weights = apply(
    { padValues: pads?.stored.map((p, c) => Math.abs(p) + Math.abs(mean[c]!)) },
    reach,
    halfSteps,
  );
  const padding = apply(
    { padValues: pads?.errors },
    map(x, () => 0),
    abs(w!),
  );
  const sums = abs(apply({ padValues: pads?.stored }, x, w!, b));
  const outs = q.bias.length;
  const perOut = sums.data.length / outs;
  const rest = map(sums, (_, i) => {
    const c = Math.floor(i / perOut);
    const { scale, zeroPoint } = output.channels?.[c] ?? output;
    const biasStep = input.scale * q.weightScales[c]! * (scale / output.scale);
    const far = output.channels === undefined ? 0 : scale * (Math.abs(zeroPoint) + 255) * float32;
    return biasStep / 2 + scale * outputRounding(q.requant, c) + far;
  });
  // Weights and biases of channels that have grids of their own are made anew in float32.
  const far = map(x, (_, i) => inputGrid(i).scale * (Math.abs(inputGrid(i).zeroPoint) + 255));
  const again = [input, output].some(({ channels }) => channels !== undefined) ? float32 : 0;
  const made = times(apply({ padValues: undefined }, far, abs(w!)), again);
  const exact = plus(weights, padding, rest, made);
  const bound = plus(exact, times(plus(sums, exact), factorError(q.requant)));
  const { pool } = node.attrs as ConvAttrs;
  return is(node, conv) && pool !== undefined ? maxPool.reference(pool, [bound])[0]! : bound;
}

/** The real value of the stored padding, and how far that is from the value asked for; per channel. */
function paddings(node: Node, gridOf: (channel: number) => ChannelGrid) {
  if (!is(node, conv)) return undefined;
  const stored = (node.quantized as QuantizedConv).padding.map(
    (p, c) => (p - gridOf(c).zeroPoint) * gridOf(c).scale,
  );
  const errors = stored.map((p, c) => Math.abs(p - (node.attrs.padValues?.[c] ?? 0)));
  return { stored, errors };
}

const averageBound = ({ requant }: QuantizedAverage, y: Tensor, steps: Tensor): Tensor => {
  if (requant === undefined) return times(steps, 0.5);
  const rounding = Math.max(...Array.from(requant.shift, (_, c) => outputRounding(requant, c)));
  return map(y, (value, i) => steps.data[i]! * rounding + 2 * Math.abs(value) * factorError(requant));
};

/**
 * The output's half step, and of two roundings 2^-11 more at most: shifts back are 10 and above. Operands with 20
 * more bits are off by at most one unit each, half of it where they are rounded once; factors by 2^-31.
 */
const additionBound = (inputs: readonly Tensor[], quants: readonly Quant[], steps: Tensor): Tensor => {
  const unit = (2 * Math.max(...quants.map((q) => q.scale))) / 2 ** 20;
  return map(inputs[0]!, (_, i) => {
    const size = inputs.reduce((sum, x) => sum + Math.abs(x.data[i]!), 0);
    return steps.data[i]! * (0.5 + 2 ** -11) + 2 * unit + size * 2 ** -29;
  });
};

/**
 * The nearest step; factors have 14 bits at least, of results that saturate at 255 steps, and operands of maxima and PReLU as many. Constants
 * are off by half a step of their own grid.
 */
function pairBound(graph: Graph<'int8'>, node: Node, inputs: readonly Tensor[]): Tensor {
  const output = graph.tensors.get(node.outputs[0]!)!;
  const [{ shape }, gridOf] = [output, gridsIn(output)];
  const constants = constantsOf(graph, node);
  const rest = inputs.values();
  const all = node.inputs.map((_, i) => broadcastTo(constants[i] ?? rest.next().value!, shape));
  const steps = constants.map((t) =>
    t === undefined ? 0 : (Math.max(0, ...t.data) - Math.min(0, ...t.data)) / 255 / 2,
  );
  const { moved } = pairOf(node) ?? difference;
  return map(all[0]!, (x, i) => {
    const y = all[1]!.data[i]!;
    return gridOf(i).scale * 0.53 + moved([x, steps[0]!], [y, steps[1]!]);
  });
}

/** The nearest step, or with multipliers rounded to 2^-shift. */
const clipBound = (q: AffineSum, x: Tensor, input: Quant, output: Quant): Tensor =>
  map(x, (value) => output.scale * (0.5 + Math.abs(value / input.scale) * 2 ** -(q.shift + 1) + 1e-9));

/**
 * With exponentials e in steps of 1/unit, each off by up to 1/2, and their sum S >= unit off by n/2, a share is off
 * by at most (1 + n p) / (2 S); then 1/2 of an output step, and 1/2 more in S where S is odd.
 */
function softmaxBound(node: Node, x: Tensor): Tensor {
  const { axis } = node.attrs as { readonly axis: number };
  const length = x.shape[axis]!;
  const unit = Math.min(2 ** 22, Math.floor((2 ** 31 - 1) / length));
  const [y] = node.op.reference(node.attrs, [x]);
  return map(y!, (p) => 0.5 / 256 + (0.5 * (1 + length * p)) / unit + 0.5 / 256 / unit);
}
