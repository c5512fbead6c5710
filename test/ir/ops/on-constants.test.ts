/** Operators on constants alone, by numbers that were worked out by hand; ONNX's recorded tests hold them too. */
import { expect, test } from 'vitest';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { encodeModel, int, intTensor, type NodeSpec, valueInfo } from '../../support/onnx-model.ts';

/** y of one node on constants; numbers are scalars. */
function resultOf(op: string, inputs: readonly (readonly number[] | number)[], more: Partial<NodeSpec> = {}) {
  const names = inputs.map((_, i) => `c${i}`);
  const graph = importOnnx(
    encodeModel({
      opset: 18,
      nodes: [{ op, name: 'n', inputs: names, ...more }],
      initializers: inputs.map((values, i) =>
        typeof values === 'number'
          ? intTensor(`c${i}`, [], [values])
          : intTensor(`c${i}`, [values.length], values),
      ),
      inputs: [valueInfo('x', ['batch', 4])],
    }),
  );
  if (graph.obstacles?.[0] !== undefined) throw graph.obstacles[0].error;
  const { constant } = graph.tensors.get('y')!;
  return [constant!.dtype, constant!.shape, [...constant!.data]];
}

test('comparisons and logic', () => {
  expect(resultOf('Equal', [[1, 2, 3], [2]])).toEqual(['bool', [3], [0, 1, 0]]);
  expect(resultOf('Greater', [[1, 2, 3], [2]])).toEqual(['bool', [3], [0, 0, 1]]);
  expect(resultOf('GreaterOrEqual', [[1, 2, 3], [2]])).toEqual(['bool', [3], [0, 1, 1]]);
  expect(resultOf('Less', [[1, 2, 3], [2]])).toEqual(['bool', [3], [1, 0, 0]]);
  expect(resultOf('LessOrEqual', [[1, 2, 3], 2])).toEqual(['bool', [3], [1, 1, 0]]);
  expect(resultOf('Not', [[0, 1]])).toEqual(['bool', [2], [1, 0]]);
  expect(resultOf('Where', [[0, 1], 7, [8, 9]])).toEqual(['int64', [2], [8, 7]]);
});

test('counting', () => {
  expect(resultOf('Range', [2, 9, 3])).toEqual(['int64', [3], [2, 5, 8]]);
  expect(resultOf('Range', [2, -3, -2])).toEqual(['int64', [3], [2, 0, -2]]);
  expect(resultOf('Range', [2, 2, 1])).toEqual(['int64', [0], []]);
  expect(resultOf('CumSum', [[1, 2, 3], 0])).toEqual(['int64', [3], [1, 3, 6]]);
  const both = { attributes: [int('exclusive', 1), int('reverse', 1)] };
  expect(resultOf('CumSum', [[1, 2, 3], 0], both)).toEqual(['int64', [3], [5, 3, 0]]);
  expect(resultOf('ReduceProd', [[2, 3, 7]], { attributes: [int('keepdims', 0)] })).toEqual([
    'int64',
    [],
    [42],
  ]);
  expect(resultOf('ReduceSum', [[2, 3, 7], [-1]])).toEqual(['int64', [1], [12]]);
});

test('shapes', () => {
  expect(resultOf('Size', [], { inputs: ['x'] })).toEqual(['int64', [], [4]]);
  expect(resultOf('Expand', [[5], [3]])).toEqual(['int64', [3], [5, 5, 5]]);
  expect(resultOf('Tile', [[5, 6], [2]])).toEqual(['int64', [4], [5, 6, 5, 6]]);
  expect(resultOf('NonZero', [[0, 4, 0, 2]])).toEqual(['int64', [1, 2], [1, 3]]);
});

test('remainders have the sign of the divisor, or of the dividend', () => {
  expect(resultOf('Mod', [[-5, 5, 7], [3]])).toEqual(['int64', [3], [1, 2, 1]]);
  expect(resultOf('Mod', [[-5, 5], [-3]])).toEqual(['int64', [2], [-2, -1]]);
  expect(resultOf('Mod', [[-5, 5], [3]], { attributes: [int('fmod', 1)] })).toEqual(['int64', [2], [-2, 2]]);
  expect(() => resultOf('Mod', [[4], [0]])).toThrow(/^node 'n' \(Mod\): 4 modulo 0 in integers/);
});
