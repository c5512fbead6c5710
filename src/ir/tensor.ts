/** Tensors: a shape, an element type and the numbers. No layout but row-major, no quantization. */

import { at } from '../base/errors.ts';

export type Shape = readonly number[];

/** Integers of 64 bits are held in float64 arrays: exact up to 2^53, which shapes never leave. */
export type DType =
  | 'float32'
  | 'float64'
  | 'int64'
  | 'int32'
  | 'int16'
  | 'int8'
  | 'uint64'
  | 'uint32'
  | 'uint16'
  | 'uint8'
  | 'bool';

/** Arrays that hold the numbers of tensors. */
export type Numbers =
  | Float32Array
  | Float64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | Uint32Array
  | Uint16Array
  | Uint8Array;

/** The type of a tensor: its properties without its numbers. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A tensor with its numbers. */
export interface Tensor extends TensorType {
  /** Row-major; length is the product of the shape. */
  readonly data: Numbers;
  /** Of a float32 constant that its file has as integers; whatever computes with the numbers makes tensors without. */
  readonly integers?: FileIntegers;
}

/** data[i] = numbers[i] * steps[i], rounded to float32; as long as the data. */
export interface FileIntegers {
  readonly numbers: Int32Array;
  readonly steps: Float32Array;
  /** Of 8 bits and one step for all: as the file has them, real = step (integer - zero point). */
  readonly grid?: { readonly type: 'uint8' | 'int8'; readonly zeroPoint: number };
}

/**
 * `move` of a tensor, with its integers moved alike.
 * @param move puts elements at other places, whatever their values
 */
export function movedAlike(tensor: Tensor, move: (tensor: Tensor) => Tensor): Tensor {
  const made = move(tensor);
  const { integers, shape } = tensor;
  if (integers === undefined) return made;
  const moved = <T extends Numbers>(dtype: DType, data: T): T => move({ dtype, shape, data }).data as T;
  return {
    ...made,
    integers: {
      ...integers,
      numbers: moved('int32', integers.numbers),
      steps: moved('float32', integers.steps),
    },
  };
}

/**
 * Elements of one tensor: 1 GiB of float64. More is no network for a microcontroller, but a damaged size.
 */
export const largestTensor = 2 ** 27;

/** The number of elements of a shape; 1 for a scalar. */
export const countOf = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);

/** Places along an axis; 1 where there is none. */
export const sizeAlong = (shape: Shape, axis: number): number => shape[axis] ?? 1;

export const channelCount = (shape: Shape): number => sizeAlong(shape, 1);

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let i = shape.length - 2; i >= 0; i--) strides[i] = at(strides, i + 1) * at(shape, i + 1);
  return strides;
}

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

/** `1x6x14x14`, or `scalar`. */
export const showShape = (shape: Shape): string => (shape.length === 0 ? 'scalar' : shape.join('x'));

/** A zeroed array that holds `dtype`. */
export function numbersFor(dtype: DType, count: number): Numbers {
  switch (dtype) {
    case 'float32':
      return new Float32Array(count);
    case 'float64':
    case 'int64':
    case 'uint64':
      return new Float64Array(count);
    case 'int32':
      return new Int32Array(count);
    case 'uint32':
      return new Uint32Array(count);
    case 'uint16':
      return new Uint16Array(count);
    case 'int16':
      return new Int16Array(count);
    case 'int8':
      return new Int8Array(count);
    case 'uint8':
    case 'bool':
      return new Uint8Array(count);
    default:
      return dtype satisfies never;
  }
}

export const floats = (shape: Shape, data: Float32Array): Tensor => ({ dtype: 'float32', shape, data });

/** Numbers as a tensor of a type; of float32 the array itself. */
export function tensorOf({ dtype, shape }: TensorType, numbers: Float32Array): Tensor {
  if (dtype === 'float32') return { dtype, shape, data: numbers };
  const data = numbersFor(dtype, numbers.length);
  data.set(numbers);
  return { dtype, shape, data };
}

/** The slices at some indices along an axis, in the order given. */
export const picked = (tensor: Tensor, axis: number, index: readonly number[]): Tensor =>
  movedAlike(tensor, (part) => pickedNumbers(part, axis, index));

function pickedNumbers({ dtype, shape, data }: Tensor, axis: number, index: readonly number[]): Tensor {
  const size = at(shape, axis);
  const [outer, inner] = [countOf(shape.slice(0, axis)), countOf(shape.slice(axis + 1))];
  const made = numbersFor(dtype, outer * index.length * inner);
  for (let o = 0; o < outer; o++)
    index.forEach((from, to) => {
      const first = (o * size + from) * inner;
      made.set(data.subarray(first, first + inner), (o * index.length + to) * inner);
    });
  return { dtype, shape: shape.with(axis, index.length), data: made };
}
