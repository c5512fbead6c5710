/** Loops over the lines of a tensor along one axis, and over groups along several: what normalizations and reductions go through. */
import { at, DefectError, must } from '../../../base/errors.ts';
import { stridedIndex } from '../../geometry/strided.ts';
import { add, int, loop, mul } from '../../kernel/builders.ts';
import type { Expr, Stmt } from '../../kernel/kernel.ts';
import { type Digits, digitsOf, memoryStrides, positionsOf } from '../../kernel/memory-order.ts';
import type { StoredTensor } from '../../kernel/stored.ts';
import { type Shape, stridesOf } from '../../tensor.ts';

export interface Lines {
  /** Where each line begins, in the order of memory. */
  readonly starts: Digits;
  /** Elements of a line, and how far apart they lie. */
  readonly length: number;
  readonly step: number;
}

/** The lines along an axis of a tensor that has strides. */
export function linesOf(place: StoredTensor, axis: number): Lines {
  const strides = must(memoryStrides(place), 'the tensor has strides');
  const [length, inner] = [at(place.shape, axis), at(stridesOf(place.shape), axis)];
  const first = positionsOf(place).filter((_, element) => Math.floor(element / inner) % length === 0);
  const [starts] = must(digitsOf([first.sort()]), 'lines of a tensor with strides begin in equal steps');
  return { starts: must(starts, 'one list'), length, step: at(strides, axis) };
}

/** `body` for each place of lists that go in step, in loops that are called `name`, or `name` and a number. */
export function eachPlace(
  name: string,
  lists: readonly Digits[],
  body: (places: readonly Expr[]) => readonly Stmt[],
): readonly Stmt[] {
  const { counts } = at(lists, 0);
  const nest = (digit: number, places: readonly Expr[]): readonly Stmt[] => {
    const count = counts[digit];
    if (count === undefined) return body(places);
    return loop(counts.length === 1 ? name : `${name}${digit}`, count, (i) =>
      nest(
        digit + 1,
        places.map((place, k) => add(place, mul(i, at(at(lists, k).strides, digit)))),
      ),
    );
  };
  return nest(
    0,
    lists.map(({ first }) => int(first)),
  );
}

/** `body` for the first element of each line. */
export const eachLine = ({ starts }: Lines, body: (first: Expr) => readonly Stmt[]): readonly Stmt[] =>
  eachPlace('row', [starts], ([first = int(0)]) => body(first));

/** Elements of one tensor in groups of one size. */
export interface Groups {
  /** How many elements a group has. */
  readonly size: number;
  /** Of each list, what it holds of each group's first element. */
  readonly starts: readonly Digits[];
  /** By how much each list goes on from there to the group's elements. */
  readonly members: readonly Digits[];
}

/** Row-major elements whose indices along the other axes are 0. */
export function alongAxes(shape: Shape, axes: readonly number[]): Int32Array {
  const strides = stridesOf(shape);
  return stridedIndex(
    0,
    axes.map((axis) => at(shape, axis)),
    axes.map((axis) => at(strides, axis)),
  );
}

/** The axes that are not among `axes`. */
export const otherAxes = (shape: Shape, axes: readonly number[]): readonly number[] =>
  shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));

/**
 * Groups along some axes of a shape: lists hold a number for each row-major element, first its place in memory, whose
 * order is that of the loops.
 */
export function groupsOf(shape: Shape, axes: readonly number[], lists: readonly Int32Array[]): Groups {
  const places = at(lists, 0);
  const inOrder = (elements: Int32Array) => elements.toSorted((a, b) => at(places, a) - at(places, b));
  const [first, inner] = [otherAxes(shape, axes), axes].map((some) => inOrder(alongAxes(shape, some)));
  const [starts, members] = [must(first, 'starts'), must(inner, 'members')];
  for (const list of lists)
    for (const start of starts)
      for (const member of members)
        if (list[start + member] !== at(list, start) + at(list, member) - at(list, 0))
          throw new DefectError('groups of a tensor that has no strides');
  const from = (elements: Int32Array, origin: (list: Int32Array) => number): readonly Digits[] =>
    must(
      digitsOf(lists.map((list) => elements.map((element) => at(list, element) - origin(list)))),
      'groups of a tensor with strides lie in equal steps',
    );
  return {
    size: members.length,
    starts: from(starts, () => 0),
    members: from(members, (list) => at(list, 0)),
  };
}
