/** LogSoftmax and LRN: float outputs, all engines' bytes, proofs, and integers near their meaning. */
import { describe, expect, test } from 'vitest';
import { spatialOrder } from '../../../src/ir/kernel/memory-order.ts';
import { logSoftmax } from '../../../src/ir/ops/log-softmax.ts';
import { lrn } from '../../../src/ir/ops/lrn.ts';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import {
  encodeModel,
  float,
  floatTensor,
  int,
  ints,
  type NodeSpec,
  valueInfo,
} from '../../support/onnx-model.ts';
import { ownError } from '../../support/own-error.ts';

function behindConvolution(node: NodeSpec, opset = 13): Uint8Array {
  const draw = new Draw(3);
  return encodeModel({
    opset,
    inputs: [valueInfo('x', [1, 2, 5, 7])],
    nodes: [
      { op: 'Conv', inputs: ['x', 'w', 'b'], outputs: ['a'], attributes: [ints('pads', [1, 1, 1, 1])] },
      { inputs: ['a'], ...node },
    ],
    initializers: [
      floatTensor('w', [6, 2, 3, 3], [...draw.floats(6 * 18, -1, 1)]),
      floatTensor('b', [6], [...draw.floats(6, -0.5, 0.5)]),
    ],
  });
}

const draw = new Draw(12);
const bytes = (count: number, lo = 0, hi = 255) => Uint8Array.from({ length: count }, () => draw.int(lo, hi));

describe('LogSoftmax', () => {
  test.each([
    ['of channels', 1, 13],
    ['of columns', -1, 13],
    ['of all behind an axis', 2, 11],
  ])('%s', (_, axis, opset) => {
    holdsModel(behindConvolution({ op: 'LogSoftmax', attributes: [int('axis', axis)] }, opset), {
      seed: 2,
      float: 2e-6,
    });
  });

  test.each([2, 10, 100, 5000])('of %i numbers, in integers', (n) => {
    for (const input of [
      { scale: 0.01, zeroPoint: 100 },
      { scale: 0.2, zeroPoint: -5000 },
    ]) {
      const samples = [bytes(n), bytes(n, 100, 104), new Uint8Array(n).fill(7)];
      expect(ownError(logSoftmax, { attrs: { axis: 1 }, shape: [1, n], input }, samples)).toBeLessThan(0.55);
    }
  });
});

describe('LRN', () => {
  test('behind a convolution', () => {
    const node = {
      op: 'LRN',
      attributes: [int('size', 3), float('alpha', 0.02), float('beta', 0.75), float('bias', 2)],
    };
    holdsModel(behindConvolution(node), { seed: 2, float: 2e-6 });
  });

  test.each([
    [1e-4, 0.75, 1, 5],
    [1, 0.75, 1, 4],
    [0.1, 0.5, 2, 2],
    [1e-3, 2, 1e-2, 7],
    [5, 1, 0.5, 20],
  ])('alpha %f, beta %f, bias %f, size %i, in integers', (alpha, beta, bias, size) => {
    const shape = [1, 9, 3, 4];
    for (const scale of [1e-3, 0.05, 2])
      for (const order of [undefined, spatialOrder(shape)]) {
        const one = {
          attrs: { alpha, beta, bias, size, before: size >> 1 },
          shape,
          order,
          input: { scale, zeroPoint: 90 },
        };
        expect(ownError(lrn, one, [bytes(108), bytes(108, 80, 100), new Uint8Array(108)])).toBeLessThan(0.65);
      }
  });
});
