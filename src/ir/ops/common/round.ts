import { countOf, type DType, numbersFor, type Shape, type Tensor } from '../../tensor.ts';

/** Bounds of an activation function fused into another operator: ReLU is 0 to Infinity, ReLU6 0 to 6. */
export interface Clamp {
  readonly lo: number;
  readonly hi: number;
}

/** min(max(x, lo), hi), in place. */
export function clampAll(values: Float64Array, clamp: Clamp | undefined): Float64Array {
  if (clamp === undefined) return values;
  const { lo, hi } = clamp;
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value < lo) values[i] = lo;
    if ((values[i] as number) > hi) values[i] = hi;
  }
  return values;
}

/** The one rounding, from float64 to the tensor's type. */
export function rounded(dtype: DType, shape: Shape, values: Float64Array): Tensor {
  const data = numbersFor(dtype, countOf(shape));
  data.set(values);
  return { dtype, shape, data };
}
