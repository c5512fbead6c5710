/** The meaning of the small operators, by numbers that were worked out by hand. */
import { expect, test } from 'vitest';
import type { OpDef } from '../../../src/ir/graph/op.ts';
import { add } from '../../../src/ir/ops/add.ts';
import { batchNorm } from '../../../src/ir/ops/batch-norm.ts';
import { clip } from '../../../src/ir/ops/clip.ts';
import { concat } from '../../../src/ir/ops/concat.ts';
import { gather } from '../../../src/ir/ops/gather.ts';
import { globalAvgPool } from '../../../src/ir/ops/global-pools.ts';
import { linear } from '../../../src/ir/ops/linear.ts';
import { reduceMean } from '../../../src/ir/ops/reduced.ts';
import { softmax } from '../../../src/ir/ops/softmax.ts';
import { softmaxFlattened } from '../../../src/ir/ops/softmax-flattened.ts';
import { transpose } from '../../../src/ir/ops/transpose.ts';
import { floats, type Shape, type Tensor } from '../../../src/ir/tensor.ts';

const f = (shape: Shape, ...data: number[]): Tensor => floats(shape, Float32Array.from(data));
const i64 = (...data: number[]): Tensor => ({
  dtype: 'int64',
  shape: [data.length],
  data: Float64Array.from(data),
});

function result(op: OpDef, attrs: unknown, ...inputs: Tensor[]): Tensor {
  const [found] = op.reference(attrs, inputs);
  expect(
    op.infer(
      attrs,
      inputs.map((tensor) => ({ ...tensor, constant: tensor })),
    ),
  ).toEqual([{ dtype: found!.dtype, shape: found!.shape }]);
  return found!;
}

const row = f([1, 2, 3], 1, 2, 3, 4, 5, 6);

test('add broadcasts and clamps', () => {
  expect(result(add, {}, row, f([2, 1], 10, 20))).toEqual(f([1, 2, 3], 11, 12, 13, 24, 25, 26));
  expect(result(add, { clamp: { lo: 3, hi: 6 } }, f([3], 1, 2, 3), f([], 2))).toEqual(f([3], 3, 4, 5));
  expect(result(add, { clamp: { lo: 3, hi: 4 } }, f([3], 0, 2, 3), f([], 2))).toEqual(f([3], 3, 4, 4));
  expect(() => add.infer({}, [f([2], 0, 0), f([3], 0, 0, 0)])).toThrow(
    /shapes 2 and 3; supported: shapes that broadcast/,
  );
  expect(() => add.infer({}, [f([1], 0), i64(1)])).toThrow(/inputs of type float32 and int64/);
});

test('clip', () => {
  expect(result(clip, { lo: -1, hi: 2 }, f([4], -3, -1, 1, 5))).toEqual(f([4], -1, -1, 1, 2));
  expect(result(clip, { lo: 0, hi: Infinity }, f([2], -3, 7))).toEqual(f([2], 0, 7));
});

test('batchNorm', () => {
  const [scale, bias, mean, variance] = [f([2], 2, 1), f([2], 0, 1), f([2], 1, 0), f([2], 3, 0)];
  // sqrt(3 + 1) = 2 and sqrt(0 + 1) = 1.
  const x = f([1, 2, 2], 1, 3, 4, 5);
  expect(result(batchNorm, { epsilon: 1 }, x, scale, bias, mean, variance)).toEqual(f([1, 2, 2], 0, 2, 5, 6));
  const two = f([2, 2], 1, 4, 3, 5);
  expect(result(batchNorm, { epsilon: 1 }, two, scale, bias, mean, variance)).toEqual(f([2, 2], 0, 5, 2, 6));
});

test('softmax along an axis, without overflow', () => {
  const log = Math.log;
  expect(result(softmax, { axis: 0 }, f([2, 1], 1000 + 0, 1000))).toEqual(f([2, 1], 0.5, 0.5));
  const x = f([2, 2], log(1), log(3), log(4), log(4));
  expect([...result(softmax, { axis: -1 }, x).data].map((v) => v.toFixed(6))).toEqual([
    '0.250000',
    '0.750000',
    '0.500000',
    '0.500000',
  ]);
  expect([...result(softmaxFlattened, { axis: 0 }, x).data].map((v) => v.toFixed(6))).toEqual(
    [1, 3, 4, 4].map((v) => (v / 12).toFixed(6)),
  );
});

test('means', () => {
  const attrs = { keepDims: false, noAxesIsNoop: false };
  expect(result(reduceMean, { ...attrs, axes: [-1] }, row)).toEqual(f([1, 2], 2, 5));
  expect(result(reduceMean, { ...attrs, axes: [1], keepDims: true }, row)).toEqual(
    f([1, 1, 3], 2.5, 3.5, 4.5),
  );
  expect(result(reduceMean, attrs, row)).toEqual(f([], 3.5));
  expect(result(reduceMean, { ...attrs, noAxesIsNoop: true }, row)).toEqual(row);
  expect(result(reduceMean, attrs, row, i64(0, 2))).toEqual(f([2], 2, 5));
  expect(result(globalAvgPool, {}, row)).toEqual(f([1, 2, 1], 2, 5));
});

test('linear', () => {
  const w = f([2, 3], 1, 0, 0, 1, 1, 1);
  const x = f([2, 3], 1, 2, 3, -4, -5, -6);
  expect(result(linear, {}, x, w, f([2], 10, 20))).toEqual(f([2, 2], 11, 26, 6, 5));
  expect(result(linear, { clamp: { lo: 0, hi: 4 } }, x, w)).toEqual(f([2, 2], 1, 4, 0, 0));
  expect(() => linear.infer({}, [x, f([2, 4], 1, 2, 3, 4, 5, 6, 7, 8)])).toThrow(
    /its x per row has shape 3; supported: 4/,
  );
});

test('transpose', () => {
  expect(result(transpose, { perm: [2, 0, 1] }, row)).toEqual(f([3, 1, 2], 1, 4, 2, 5, 3, 6));
  expect(result(transpose, { perm: [] }, row)).toEqual(f([3, 2, 1], 1, 4, 2, 5, 3, 6));
  expect(() => transpose.infer({ perm: [0, 0, 1] }, [row])).toThrow(/perm \[0, 0, 1\]/);
});

test('gather and concat', () => {
  expect(result(gather, { axis: 2 }, row, i64(-1, 0))).toEqual(f([1, 2, 2], 3, 1, 6, 4));
  expect(() => gather.reference({ axis: 2 }, [row, i64(3)])).toThrow(/index 3 along an axis of 3/);
  expect(result(concat, { axis: -1 }, row, f([1, 2, 1], 7, 8))).toEqual(f([1, 2, 4], 1, 2, 3, 7, 4, 5, 6, 8));
  expect(() => concat.infer({ axis: 0 }, [row, f([1, 1, 3], 1, 2, 3)])).toThrow(
    /1x2x3 and 1x1x3 along axis 0/,
  );
});
