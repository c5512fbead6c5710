import { expect, test } from 'vitest';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { encodeModel, floatTensor } from '../../support/onnx-model.ts';

const graph = importOnnx(
  encodeModel({
    nodes: [
      { op: 'Relu', outputs: ['r'] },
      { op: 'Add', inputs: ['w', 'w'], outputs: ['folded'] },
      { op: 'Add', name: 'sum', inputs: ['r', 'folded'] },
    ],
    initializers: [floatTensor('w', [4], [1, 2, 3, 4])],
  }),
);
const x = floats([1, 4], Float32Array.of(-1, 2, -3, 4));

test('the observer sees the input and each activation, in order of execution', () => {
  const seen: [string, number[]][] = [];
  const outputs = evaluate(graph, new Map([['x', x]]), (name, tensor) => seen.push([name, [...tensor.data]]));
  expect(seen).toEqual([
    ['x', [-1, 2, -3, 4]],
    ['r', [0, 2, 0, 4]],
    ['y', [2, 6, 6, 12]],
  ]);
  expect([...outputs.keys()]).toEqual(['y']);
});

test.each([
  ['a missing input', new Map(), /input 'x': no tensor for it/],
  [
    'another shape',
    new Map([['x', floats([4], x.data as Float32Array)]]),
    /input 'x': a tensor of shape 4; supported: 1x4/,
  ],
  [
    'another type',
    new Map([['x', { ...x, dtype: 'int8' as const, data: new Int8Array(4) }]]),
    /input 'x': a tensor of int8; supported: float32/,
  ],
  [
    'fewer numbers than its shape has',
    new Map([['x', { ...x, data: new Float32Array(3) }]]),
    /input 'x': 3 numbers; supported: 4: 1x4; give one whole input/,
  ],
])('%s is refused', (_, inputs, message) => {
  expect(() => evaluate(graph, inputs)).toThrow(message);
});
