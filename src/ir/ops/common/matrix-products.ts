/** Products of matrices as the layers that have kernels. */
import { at } from '../../../base/errors.ts';
import type { InputType, Replacement } from '../../graph/op.ts';
import { countOf, type Shape, sameShape, type Tensor } from '../../tensor.ts';
import { matrices } from '../matrices.ts';
import { transpose, transposedMatrix } from '../transpose.ts';
import { reshapeTo } from './imported.ts';
import { rowsProduct } from './row-products.ts';
import { stackedProduct } from './stacked-product.ts';

export interface Factor {
  readonly name: string;
  readonly type: InputType;
}

export interface Product {
  readonly factors: readonly [Factor, Factor];
  readonly to: string;
  /** Above 0; 1 when absent. */
  readonly gain?: number;
}

/** The last two axes change places. */
const swapped = (rank: number): readonly number[] => {
  const axes = Array.from({ length: rank }, (_, i) => i);
  return [...axes.slice(0, -2), rank - 1, rank - 2];
};

/** weights[outputs, depth] of a constant matrix [depth, outputs], or of one that is `turned` already. */
function weightsFrom(constant: Tensor, rows: number, columns: number, turned: boolean, gain: number): Tensor {
  const matrix = { ...constant, shape: [rows, columns] };
  const weights = turned ? matrix : transposedMatrix(matrix);
  if (gain === 1) return weights;
  return { dtype: 'float32', shape: weights.shape, data: Float32Array.from(weights.data, (w) => w * gain) };
}

/** a b, where b is one constant matrix. */
function timesConstant(
  { factors: [a], to, gain = 1 }: Product,
  b: Tensor,
  shape: Shape,
): readonly Replacement[] {
  const { k, n } = stackedProduct(a.type.shape, b.shape);
  return rowsProduct({
    from: a.name,
    shape: a.type.shape,
    to,
    target: shape,
    rows: countOf(a.type.shape) / k,
    depth: k,
    weights: weightsFrom(b, k, n, false, gain),
  });
}

/** a b = (b' a')', where a is one constant matrix and b has rows and columns. */
function constantTimes(
  { factors: [, b], to, gain = 1 }: Product,
  a: Tensor,
  shape: Shape,
): readonly Replacement[] {
  const { m, k } = stackedProduct(a.shape, b.type.shape);
  const rank = b.type.shape.length;
  const [turned, rows] = [`${to}~columns`, `${to}~rows`];
  const perm = swapped(rank);
  const sizes = perm.map((axis) => at(b.type.shape, axis));
  const [stack, columns] = [sizes.slice(0, -2), at(sizes, rank - 2)];
  const made = rowsProduct({
    from: turned,
    shape: sizes,
    to: rows,
    target: [...stack, columns, m],
    rows: countOf(sizes) / k,
    depth: k,
    weights: weightsFrom(a, m, k, true, gain),
  });
  const isShape = sameShape([...stack, m, columns], shape);
  const back = isShape ? to : `${to}~product`;
  const turn = (from: string, into: string): Replacement => ({
    op: transpose,
    attrs: { perm },
    inputs: [from],
    outputs: [into],
  });
  return [turn(b.name, turned), ...made, turn(rows, back), ...(isShape ? [] : [reshapeTo(back, to, shape)])];
}

/** Vectors as matrices of one row or column. */
function general({ factors, to, gain = 1 }: Product, shape: Shape): readonly Replacement[] {
  const before: Replacement[] = [];
  const constants = new Map<string, Tensor>();
  const names = factors.map(({ name, type }, i) => {
    const [size = 1] = type.shape;
    const matrix = i === 0 ? [1, size] : [size, 1];
    if (type.shape.length > 1) return name;
    const made = `${to}~${i === 0 ? 'row' : 'column'}`;
    if (type.constant === undefined) before.push(reshapeTo(name, made, matrix));
    else constants.set(made, { ...type.constant, shape: matrix });
    return made;
  });
  const isVector = factors.some(({ type }) => type.shape.length === 1);
  const made = isVector ? `${to}~matrix` : to;
  const attrs = gain === 1 ? {} : { gain };
  return [
    ...before,
    { op: matrices, attrs, inputs: names, outputs: [made], constants },
    ...(isVector ? [reshapeTo(made, to, shape)] : []),
  ];
}

/** numpy.matmul of two factors of which not both are constant: rows times weights where one is a constant matrix. */
export function productOf(product: Product): readonly Replacement[] {
  const [a, b] = product.factors;
  const { m, k, n, shape } = stackedProduct(a.type.shape, b.type.shape);
  if (b.type.constant !== undefined && countOf(b.type.shape) === k * n)
    return timesConstant(product, b.type.constant, shape);
  if (a.type.constant !== undefined && countOf(a.type.shape) === m * k && b.type.shape.length > 1)
    return constantTimes(product, a.type.constant, shape);
  return general(product, shape);
}
