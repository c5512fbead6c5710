import { countOf, type DType, numbersFor, type Shape, type Tensor } from '../../tensor.ts';

/** The one rounding, from float64 to the tensor's type. */
export function rounded(dtype: DType, shape: Shape, values: Float64Array): Tensor {
  const data = numbersFor(dtype, countOf(shape));
  data.set(values);
  return { dtype, shape, data };
}
