import fc from 'fast-check';
import ndarray from 'ndarray';
import { expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import type { Numbers } from '../../src/ir/tensor.ts';
import { fromNdarray, type NdArray, toNdarray } from '../../src/net/ndarray.ts';

test('a transposed array becomes a row-major tensor', () => {
  const array = ndarray(new Float32Array([1, 2, 3, 4, 5, 6]), [2, 3]).transpose(1, 0);
  expect(fromNdarray(array)).toEqual({
    dtype: 'float32',
    shape: [3, 2],
    data: new Float32Array([1, 4, 2, 5, 3, 6]),
  });
});

test('there and back is the same tensor', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 }), (shape) => {
      const count = shape.reduce((n, m) => n * m, 1);
      const tensor = {
        dtype: 'int32',
        shape,
        data: Int32Array.from({ length: count }, (_, i) => i),
      } as const;
      expect(fromNdarray(toNdarray(tensor))).toEqual(tensor);
    }),
  );
});

test('an array of numbers without a type is refused', () => {
  expect(() => fromNdarray(ndarray([1, 2], [2]))).toThrow(InputError);
});

test("package ndarray's own functions take what comes out, and give what goes in", () => {
  const tensor = { dtype: 'float32', shape: [2, 2], data: new Float32Array([1, 2, 3, 4]) } as const;
  const theirs: ndarray.NdArray<Numbers> = toNdarray(tensor);
  const ours: NdArray<Float32Array> = ndarray(new Float32Array([1, 3, 2, 4]), [2, 2]).transpose(1, 0);
  expect(fromNdarray(ours)).toEqual(tensor);
  expect(fromNdarray(theirs.transpose(1, 0)).data).toEqual(new Float32Array([1, 3, 2, 4]));
});
