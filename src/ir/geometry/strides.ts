/** Lists of positions as loops. */
import { at, DefectError } from '../../base/errors.ts';

/** A loop: how often, and how far each list moves per turn. */
export interface Axis {
  readonly size: number;
  readonly strides: readonly number[];
}

/** Of the first run in which all lists move evenly. */
function firstRun(lists: readonly Int32Array[]): Axis {
  const strides = lists.map((list) => at(list, 1) - at(list, 0));
  const length = at(lists, 0).length;
  let size = 2;
  while (size < length && lists.every((list, k) => at(list, size) - at(list, size - 1) === at(strides, k)))
    size++;
  return { size, strides };
}

/** Where each run begins; undefined where not all are like the first. */
function startsOf(list: Int32Array, size: number, stride: number): Int32Array | undefined {
  if (list.length % size !== 0) return undefined;
  const starts = Int32Array.from({ length: list.length / size }, (_, i) => at(list, i * size));
  return list.every((x, i) => x === at(starts, Math.floor(i / size)) + (i % size) * stride)
    ? starts
    : undefined;
}

/**
 * The fewest loops, outermost first, that go through lists of one length, each from its first position on. There are
 * some for tensors of any orders of axes, broadcast to one shape.
 */
export function loopsOf(lists: readonly Int32Array[]): readonly Axis[] {
  if (at(lists, 0).length === 1) return [];
  const axis = firstRun(lists);
  const starts = lists.map((list, k) => {
    const found = startsOf(list, axis.size, at(axis.strides, k));
    if (found === undefined) throw new DefectError('positions that are no loops over axes');
    return found;
  });
  return [...loopsOf(starts), axis];
}
