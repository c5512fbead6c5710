import { memoryStrides, type Order, sameOrder, spatialOrder } from '../../kernel/memory-order.ts';
import type { StoredTensor } from '../../kernel/stored.ts';

export const liesAsImage = ({ shape, order }: StoredTensor): boolean => sameOrder(order, spatialOrder(shape));

/** As images lie: height, width, channel. */
export const asImages = (_attrs: unknown, inputs: readonly StoredTensor[]): readonly Order[] =>
  inputs.map(({ shape }) => spatialOrder(shape));

/** As they do where that is with strides along the axes, else row-major: what kernels of lines and matrices read. */
export const strided = (_attrs: unknown, inputs: readonly StoredTensor[]): readonly Order[] =>
  inputs.map((input) => (memoryStrides(input) === undefined ? undefined : input.order));
