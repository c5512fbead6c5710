/** Loops over products of matrices that lie in any order that has strides. */
import { at, must } from '../../../base/errors.ts';
import { accumulate, add, int, load, loop, mul, sub, variable } from '../../kernel/builders.ts';
import type { Elem, Expr, Stmt } from '../../kernel/kernel.ts';
import { memoryStrides } from '../../kernel/memory-order.ts';
import type { StoredTensor } from '../../kernel/stored.ts';
import type { Shape } from '../../tensor.ts';

/** A stack of matrices in memory. */
export interface Matrices {
  readonly array: string;
  readonly elem: Elem;
  /** The stored number that stands for 0. */
  readonly zeroPoint: number | Expr;
  /** From one matrix to the next along each axis of the stack that the result has; 0 where it is the same. */
  readonly stack: readonly number[];
  readonly row: number;
  readonly column: number;
}

/** The matrices of a tensor that has a stride for each axis, for a result with `axes` axes in front of its matrices. */
export function matricesIn(
  place: StoredTensor,
  array: string,
  elem: Elem,
  axes: number,
  zeroPoint = 0,
): Matrices {
  const strides = must(memoryStrides(place), 'a stride for each axis');
  const own = place.shape.length - 2;
  const stack = Array.from({ length: axes }, (_, i) => {
    const axis = i - axes + own;
    return axis < 0 || place.shape[axis] === 1 ? 0 : at(strides, axis);
  });
  return { array, elem, zeroPoint, stack, row: at(strides, own), column: at(strides, own + 1) };
}

/** `body` for each matrix of the stack, with its index along each axis. */
export function eachMatrix(stack: Shape, body: (index: readonly Expr[]) => readonly Stmt[]): readonly Stmt[] {
  const nest = (index: readonly Expr[]): readonly Stmt[] => {
    const size = stack[index.length];
    if (size === undefined) return body(index);
    return loop(stack.length === 1 ? 'matrix' : `matrix${index.length}`, size, (i) => nest([...index, i]));
  };
  return nest([]);
}

/** Where an element of a matrix of the stack lies. */
export const elementAt = (m: Matrices, index: readonly Expr[], row: Expr, column: Expr): Expr =>
  add(...index.map((i, axis) => mul(i, at(m.stack, axis))), mul(row, m.row), mul(column, m.column));

/** An element as a number of steps. */
export function stepsAt(m: Matrices, index: readonly Expr[], row: Expr, column: Expr): Expr {
  return sub(load(m.array, m.elem, elementAt(m, index, row, column)), m.zeroPoint);
}

/** The local `name` as the sum over f < depth of a[row, f] b[f, column]. */
export const dotted = (
  name: string,
  [a, b]: readonly [Matrices, Matrices],
  index: readonly Expr[],
  depth: number,
  row: Expr,
  column: Expr,
): readonly Stmt[] => [
  variable(name, a.elem === 'f32' ? { kind: 'float', value: 0 } : int(0)),
  ...loop('f', depth, (f) => [
    accumulate(name, mul(stepsAt(a, index, row, f), stepsAt(b, index, f, column))),
  ]),
];
