/** What max-pool and average-pool share. Channels are independent: N and C are one axis here. */

import { complain, InputError, must } from '../../../base/errors.ts';
import { padInto, type Sweep, sweepOf } from '../../geometry/slide.ts';
import {
  explicitWindow,
  extentOf,
  parseWindow,
  unitAxis,
  type WindowAttrs,
  type WindowAxis,
  windowAxes,
} from '../../geometry/window.ts';
import type { InputType, KernelContext, OnnxNode } from '../../graph/op.ts';
import { requireSpatial } from '../../kernel/memory-order.ts';
import { countOf, type Shape, type Tensor, type TensorType } from '../../tensor.ts';
import { required } from './inputs.ts';
import { rounded } from './round.ts';

export interface PoolAttrs extends WindowAttrs {
  readonly ceilMode: boolean;
  /** Average-pool only: divide by all of the window that lies in the padded tensor. */
  readonly countIncludePad: boolean;
  /** Average-pool only, set where the file asks for the mean of the whole image. */
  readonly global?: true;
}

export const parsePool = (node: OnnxNode): PoolAttrs => ({
  ...parseWindow(node.attributes),
  ceilMode: node.attributes.int('ceil_mode', 0) !== 0,
  countIncludePad: node.attributes.int('count_include_pad', 0) !== 0,
});

/** @throws InputError when the windows do not fit, or one could hold nothing but padding. */
export function poolAxes(attrs: PoolAttrs, shape: Shape): WindowAxis[] {
  const axes = windowAxes(attrs, shape, attrs.kernel, attrs.ceilMode);
  const empty = axes.find((axis) => Math.max(axis.before, axis.after) >= extentOf(axis));
  if (empty !== undefined)
    throw complain(
      `padding ${empty.before}, ${empty.after} of a window of ${extentOf(empty)}`,
      'less padding',
    );
  const astride = axes.find(stepsOver);
  if (astride !== undefined)
    throw complain(
      `a window on padding at both sides of an axis of ${astride.in}`,
      'less dilation or padding',
    );
  return axes;
}

/** Whether a dilated window begins before the axis and has its next element behind it. */
const stepsOver = (axis: WindowAxis): boolean =>
  axis.dilation > axis.in &&
  Array.from({ length: Math.min(axis.out, Math.ceil(axis.before / axis.stride)) }, (_, i) => {
    const start = i * axis.stride - axis.before;
    return start + Math.ceil(-start / axis.dilation) * axis.dilation;
  }).some((first) => first >= axis.in);

export function inferPool(attrs: PoolAttrs, inputs: readonly (InputType | undefined)[]): TensorType[] {
  const x = required(inputs, 0, 'X');
  return [
    { dtype: x.dtype, shape: [...x.shape.slice(0, 2), ...poolAxes(attrs, x.shape).map((axis) => axis.out)] },
  ];
}

/** The padding at the end that makes the last window of ceil mode an ordinary one. */
const reaching = (axis: WindowAxis): WindowAxis => ({
  ...axis,
  after: Math.max(axis.after, (axis.out - 1) * axis.stride + extentOf(axis) - axis.in - axis.before),
});

/**
 * Ceil mode becomes padding, except where that padding would be counted: count_include_pad divides by what
 * lies inside of the declared padding only.
 */
export function explicitPool(attrs: PoolAttrs, inputs: readonly (InputType | undefined)[]): PoolAttrs {
  const axes = poolAxes(attrs, required(inputs, 0, 'X').shape);
  const included = attrs.countIncludePad && axes.some((axis) => axis.before + axis.after > 0);
  const reached = axes.map(reaching);
  const counted = included && reached.some((axis, i) => axis.after !== axes[i]?.after);
  return {
    ...explicitWindow(counted ? axes : reached),
    ceilMode: attrs.ceilMode && counted,
    countIncludePad: included,
  };
}

/** As `explicitPool`, for max-pool, which counts nothing. */
export const explicitMaxPool = (attrs: PoolAttrs, inputs: readonly (InputType | undefined)[]): PoolAttrs =>
  explicitPool({ ...attrs, countIncludePad: false }, inputs);

/** Pools one padded channel into `out`, which is filled with `start`. */
export type PoolChannel = (out: Float64Array, padded: Float64Array, sweep: Sweep) => void;

export function poolTensor(attrs: PoolAttrs, x: Tensor, start: number, pool: PoolChannel): Tensor {
  const axes = poolAxes(attrs, x.shape);
  const sweep = sweepOf(axes);
  const shape = [...x.shape.slice(0, 2), ...axes.map((axis) => axis.out)];
  const values = new Float64Array(countOf(shape)).fill(start);
  const padded = new Float64Array(sweep.paddedCount).fill(start);
  const channels = countOf(x.shape.slice(0, 2));
  for (let c = 0; c < channels; c++) {
    padInto(padded, 0, x.data, c * sweep.inCount, sweep);
    pool(values.subarray(c * sweep.outCount, (c + 1) * sweep.outCount), padded, sweep);
  }
  return rounded(x.dtype, shape, values);
}

/** Rows and columns; one spatial axis is one row. @throws InputError for three. */
export function poolPlane(attrs: PoolAttrs, context: KernelContext): readonly [WindowAxis, WindowAxis] {
  const input = must(context.inputs[0], 'pooling has an input');
  requireSpatial(input);
  const axes = poolAxes(attrs, input.shape);
  const [y, x] = axes.length === 1 ? [unitAxis, axes[0]] : axes;
  if (axes.length > 2 || y === undefined || x === undefined)
    throw new InputError({ found: `pooling over ${axes.length} axes`, supported: '1 or 2' });
  return [y, x];
}
