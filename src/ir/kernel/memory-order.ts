/** In which order a tensor's elements lie in memory. */
import { InputError } from '../../base/errors.ts';
import { countOf, type Shape, showShape } from '../tensor.ts';
import type { StoredTensor } from './stored.ts';

/** `order[i]` is the row-major element at position i of memory; undefined: row-major itself. */
export type Order = readonly number[] | undefined;

/** Height, width, channel for 1xCxHxW (and width, channel for 1xCxW). */
export function spatialOrder(shape: Shape): Order {
  const [, channels = 1, ...spatial] = shape;
  const pixels = countOf(spatial);
  if (channels === 1 || pixels === 1) return undefined;
  const order = new Array<number>(channels * pixels);
  for (let pixel = 0, i = 0; pixel < pixels; pixel++)
    for (let channel = 0; channel < channels; channel++) order[i++] = channel * pixels + pixel;
  return order;
}

export function sameOrder(a: Order, b: Order): boolean {
  if (a === b) return true;
  return a !== undefined && b !== undefined && a.length === b.length && a.every((x, i) => x === b[i]);
}

/** Row-major order written as undefined. */
export const simplified = (order: readonly number[]): Order =>
  order.every((x, i) => x === i) ? undefined : order;

/** @throws InputError unless the elements lie as height, width, channel. */
export function requireSpatial(place: StoredTensor | undefined): void {
  if (place !== undefined && sameOrder(place.order, spatialOrder(place.shape))) return;
  throw new InputError({
    found: `an image (${showShape(place?.shape ?? [])}) whose channels do not lie innermost in memory`,
    supported: 'images that come from the input, a convolution, pooling or an elementwise operator',
    todo: 'remove the transpose or reshape before it: no code is emitted for either',
  });
}
