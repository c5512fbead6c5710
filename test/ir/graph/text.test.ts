import { expect, test } from 'vitest';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import { dumpGraph } from '../../../src/ir/graph/text.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { encodeModel, floatTensor, ints, valueInfo } from '../../support/onnx-model.ts';

const bytes = encodeModel({
  nodes: [
    {
      op: 'Conv',
      name: 'conv1',
      inputs: ['x', 'w'],
      outputs: ['c'],
      attributes: [ints('pads', [1, 1, 1, 1])],
    },
    { op: 'Clip', name: 'relu6', inputs: ['c', '', 'six'] },
  ],
  inputs: [valueInfo('x', ['n', 1, 3, 3])],
  initializers: [floatTensor('w', [2, 1, 3, 3], new Array(18).fill(1)), floatTensor('six', [], [6])],
});

test('an imported graph', () => {
  expect(dumpGraph(importOnnx(bytes, { name: 'tiny' }))).toBe(`\
graph tiny (imported, opset 13)
  input x: float32 1x1x3x3
  conv1: conv{groups=1 pads=[1,1,1,1]} (x: float32 1x1x3x3, const w: float32 2x1x3x3) -> c: float32 1x2x3x3
  relu6: clipInputs (c: float32 1x2x3x3, -, const six: float32 scalar) -> y: float32 1x2x3x3
  output y
`);
});

test('a canonical graph, and an int8 one', () => {
  const float = canonicalize.run(importOnnx(bytes, { name: 'tiny' }));
  expect(dumpGraph(float)).toBe(`\
graph tiny (float, opset 13)
  input x: float32 1x1x3x3
  conv1: conv{dilations=[1,1] groups=1 kernel=[3,3] pads=[1,1,1,1] strides=[1,1]} (x: float32 1x1x3x3, const w: float32 2x1x3x3) -> c: float32 1x2x3x3
  relu6: clip{hi=6 lo=-Infinity} (c: float32 1x2x3x3) -> y: float32 1x2x3x3
  output y
`);
  const quant = { scale: 0.5, zeroPoint: 3 };
  const tensors = new Map(
    [...float.tensors].map(([name, info]) => [name, info.constant ? info : { ...info, quant }]),
  );
  const int8: Graph<'int8'> = { ...float, stage: 'int8', tensors };
  expect(dumpGraph(int8)).toContain('  input x: float32 1x1x3x3 scale=0.5 zero=3\n');
});
