/** What old opsets said otherwise, and types that only their files tell. */
import proto from 'onnx-proto';
import { expect, test } from 'vitest';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { encodeModel, floatTensor, int, valueInfo } from '../../support/onnx-model.ts';

const sums = (axis: number, shape: readonly number[]) =>
  importOnnx(
    encodeModel({
      opset: 6,
      inputs: [valueInfo('x', [1, 3, 2, 2])],
      nodes: [{ op: 'Add', inputs: ['x', 'b'], attributes: [int('broadcast', 1), int('axis', axis)] }],
      initializers: [floatTensor('b', shape, [10, 20, 30])],
    }),
  );

test('before opset 7 a broadcast names the axis at which the second tensor begins', () => {
  const x = floats([1, 3, 2, 2], new Float32Array(12));
  for (const imported of [sums(1, [3]), sums(-3, [3]), sums(0, [1, 3])])
    for (const graph of [imported, canonicalize.run(imported)])
      expect([...evaluate(graph, new Map([['x', x]])).get('y')!.data]).toEqual(
        [10, 20, 30].flatMap((b) => [b, b, b, b]),
      );
});

test('an axis at which the second tensor does not fit is refused', () => {
  expect(() => canonicalize.run(sums(3, [3, 1]))).toThrow('shape 3x1 at axis 3 of 1x3x2x2');
});

test('CastLike of 16-bit floats rounds to them, of others it is a Cast', () => {
  const like = { name: 'like', dims: [1], dataType: proto.onnx.TensorProto.DataType.FLOAT16, int32Data: [0] };
  const cast = importOnnx(
    encodeModel({
      opset: 15,
      inputs: [valueInfo('x', [2])],
      nodes: [{ op: 'CastLike', inputs: ['x', 'like'] }],
      initializers: [like],
    }),
  );
  const x = floats([2], Float32Array.of(0.1, 2049));
  expect([...evaluate(cast, new Map([['x', x]])).get('y')!.data]).toEqual([0.0999755859375, 2048]);
  expect(cast.notes).toEqual(['the model computes in float16; here all of it is float32']);
});
