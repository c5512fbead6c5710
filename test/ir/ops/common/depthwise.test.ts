/** A map of channels that no layer takes, of several samples at once: each keeps its channels. */
import { expect, test } from 'vitest';
import { holdsModel } from '../../../support/model-law.ts';
import { encodeModel, floatTensor, valueInfo } from '../../../support/onnx-model.ts';

const names = ['scale', 'bias', 'mean', 'variance'];
const numbers = [
  [1, 2, -1, 0.5, 3],
  [0, 1, 2, -1, -2],
  [0.1, 0, -0.2, 0.3, 0],
  [1, 0.5, 2, 1, 3],
];

test.each([[[4, 5, 3]], [[4, 5]], [[2, 5, 2, 3]], [[2, 5, 2, 3, 2]], [[1, 5, 3]]])('of %j', (shape) => {
  const model = encodeModel({
    inputs: [valueInfo('x', shape)],
    initializers: names.map((name, i) => floatTensor(name, [5], numbers[i]!)),
    nodes: [{ op: 'BatchNormalization', inputs: ['x', ...names], outputs: ['y'] }],
  });
  const { float32 } = holdsModel(model, { seed: 1, int8: 25 });
  expect(float32.program.steps).toHaveLength(1);
});
