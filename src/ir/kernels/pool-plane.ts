/** A pooling operator's attributes as a window over a two-dimensional image. */
import { InputError, must } from '../errors.ts';
import { requireSpatial } from '../memory-order.ts';
import type { KernelContext } from '../op.ts';
import { type PoolAttrs, poolAxes } from '../ops/common/pool.ts';
import type { WindowAxis } from '../ops/common/window.ts';
import type { WindowShape } from './window.ts';

const unit: WindowAxis = { in: 1, out: 1, kernel: 1, stride: 1, dilation: 1, before: 0, after: 0 };

/** Rows and columns; one spatial axis is one row. @throws InputError for three. */
export function poolPlane(attrs: PoolAttrs, context: KernelContext): readonly [WindowAxis, WindowAxis] {
  const input = must(context.inputs[0], 'pooling has an input');
  requireSpatial(input);
  const axes = poolAxes(attrs, input.shape);
  const [y, x] = axes.length === 1 ? [unit, axes[0]] : axes;
  if (axes.length > 2 || y === undefined || x === undefined)
    throw new InputError({ found: `pooling over ${axes.length} axes`, supported: '1 or 2' });
  return [y, x];
}

export function poolWindow([y, x]: readonly [WindowAxis, WindowAxis], channels: number): WindowShape {
  return {
    height: y.in,
    width: x.in,
    channels,
    kernel: [y.kernel, x.kernel],
    strides: [y.stride, x.stride],
    dilations: [y.dilation, x.dilation],
    padTop: y.before,
    padLeft: x.before,
    outHeight: y.out,
    outWidth: x.out,
  };
}
