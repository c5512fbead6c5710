/** Loops over the lines of a tensor along one axis: what normalizations and reductions go through. */
import { at, must } from '../../../base/errors.ts';
import { add, int, loop, mul } from '../../kernel/builders.ts';
import type { Expr, Stmt } from '../../kernel/kernel.ts';
import { type Digits, digitsOf, memoryStrides, positionsOf } from '../../kernel/memory-order.ts';
import type { StoredTensor } from '../../kernel/stored.ts';
import { stridesOf } from '../../tensor.ts';

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

/** `body` for the first element of each line. */
export function eachLine({ starts }: Lines, body: (first: Expr) => readonly Stmt[]): readonly Stmt[] {
  const { first, counts, strides } = starts;
  const nest = (digit: number, offset: Expr): readonly Stmt[] => {
    const count = counts[digit];
    if (count === undefined) return body(offset);
    const name = counts.length === 1 ? 'row' : `row${digit}`;
    return loop(name, count, (i) => nest(digit + 1, add(offset, mul(i, at(strides, digit)))));
  };
  return nest(0, int(first));
}
