import fc from 'fast-check';
import { expect, test } from 'vitest';
import { verifyGraph } from '../../src/ir/graph/check.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { dumpGraph } from '../../src/ir/graph/text.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { randomTensor } from '../support/float-tensors.ts';
import { largestDifference } from '../support/npy.ts';
import { encodeModel, floatTensor, int, valueInfo } from '../support/onnx-model.ts';
import { randomOnnx } from '../support/random-onnx.ts';

test('random networks compute the same as before, and keep the rules', () => {
  fc.assert(
    fc.property(randomOnnx, ({ bytes, inputShape }) => {
      const imported = importOnnx(bytes);
      const float = canonicalize.run(imported);
      verifyGraph(imported);
      verifyGraph(float);
      const given = new Map([['x', randomTensor(inputShape, 7)]]);
      const [before, after] = [imported, float].map((graph) => [...evaluate(graph, given).values()][0]!);
      expect(after!.shape).toEqual(before!.shape);
      // The rewritings here round nothing: factors are powers of two, means are pools.
      expect(largestDifference(before!.data, after!.data)).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test('the same file gives the same graph', () => {
  fc.assert(
    fc.property(randomOnnx, ({ bytes }) => {
      const text = () => dumpGraph(canonicalize.run(importOnnx(bytes)));
      expect(text()).toBe(text());
    }),
    { numRuns: 50 },
  );
});

const kinds = (bytes: Uint8Array) => canonicalize.run(importOnnx(bytes)).nodes.map((node) => node.op.kind);

test('Identity, Dropout and what the output does not need are gone', () => {
  const bytes = encodeModel({
    nodes: [
      { op: 'Identity', outputs: ['a'] },
      { op: 'Dropout', inputs: ['a'], outputs: ['b', 'mask'] },
      { op: 'Relu', inputs: ['b'], outputs: ['c'] },
      { op: 'Softmax', inputs: ['b'], outputs: ['unused'] },
      { op: 'Cast', inputs: ['c'], outputs: ['d'], attributes: [int('to', 1)] },
      { op: 'Identity', inputs: ['d'] },
    ],
  });
  const graph = canonicalize.run(importOnnx(bytes));
  expect(graph.nodes).toMatchObject([{ name: 'Relu_2', inputs: ['x'], outputs: ['y'], origin: ['Relu_2'] }]);
  expect([...graph.tensors.keys()].sort()).toEqual(['x', 'y']);
});

test('what is asked for its shape alone is gone, with what only it reads', () => {
  const bytes = encodeModel({
    opset: 13,
    inputs: [valueInfo('x', [1, 4, 6])],
    nodes: [
      { op: 'Exp', outputs: ['e'] },
      { op: 'Transpose', inputs: ['e'], outputs: ['t'] },
      { op: 'Shape', inputs: ['t'], outputs: ['s'] },
      { op: 'Relu', outputs: ['r'] },
      { op: 'Reshape', inputs: ['r', 's'] },
    ],
  });
  expect(kinds(bytes)).toEqual(['clip', 'reshape']);
});

test('a network that does nothing is a reshape to the same shape', () => {
  expect(kinds(encodeModel({ nodes: [{ op: 'Identity' }] }))).toEqual(['reshape']);
});

test('every node knows the ONNX nodes that it stands for', () => {
  const bytes = encodeModel({
    opset: 9,
    nodes: [
      { op: 'ReduceMean', name: 'mean', outputs: ['m'], attributes: [int('keepdims', 0)] },
      { op: 'Softmax', name: 'soft', inputs: ['x'] },
    ],
    inputs: [valueInfo('x', [1, 2, 3, 4])],
  });
  const graph = canonicalize.run(importOnnx(bytes));
  expect(graph.nodes.map(({ name, op, origin }) => [name, op.kind, ...origin])).toEqual([
    ['soft~reshape', 'reshape', 'soft'],
    ['soft~softmax', 'softmax', 'soft'],
    ['soft', 'reshape', 'soft'],
  ]);
});

test('constants that are not numbers are let be where the output does not need them', () => {
  const bytes = encodeModel({
    nodes: [{ op: 'Add', inputs: ['x', 'w'], outputs: ['t'] }, { op: 'Relu' }],
    initializers: [floatTensor('w', [1], [Number.NaN])],
  });
  expect(kinds(bytes)).toEqual(['clip']);
});
