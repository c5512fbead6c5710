/** A pooling operator's windows over a two-dimensional image. */
import { InputError, must } from '../../base/errors.ts';
import { requireSpatial } from '../kernel/memory-order.ts';
import type { KernelContext } from '../op.ts';
import { type PoolAttrs, poolAxes } from '../ops/common/pool.ts';
import { unitAxis, type WindowAxis } from '../ops/common/window.ts';

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
