/** In which order a tensor's elements lie in memory. */
import { at, DefectError } from '../../base/errors.ts';
import { countOf, type Shape, stridesOf } from '../tensor.ts';
import type { StoredTensor } from './stored.ts';

/** `order[i]` is the row-major element at position i of memory; undefined: row-major itself. */
export type Order = readonly number[] | undefined;

/** Orders of images by shape: one array for all that have it, so that equal ones are mostly the same. */
const spatialOrders = new Map<string, Order>();

/** Height, width, channel for NxCxHxW (and width, channel for NxCxW), one image after the other. */
export function spatialOrder(shape: Shape): Order {
  const key = shape.join();
  const known = spatialOrders.get(key);
  if (known !== undefined) return known;
  const made = madeSpatialOrder(shape);
  spatialOrders.set(key, made);
  return made;
}

function madeSpatialOrder(shape: Shape): Order {
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

/** Whether a tensor of four axes lies row-major although images of its shape do not: its channels may be last. */
export const seemsChannelsLast = ({ shape, order }: Pick<StoredTensor, 'shape' | 'order'>): boolean =>
  shape.length === 4 && order === undefined && spatialOrder(shape) !== undefined;

export function sameOrder(a: Order, b: Order): boolean {
  if (a === b) return true;
  return a !== undefined && b !== undefined && a.length === b.length && a.every((x, i) => x === b[i]);
}

/** Row-major order written as undefined. */
export const simplified = (order: readonly number[]): Order =>
  order.every((x, i) => x === i) ? undefined : order;

/** Where each row-major element lies. */
export function positionsOf({ shape, order }: StoredTensor): Int32Array {
  const positions = Int32Array.from({ length: countOf(shape) }, (_, i) => i);
  order?.forEach((element, position) => {
    positions[element] = position;
  });
  return positions;
}

/** A run of places as digits: place(d0, d1, ...) = first + sum of digit times stride, the last digit fastest. */
export interface Digits {
  readonly first: number;
  readonly counts: readonly number[];
  readonly strides: readonly number[];
}

/** How far the first places go on in equal steps. */
function runOf(places: Int32Array): number {
  const step = at(places, 1) - at(places, 0);
  let end = 2;
  while (end < places.length && (places[end] as number) - (places[end - 1] as number) === step) end++;
  return end;
}

/** Whether all stretches of `count` places are the first one, moved. */
function repeats(places: Int32Array, count: number): boolean {
  for (let i = count; i < places.length; i++) {
    const start = i - (i % count);
    const [moved, own] = [
      (places[i] as number) - (places[start] as number),
      (places[i % count] as number) - at(places, 0),
    ];
    if (moved !== own) return false;
  }
  return true;
}

/** As few digits as count the places of each list at once; undefined: they follow no such rule. Lists are of one length. */
export function digitsOf(lists: readonly Int32Array[]): readonly Digits[] | undefined {
  const length = lists[0]?.length ?? 0;
  if (length === 0) return undefined;
  if (length === 1) return lists.map((places) => ({ first: at(places, 0), counts: [], strides: [] }));
  const most = Math.min(...lists.map(runOf));
  for (let count = most; count > 1; count--) {
    if (length % count !== 0 || !lists.every((places) => repeats(places, count))) continue;
    const outer = digitsOf(lists.map((places) => places.filter((_, i) => i % count === 0)));
    return outer?.map(({ first, counts, strides }, k) => {
      const places = at(lists, k);
      return { first, counts: [...counts, count], strides: [...strides, at(places, 1) - at(places, 0)] };
    });
  }
  return undefined;
}

/**
 * How far apart in memory neighbours along each axis lie; 0 along axes of 1. Undefined where that is not one number
 * for each axis.
 */
export function memoryStrides(stored: StoredTensor): readonly number[] | undefined {
  const { shape, order } = stored;
  const steps = stridesOf(shape);
  if (order === undefined) return steps.map((step, axis) => (shape[axis] === 1 ? 0 : step));
  const positions = positionsOf(stored);
  const strides = shape.map((size, axis) =>
    size === 1 ? 0 : at(positions, at(steps, axis)) - at(positions, 0),
  );
  const regular = positions.every(
    (position, element) => position === placeOf(element, shape, steps, strides),
  );
  return regular ? strides : undefined;
}

/** Where a row-major element lies in memory that has a stride for each axis. */
function placeOf(
  element: number,
  shape: Shape,
  steps: readonly number[],
  strides: readonly number[],
): number {
  let place = 0;
  // Unchecked: all lists are as long as the shape.
  for (let axis = 0; axis < shape.length; axis++) {
    const index = Math.floor(element / (steps[axis] as number)) % (shape[axis] as number);
    place += index * (strides[axis] as number);
  }
  return place;
}

/** @throws DefectError unless the elements lie as height, width, channel. */
export function requireSpatial(place: StoredTensor | undefined): void {
  if (place !== undefined && sameOrder(place.order, spatialOrder(place.shape))) return;
  throw new DefectError(
    `an image [${place?.shape.join(', ')}] whose channels do not lie innermost in memory`,
  );
}

/** The order in which the axes of `shape` lie as those of a tensor of as many axes do; row-major where that has no strides. */
export function orderLike(stored: StoredTensor, shape: Shape): Order {
  const strides = memoryStrides(stored);
  if (strides === undefined || strides.length !== shape.length) return undefined;
  const axes = [...shape.keys()].sort((a, b) => at(strides, b) - at(strides, a));
  const own = stridesOf(shape);
  const sizes = axes.map((axis) => at(shape, axis));
  const digits = stridesOf(sizes);
  const order = Array.from({ length: countOf(shape) }, (_, position) =>
    axes.reduce((element, axis, i) => {
      return element + (Math.floor(position / at(digits, i)) % at(sizes, i)) * at(own, axis);
    }, 0),
  );
  return simplified(order);
}
