/** ONNX's multidirectional broadcasting, as in docs/Broadcasting.md of ONNX 1.17. */

import { at, complain, holds } from '../../base/errors.ts';
import { countOf, numbersFor, type Shape, showShape, stridesOf, type Tensor } from '../tensor.ts';
import { stridedIndex } from './strided.ts';

/** @throws InputError when the shapes do not fit. */
export function broadcastShape(a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const [m = 1, n = 1] = [a[i - rank + a.length], b[i - rank + b.length]];
    if (m !== n && m !== 1 && n !== 1)
      throw complain(`shapes ${showShape(a)} and ${showShape(b)}`, 'shapes that broadcast');
    return m === 1 ? n : m;
  });
}

/** Where in `tensor` each element of the broadcast `shape` lies. */
export function broadcastIndex(from: Shape, shape: Shape): Int32Array {
  const strides = stridesOf(from);
  const lead = shape.length - from.length;
  return stridedIndex(
    0,
    shape,
    shape.map((_, axis) => (axis < lead || from[axis - lead] === 1 ? 0 : at(strides, axis - lead))),
  );
}

/** Which element of the tensor each one of `shape` is; all of them are there, so that loops read them unchecked. */
function elementsFor({ shape: own, data }: Tensor, shape: Shape): Int32Array {
  holds(data, countOf(own));
  return broadcastIndex(own, shape);
}

/** `f` of each pair of elements, rounded to the type of `a`. */
export function zip(a: Tensor, b: Tensor, f: (x: number, y: number) => number): Tensor {
  const shape = broadcastShape(a.shape, b.shape);
  const data = numbersFor(a.dtype, countOf(shape));
  const [fromA, fromB] = [elementsFor(a, shape), elementsFor(b, shape)];
  for (let i = 0; i < data.length; i++)
    data[i] = f(a.data[fromA[i] as number] as number, b.data[fromB[i] as number] as number);
  return { dtype: a.dtype, shape, data };
}

/** A tensor repeated to fill `shape`. */
export function broadcastTo(tensor: Tensor, shape: Shape): Tensor {
  const from = elementsFor(tensor, shape);
  const data = numbersFor(tensor.dtype, from.length);
  for (let i = 0; i < data.length; i++) data[i] = tensor.data[from[i] as number] as number;
  return { dtype: tensor.dtype, shape, data };
}
