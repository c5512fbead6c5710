/** In which order a tensor's elements lie in memory. */
import { InputError } from '../../base/errors.ts';
import { countOf, type Shape, showShape } from '../tensor.ts';
import type { StoredTensor } from './stored.ts';

/** `order[i]` is the row-major element at position i of memory; undefined: row-major itself. */
export type Order = readonly number[] | undefined;

/** Height, width, channel for NxCxHxW (and width, channel for NxCxW), one image after the other. */
export function spatialOrder(shape: Shape): Order {
  const [images = 1, channels = 1, ...spatial] = shape;
  const pixels = countOf(spatial);
  if (channels === 1 || pixels === 1) return undefined;
  const order = new Array<number>(images * channels * pixels);
  for (let image = 0, i = 0; image < images; image++)
    for (let pixel = 0; pixel < pixels; pixel++)
      for (let channel = 0; channel < channels; channel++)
        order[i++] = (image * channels + channel) * pixels + pixel;
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

/** @throws InputError unless all inputs lie in the same order. */
export function requireSame(places: readonly StoredTensor[]): void {
  if (places.every((p) => sameOrder(p.order, places[0]?.order))) return;
  throw new InputError({
    found: 'inputs whose elements lie in different orders in memory',
    supported: 'operands that went through the same reshapes and transposes',
    todo: 'apply the reshape or transpose after the addition',
  });
}
