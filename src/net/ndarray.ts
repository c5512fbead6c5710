/** Tensors at the library's edges as ndarrays. */

import ndarray from 'ndarray';
import { at, InputError } from '../base/errors.ts';
import { countOf, type DType, type Numbers, numbersFor, type Tensor } from '../ir/tensor.ts';

/** The interface required of an ndarray that is passed in: any array of package `ndarray` has it. */
export interface NdArrayLike {
  /** Element type, as package `ndarray` names it: `float32`, `uint8`, ... */
  readonly dtype: string;
  readonly shape: readonly number[];
  get(...index: number[]): number;
}

/** An ndarray with the interface of package `ndarray`: numbers and their layout. It can be passed to code written for that package. */
export interface NdArray<D extends Numbers = Numbers> {
  data: D;
  dtype: 'float32' | 'float64' | 'int32' | 'int16' | 'int8' | 'uint32' | 'uint16' | 'uint8';
  shape: number[];
  /** Steps in `data` from one element to the next along each axis. */
  stride: number[];
  /** Of the first element in `data`. */
  offset: number;
  /** Elements. */
  size: number;
  /** Axes from the smallest stride to the largest. */
  order: number[];
  /** How many axes. */
  dimension: number;
  get(...index: number[]): number;
  set(...indexAndValue: number[]): number;
  /** Where an element lies in `data`. */
  index(...index: number[]): number;
  /** Views, as are all of the next ones: without what is before these places, */
  lo(...index: number[]): NdArray<D>;
  /** without what is behind so many elements, */
  hi(...count: number[]): NdArray<D>;
  /** every so many, */
  step(...step: number[]): NdArray<D>;
  /** axes in another order, */
  transpose(...axes: number[]): NdArray<D>;
  /** axes at one index, where that is not null, */
  pick(...index: (number | null)[]): NdArray<D>;
  /** axes reversed. */
  T: NdArray<D>;
}

/** A view of the tensor's own numbers, row-major: writing to one writes to the other. */
export const toNdarray = (tensor: Tensor): NdArray => ndarray(tensor.data, [...tensor.shape]);

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
export function fromNdarray(array: NdArrayLike): Tensor {
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
