/** Reductions along any axes: float outputs, all engines' bytes, proofs, and integers near their meaning. */
import { describe, expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { compile } from '../../../src/compile.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { spatialOrder } from '../../../src/ir/kernel/memory-order.ts';
import { reductions } from '../../../src/ir/ops/reductions.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import {
  encodeModel,
  floatTensor,
  int,
  ints,
  intTensor,
  type NodeSpec,
  valueInfo,
} from '../../support/onnx-model.ts';
import { ownError } from '../../support/own-error.ts';

/** A convolution to 6 channels of 5x7 pixels, and the reduction of it. */
function model(
  nodes: readonly NodeSpec[],
  opset = 13,
  constants: readonly ReturnType<typeof intTensor>[] = [],
): Uint8Array {
  const draw = new Draw(3);
  return encodeModel({
    opset,
    inputs: [valueInfo('x', [1, 2, 5, 7])],
    nodes: [
      { op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['a'], attributes: [ints('pads', [1, 1, 1, 1])] },
      ...nodes,
    ],
    initializers: [
      floatTensor('w', [6, 2, 3, 3], [...draw.floats(6 * 18, -1, 1)]),
      floatTensor('b', [6], [...draw.floats(6, -0.5, 0.5)]),
      ...constants,
    ],
  });
}

const reduce = (type: string, axes: readonly number[], keepDims = 1): NodeSpec => ({
  op: `Reduce${type}`,
  inputs: ['a'],
  outputs: ['y'],
  attributes: [ints('axes', axes), int('keepdims', keepDims)],
});

test.each(['Mean', 'Sum', 'Max', 'Min', 'L1', 'L2', 'LogSumExp', 'SumSquare'])(
  'Reduce%s in a network',
  (type) => {
    const float = type === 'LogSumExp' ? 2e-6 : 1e-6;
    holdsModel(model([reduce(type, [1, 3])]), { seed: 7, float, int8: 28 });
    holdsModel(model([reduce(type, [-2], 0)]), { seed: 8, float, int8: 28 });
  },
);

test('axes as an input, none, and products', () => {
  const axes = [intTensor('axes', [2], [-1, 1])];
  holdsModel(model([{ op: 'ReduceMean', inputs: ['a', 'axes'] }], 18, axes), { seed: 9 });
  holdsModel(model([{ op: 'ReduceMax', inputs: ['a'] }], 18), { seed: 9, int8: 18 });
  const small = [
    { op: 'Slice', inputs: ['a', 's', 'e', 'i'], outputs: ['t'] },
    { op: 'ReduceProd', inputs: ['t'], attributes: [ints('axes', [1])] },
  ];
  const bounds = [intTensor('s', [1], [1]), intTensor('e', [1], [5]), intTensor('i', [1], [1])];
  holdsModel(model(small, 13, bounds), { seed: 9, int8: 22 });
});

test('more than four factors are refused in 8 bits', () => {
  const made = importOnnx(model([reduce('Prod', [1])]));
  compile(made, { name: 'net', arith: 'float32' });
  const inputs = Array.from({ length: 10 }, (_, i) => new Draw(i).floats(70, -1, 1));
  expect(() => compile(made, { name: 'net', arith: 'int8', calibration: { inputs } })).toThrow(InputError);
});

describe.each(reductions.map((op) => [op.kind, op] as const))('%s in integers', (kind, op) => {
  const draw = new Draw(5);
  const shape = [1, 3, 4, 4];
  const sample = (count: number, lo = 0, hi = 255) =>
    Uint8Array.from({ length: count }, () => draw.int(lo, hi));
  const isProduct = kind === 'productAlong';

  test.each([[[1]], [[2]], [[3]], [[1, 3]], [[2, 3]], [[1, 2, 3]]])('along %j', (axes) => {
    if (isProduct && axes.length > 1) return;
    const samples = Array.from({ length: 8 }, () => sample(48));
    for (const keepDims of [true, false])
      for (const order of [undefined, spatialOrder(shape)]) {
        const input = { scale: 0.031, zeroPoint: 117 };
        const error = ownError(op, { attrs: { axes, keepDims }, shape, order, input }, samples);
        expect(error).toBeLessThan(0.53);
      }
  });

  test('of zero points far away', () => {
    if (op.anyZeroPoint === undefined) return;
    const samples = Array.from({ length: 8 }, () => sample(48));
    for (const zeroPoint of [-3000, 70_000, -(2 ** 22)]) {
      const input = { scale: 0.5, zeroPoint };
      const error = ownError(op, { attrs: { axes: [1, 2], keepDims: true }, shape, input }, samples);
      expect(error).toBeLessThan(0.53);
    }
  });

  test('of many elements, all alike or all extreme', () => {
    if (isProduct) return;
    const count = 20_000;
    const samples = [
      new Uint8Array(count),
      new Uint8Array(count).fill(255),
      sample(count),
      sample(count, 120, 131),
    ];
    const input = { scale: 0.02, zeroPoint: 128 };
    const error = ownError(op, { attrs: { axes: [1], keepDims: false }, shape: [1, count], input }, samples);
    expect(error).toBeLessThan(0.53);
  });
});
