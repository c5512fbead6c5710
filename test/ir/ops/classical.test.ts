/** What ai.onnx.ml prepares, against sums that are written out, and in programs. */
import proto from 'onnx-proto';
import { expect, test } from 'vitest';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import { encodeModel, floatTensor, type NodeSpec, text, valueInfo } from '../../support/onnx-model.ts';

const numbers = (name: string, values: readonly number[]) => ({
  name,
  type: proto.onnx.AttributeProto.AttributeType.FLOATS,
  floats: [...values],
});

const model = (op: string, attributes: NonNullable<NodeSpec['attributes']>): Uint8Array =>
  encodeModel({
    inputs: [valueInfo('x', [2, 3])],
    nodes: [
      { op, domain: 'ai.onnx.ml', inputs: ['x'], outputs: ['s'], attributes },
      { op: 'MatMul', inputs: ['s', 'w'], outputs: ['z'] },
    ],
    initializers: [floatTensor('w', [3, 4], [...new Draw(3).floats(12, -1, 1)])],
    outputs: ['z'],
  });

const made = (bytes: Uint8Array, x: readonly number[]): readonly number[] => {
  let seen: readonly number[] = [];
  evaluate(importOnnx(bytes), new Map([['x', floats([2, 3], Float32Array.from(x))]]), (name, { data }) => {
    if (name === 's') seen = [...data];
  });
  return seen;
};

test('Scaler: what is left of an offset, times a scale, by feature', () => {
  const bytes = model('Scaler', [numbers('offset', [1, 2, -3]), numbers('scale', [0.5, 2, 1])]);
  expect(made(bytes, [1, 2, 3, -1, 0, 1])).toEqual([0, 0, 6, -1, -4, 4]);
  holdsModel(bytes, { seed: 4 });
  expect(made(model('Scaler', [numbers('offset', [1]), numbers('scale', [2])]), [1, 2, 3, 0, 0, 0])).toEqual([
    0, 2, 4, -2, -2, -2,
  ]);
});

test('Normalizer: rows over their size', () => {
  const l1 = model('Normalizer', [text('norm', 'L1')]);
  expect(made(l1, [1, -1, 2, 0, 0, 0])).toEqual([0.25, -0.25, 0.5, 0, 0, 0]);
  holdsModel(l1, { seed: 4, float: 2e-6 });
  const l2 = model('Normalizer', [text('norm', 'L2')]);
  expect(made(l2, [3, 0, -4, 0, 0, 0])).toEqual([0.6, 0, -0.8, 0, 0, 0].map(Math.fround));
  holdsModel(l2, { seed: 4, float: 2e-6 });
});
