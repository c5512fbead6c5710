/** In which orders in memory operators read. */
import { must } from '../../../base/errors.ts';
import { memoryStrides, type Order, sameOrder, spatialOrder } from '../../kernel/memory-order.ts';
import type { StoredTensor } from '../../kernel/stored.ts';
import { countOf } from '../../tensor.ts';

export const liesAsImage = ({ shape, order }: StoredTensor): boolean => sameOrder(order, spatialOrder(shape));

/** As images lie: height, width, channel. */
export const asImages = (_attrs: unknown, inputs: readonly StoredTensor[]): readonly Order[] =>
  inputs.map(({ shape }) => spatialOrder(shape));

/** Of operands of one shape: all in one order; where they differ, that of images or of rows in which fewer move. */
export function alike(_attrs: unknown, inputs: readonly StoredTensor[]): readonly Order[] {
  const first = must(inputs[0], 'an operand');
  if (inputs.every(({ order }) => sameOrder(order, first.order))) return inputs.map(() => first.order);
  const moved = (wanted: Order): number =>
    inputs.reduce((sum, { order, shape }) => sum + (sameOrder(order, wanted) ? 0 : countOf(shape)), 0);
  const image = spatialOrder(first.shape);
  const best = moved(image) <= moved(undefined) ? image : undefined;
  return inputs.map(() => best);
}

/** As they do where that is with strides along the axes, else row-major: what kernels of lines and matrices read. */
export const strided = (_attrs: unknown, inputs: readonly StoredTensor[]): readonly Order[] =>
  inputs.map((input) => (memoryStrides(input) === undefined ? undefined : input.order));
