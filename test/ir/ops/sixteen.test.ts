/** Operators on activations of 16 bits: all engines' bytes, complete proofs, and how far the integers are from their meaning. */
import { expect, test } from 'vitest';
import { Draw } from '../../support/draw.ts';
import { holdsModel } from '../../support/model-law.ts';
import { encodeModel, floatTensor, int, ints, type NodeSpec, valueInfo } from '../../support/onnx-model.ts';

const draw = new Draw(11);
const constants = {
  // Each row's largest is 127 steps: 8 bits hold them exactly.
  k: floatTensor(
    'k',
    [4, 6, 3, 3],
    Array.from({ length: 216 }, (_, i) => (i % 54 === 0 ? 127 : draw.int(-127, 127)) / 512),
  ),
  m: floatTensor(
    'm',
    [210, 3],
    Array.from({ length: 630 }, (_, i) => (i < 3 ? 127 : draw.int(-127, 127)) / 512),
  ),
  row: floatTensor('row', [7], [...draw.floats(7, -1, 1)]),
  gain: floatTensor('gain', [7], [...draw.floats(7, 0.5, 1.5)]),
  shift: floatTensor('shift', [7], [...draw.floats(7, -1, 1)]),
  scales: floatTensor('scales', [4], [1, 1, 2, 2]),
  three: floatTensor('three', [], [3]),
  least: floatTensor('least', [], [0.05]),
} as const;

const node = (
  op: string,
  inputs: readonly string[],
  to = 'y',
  ...attributes: NodeSpec['attributes'] & object
) => ({
  op,
  inputs,
  outputs: [to],
  attributes,
});

/** Two branches `a` and `b` of weights that 8 bits hold exactly, and what is made of them. */
const model = (...nodes: readonly NodeSpec[]): Uint8Array =>
  encodeModel({
    opset: 17,
    inputs: [valueInfo('x', [1, 6, 5, 7])],
    nodes: [node('Mul', ['x', 'row'], 'a'), node('Sin', ['x'], 'b'), ...nodes],
    initializers: Object.values(constants),
  });

const positive = [node('Abs', ['a'], 'p'), node('Add', ['p', 'least'], 'q')];

const cases: readonly (readonly [string, readonly NodeSpec[], number])[] = [
  ['a sum', [node('Add', ['a', 'b'])], 60],
  ['a sum of a constant', [node('Add', ['b', 'row'])], 60],
  [
    'a small difference of large numbers',
    [node('Add', ['a', 'three'], 'c'), node('Sub', ['c', 'a'], 'd'), node('Sub', ['d', 'b'])],
    60,
  ],
  ['a product', [node('Mul', ['a', 'b'])], 60],
  ['a quotient', [...positive, node('Div', ['b', 'q'])], 45],
  ['the larger', [node('Max', ['a', 'b'])], 60],
  ['the smaller', [node('Min', ['a', 'b'])], 60],
  ['a reciprocal', [...positive, node('Reciprocal', ['q'])], 45],
  ['a logarithm', [...positive, node('Log', ['q'])], 55],
  [
    'a sine of several periods',
    [node('Mul', ['a', 'b'], 'c'), node('Mul', ['c', 'three'], 'd'), node('Sin', ['d'])],
    45,
  ],
  ['a softmax', [node('Softmax', ['a'], 'y', int('axis', 1))], 50],
  ['a normalization', [node('LayerNormalization', ['a', 'gain', 'shift'])], 55],
  ['an average pool', [node('AveragePool', ['a'], 'y', ints('kernel_shape', [2, 2]))], 60],
  ['a max-pool', [node('MaxPool', ['a'], 'y', ints('kernel_shape', [2, 2]))], 60],
  ['a mean', [node('ReduceMean', ['a'], 'y', ints('axes', [2, 3]))], 55],
  ['a sum along an axis', [node('ReduceSum', ['a'], 's'), node('Sub', ['a', 's'])], 50],
  ['a concatenation', [node('Concat', ['a', 'b'], 'c', int('axis', 1)), node('Sigmoid', ['c'])], 55],
  ['the nearest of an image', [node('Resize', ['a', '', 'scales'])], 60],
  [
    'a product of matrices',
    [node('Transpose', ['b'], 't', ints('perm', [0, 1, 3, 2])), node('MatMul', ['a', 't'])],
    30,
  ],
  ['a convolution', [node('Conv', ['a', 'k'], 'y', ints('pads', [1, 1, 1, 1]))], 60],
  ['a linear layer', [node('Flatten', ['a'], 'f'), node('MatMul', ['f', 'm'])], 60],
];

test.each(cases)('%s of 16 bits', (_, nodes, int8) => {
  const { int8: built } = holdsModel(model(...nodes), { seed: 5, float: 2e-5, int8, activationBits: 16 });
  expect(built.wide?.length).toBeGreaterThan(0);
});
