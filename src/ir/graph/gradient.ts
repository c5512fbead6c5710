/** How an operator is differentiated: as steps, of each of which the gradient is known. */
import type { Shape, Tensor, TensorType } from '../tensor.ts';

/** A tensor of one sample, row-major. Under another shape it is the same memory. */
export interface Value {
  /** Where it begins: known to the code that builds the steps. */
  readonly at: number;
  readonly shape: Shape;
  /** Whether weights that learn lie before it. */
  readonly learns: boolean;
}

/** A weight that stays, times an element of a value. */
export type Term = readonly [value: Value, element: number, weight: number];

/** Windows over each of a value's channels. */
export interface Windows {
  /** Elements of a channel. */
  readonly plane: number;
  /** Where a window's elements lie, and where the windows begin. */
  readonly taps: Int32Array;
  readonly starts: Int32Array;
}

/** What an operator makes its steps with. */
export interface Steps {
  /** Of the node's inputs. */
  readonly types: readonly (TensorType | undefined)[];
  /** Shape of the node's output. */
  readonly output: Shape;
  /** @throws InputError for a constant */
  input(index: number): Value;
  /** Undefined for an activation. */
  constant(index: number): Tensor | undefined;
  /** Element i is `bias(i)`, 0 when absent, plus the sum of `terms(i)`. */
  fixed(shape: Shape, terms: (i: number) => readonly Term[], bias?: (i: number) => number): Value;
  /** The sums of the node's `rows`, whose weights and biases learn. @throws InputError for weights that are computed */
  learned(padded: Value, shape: Shape): Value;
  /** The largest element of each window; its gradient goes to the first of equal ones. */
  largest(x: Value, shape: Shape, windows: Windows): Value;
  /** Bounds for all channels (axis 1) or by channel; none when absent. */
  clamp(
    x: Value,
    bounds: { readonly lo: number | readonly number[]; readonly hi: number | readonly number[] } | undefined,
  ): Value;
  softmax(x: Value, axis: number): Value;
  /** Of two values of one shape, element by element. */
  product(x: Value, y: Value): Value;
  /** Each element by itself. */
  curve(x: Value, f: Curve): Value;
}

/** An operator that is one real function, and its attributes: plain data. */
export interface Curve {
  readonly kind: string;
  readonly attrs: unknown;
}
