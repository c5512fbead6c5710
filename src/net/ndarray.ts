/** Tensors at the library's edges as ndarrays. */

import ndarray, { type NdArray } from 'ndarray';
import { at, InputError } from '../base/errors.ts';
import { countOf, type DType, type Numbers, numbersFor, type Tensor } from '../ir/tensor.ts';

/** A view of the tensor's own numbers, row-major: writing to one writes to the other. */
export const toNdarray = (tensor: Tensor): NdArray<Numbers> => ndarray(tensor.data, [...tensor.shape]);

const dtypeOf: Readonly<Record<string, DType>> = {
  float32: 'float32',
  float64: 'float64',
  int32: 'int32',
  int16: 'int16',
  int8: 'int8',
  uint8: 'uint8',
  uint8_clamped: 'uint8',
};

/**
 * A copy, row-major whatever the array's strides are.
 * @throws InputError for element types that no tensor has.
 */
export function fromNdarray(array: NdArray): Tensor {
  const dtype = dtypeOf[array.dtype];
  if (dtype === undefined)
    throw new InputError({
      where: 'ndarray',
      found: `elements of type ${array.dtype}`,
      supported: Object.keys(dtypeOf).join(', '),
    });
  const shape = [...array.shape];
  const data = numbersFor(dtype, countOf(shape));
  const index = shape.map(() => 0);
  for (let i = 0; i < data.length; i++) {
    data[i] = Number(array.get(...index));
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = at(index, axis) + 1;
      if (at(index, axis) < at(shape, axis)) break;
      index[axis] = 0;
    }
  }
  return { dtype, shape, data };
}
