/** PyTorch's storages, flat and raw, and the tensors that are views of them. */
import { at, complain, must } from '../../../base/errors.ts';
import { widerDtype } from '../../graph/onnx-types.ts';
import { countOf, largestTensor, numbersFor, showShape, stridesOf, type Tensor } from '../../tensor.ts';
import { elementEncoding } from '../tensor-proto.ts';
import { largestUnpacking } from './zip.ts';

/** How a tensor lies in its storage: all counted in elements. */
export interface Strided {
  /** `float32`, `bfloat16`, ... as PyTorch calls it. */
  readonly type: string;
  readonly sizes: readonly number[];
  readonly strides: readonly number[];
  readonly offset: number;
}

/** How much memory the tensors of one file may take together. */
export interface Budget {
  /** @throws InputError when `bytes` more are too many */
  readonly spend: (bytes: number) => void;
}

/** `largestUnpacking` times the file, and a mebibyte: an expanded tensor is larger than its storage. */
export function budgetOf(file: number): Budget {
  let left = largestUnpacking * file + 2 ** 20;
  return {
    spend: (bytes) => {
      left -= bytes;
      if (left < 0)
        throw complain(
          `tensors of more than ${largestUnpacking} times the file's ${file} bytes`,
          'tensors that are stored, or little expanded',
        );
    },
  };
}

const isSize = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;

const typesWithoutCounterpart: ReadonlyMap<string, number> = new Map([
  ...(['uint16'] as const).map((type) => [type, 2] as const),
  ...(['uint32'] as const).map((type) => [type, 4] as const),
  ...(['uint64', 'complex64'] as const).map((type) => [type, 8] as const),
  ['complex128', 16],
]);

/** Bytes of an element, of types that are not read too; undefined for types that PyTorch does not have. */
export const elementBytes = (type: string): number | undefined =>
  elementEncoding(type)?.bytes ?? typesWithoutCounterpart.get(type);

/** @throws InputError for views that go beyond their storage of `count` elements, and sizes that are none */
export function requireView({ sizes, strides, offset }: Strided, count: number): void {
  const told = `a tensor of ${showShape(sizes)} with strides ${showShape(strides)} from element ${offset} on`;
  if (sizes.length !== strides.length || ![...sizes, ...strides, offset].every(isSize))
    throw complain(`${told}`, 'sizes, strides and places of 0 or more');
  if (sizes.includes(0)) return;
  const last = sizes.reduce((sum, size, axis) => sum + (size - 1) * at(strides, axis), offset);
  if (!(last < count)) throw complain(`${told} of a storage of ${count}`, 'tensors inside of their storage');
  if (!(countOf(sizes) <= largestTensor)) throw complain(told, `up to ${largestTensor} elements`);
}

/**
 * A tensor as PyTorch lays it over a storage: any strides of 0 or more; 16-bit floats become float32.
 * @throws InputError for element types without a counterpart here, views that go beyond the storage, and what is
 *   beyond the budget
 */
export function stridedTensor(storage: Uint8Array, view: Strided, budget: Budget): Tensor {
  const encoding = elementEncoding(view.type);
  const dtype = widerDtype(view.type);
  if (encoding === undefined || dtype === undefined)
    throw complain(`elements of type ${view.type}`, 'floats and integers', 'save the tensor in float32');
  requireView(view, Math.floor(storage.length / encoding.bytes));
  const count = countOf(view.sizes);
  budget.spend(count * numbersFor(dtype, 0).BYTES_PER_ELEMENT);
  const data = numbersFor(dtype, count);
  const raw = new DataView(storage.buffer, storage.byteOffset, storage.byteLength);
  eachPlace(view, (place, i) => {
    data[i] = encoding.read(raw, place * encoding.bytes);
  });
  return { dtype, shape: view.sizes, data };
}

/** Places in the storage in the order of a row-major tensor. */
function eachPlace({ sizes, strides, offset }: Strided, visit: (place: number, i: number) => void): void {
  const count = countOf(sizes);
  const rowMajor = stridesOf(sizes);
  const isPlain = rowMajor.every((stride, axis) => stride === strides[axis] || sizes[axis] === 1);
  for (let i = 0; i < count; i++) visit(isPlain ? offset + i : placeOf(i), i);

  function placeOf(i: number): number {
    let [place, rest] = [offset, i];
    rowMajor.forEach((stride, axis) => {
      place += Math.floor(rest / stride) * at(strides, axis);
      rest %= stride;
    });
    return place;
  }
}

/** A storage of a saved file, whose bytes may stand behind what refers to them. */
export interface Storage {
  readonly kind: 'storage';
  /** `untyped` counts bytes: its tensors say their type. */
  readonly type: string;
  readonly count: number;
  readonly bytes: () => Uint8Array;
}

/** A tensor of a saved file. */
export interface SavedTensor {
  readonly kind: 'tensor';
  /** As PyTorch calls it; `read` gives float32 for `float16` and `bfloat16`. */
  readonly type: string;
  readonly shape: readonly number[];
  /** Where it lies: tensors that lie in one place are one. Absent of those that are computed. */
  readonly lies?: { readonly storage: Storage; readonly view: Strided };
  /** @throws InputError for element types without a counterpart here */
  readonly read: () => Tensor;
}

/** @throws InputError for views that go beyond their storage */
export function savedTensor(storage: Storage, view: Strided, budget: Budget): SavedTensor {
  const bytes = storage.type === 'untyped' ? elementBytes(view.type) : 1;
  if (bytes === undefined) throw complain(`elements of type ${view.type}`, 'the element types of PyTorch');
  requireView(view, Math.floor(storage.count / bytes));
  let tensor: Tensor | undefined;
  return {
    kind: 'tensor',
    type: view.type,
    shape: view.sizes,
    lies: { storage, view },
    read: () => {
      tensor ??= stridedTensor(storage.bytes(), view, budget);
      return must(tensor, 'just read');
    },
  };
}
