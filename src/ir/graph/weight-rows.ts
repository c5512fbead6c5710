/** An operator's weights as a matrix on columns of its input: what pruning, rounding and training see of it. */
import type { Order } from '../kernel/memory-order.ts';
import type { Numbers, Tensor, TensorType } from '../tensor.ts';

/**
 * sums[row, position] = bias[row] + sum over terms of weight[row, term] x[group(row) stride + start[position] + offset[term]]
 *
 * with x the padded input. The weights are the node's input 1, with the rows as first axis; the biases are input 2,
 * which may be absent. The first group has the first rows, and all have as many.
 */
export interface Rows {
  readonly groups: number;
  /** Elements of the padded input between the first terms of a group and those of the next. */
  readonly groupStride: number;
  /** By position: how often each weight is used. */
  readonly starts: Int32Array;
  /** By term. */
  readonly offsets: Int32Array;
  /** Its i-th is the i-th term in memory; undefined: the terms lie as the input, flattened, does. */
  readonly order: Order;
  /** The first input with its padding, row-major. */
  padded(x: Tensor): Numbers;
}

export interface WeightRows<A> {
  of(attrs: A, inputs: readonly (TensorType | undefined)[]): Rows;
  /** The attributes with which x times `factor` gives as many times the sums, biases aside. */
  scaled(attrs: A, factor: number): A;
}
