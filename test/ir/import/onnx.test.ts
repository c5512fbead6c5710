import { expect, test } from 'vitest';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { randomTensor } from '../../support/float-tensors.ts';
import {
  encodeModel,
  float,
  floatTensor,
  int,
  ints,
  intTensor,
  type NodeSpec,
  valueInfo,
} from '../../support/onnx-model.ts';

const constantIn = (
  nodes: readonly NodeSpec[],
  initializers: Parameters<typeof encodeModel>[0]['initializers'] = [],
) =>
  importOnnx(encodeModel({ nodes, initializers, inputs: [valueInfo('x', ['batch', 3, 4, 5])] })).tensors.get(
    'y',
  )?.constant;

const int64 = (...values: number[]) => ({
  dtype: 'int64',
  shape: [values.length],
  data: Float64Array.from(values),
});

test('nodes without names are called by their type and place', () => {
  const nodes = [
    { op: 'Relu', outputs: ['a'] },
    { op: 'Relu', name: 'Relu_2', inputs: ['a'], outputs: ['b'] },
    { op: 'Relu', inputs: ['b'] },
  ];
  expect(importOnnx(encodeModel({ nodes })).nodes.map((node) => node.name)).toEqual([
    'Relu_0',
    'Relu_2',
    'Relu_2_2',
  ]);
});

test('nodes of one name get names of their own', () => {
  const nodes = [
    { op: 'Relu', name: 'r', outputs: ['a'] },
    { op: 'Relu', name: 'r', inputs: ['a'], outputs: ['b'] },
    { op: 'Relu', name: 'r_2', inputs: ['b'] },
  ];
  expect(importOnnx(encodeModel({ nodes })).nodes.map((node) => node.name)).toEqual(['r', 'r_3', 'r_2']);
});

test('nodes are put in an order of execution, and otherwise left as they stand; unused ones are left out', () => {
  const nodes = [
    { op: 'Relu', name: 'last', inputs: ['b'] },
    { op: 'Relu', name: 'first', outputs: ['a'] },
    { op: 'Relu', name: 'second', inputs: ['a'], outputs: ['b'] },
    { op: 'Relu', name: 'unused', outputs: ['c'] },
  ];
  const order = importOnnx(encodeModel({ nodes })).nodes.map((node) => node.name);
  expect(order).toEqual(['first', 'second', 'last']);
});

test('a chain longer than the stack is deep', () => {
  const nodes = Array.from({ length: 20_000 }, (_, i) => ({
    op: 'Relu',
    inputs: [i === 19_999 ? 'x' : `t${i + 1}`],
    outputs: [i === 0 ? 'y' : `t${i}`],
  }));
  expect(importOnnx(encodeModel({ nodes })).nodes).toHaveLength(20_000);
});

test('an initializer that is listed as an input is a constant', () => {
  const graph = importOnnx(
    encodeModel({
      nodes: [{ op: 'Add', inputs: ['x', 'w'] }],
      inputs: [valueInfo('x', [1, 4]), valueInfo('w', [4])],
      initializers: [floatTensor('w', [4], [1, 2, 3, 4])],
    }),
  );
  expect(graph.inputs).toEqual(['x']);
  expect(canonicalize.run(graph).nodes).toHaveLength(1);
});

test.each([
  ['a name', 'batch'],
  ['0', 0],
  ['-1', -1],
])('a dynamic batch, given as %s, is 1', (_, batch) => {
  const graph = importOnnx(encodeModel({ nodes: [{ op: 'Relu' }], inputs: [valueInfo('x', [batch, 4])] }));
  expect(graph.tensors.get('x')?.shape).toEqual([1, 4]);
  expect(graph.tensors.get('y')?.shape).toEqual([1, 4]);
});

test('x.view(x.size(0), -1) with a dynamic batch is a constant shape', () => {
  const graph = importOnnx(
    encodeModel({
      nodes: [
        { op: 'Shape', outputs: ['s'] },
        { op: 'Gather', inputs: ['s', 'zero'], outputs: ['n'] },
        { op: 'Unsqueeze', inputs: ['n', 'axes'], outputs: ['n1'] },
        { op: 'Concat', inputs: ['n1', 'rest'], outputs: ['to'], attributes: [int('axis', 0)] },
        { op: 'Reshape', inputs: ['x', 'to'] },
      ],
      inputs: [valueInfo('x', ['batch', 3, 4, 5])],
      initializers: [intTensor('zero', [], [0]), intTensor('axes', [1], [0]), intTensor('rest', [1], [-1])],
    }),
  );
  expect(graph.tensors.get('to')?.constant).toEqual(int64(1, -1));
  const float = canonicalize.run(graph);
  expect(float.nodes.map(({ op, attrs }) => [op.kind, attrs])).toEqual([['reshape', { shape: [1, 60] }]]);
});

test('arithmetic of shapes', () => {
  const s = { op: 'Shape', outputs: ['s'] };
  const two = intTensor('two', [1], [2]);
  const pair = (op: string) => constantIn([s, { op, inputs: ['s', 'two'] }], [two]);
  expect(constantIn([{ op: 'Shape' }])).toEqual(int64(1, 3, 4, 5));
  expect(pair('Add')).toEqual(int64(3, 5, 6, 7));
  expect(pair('Sub')).toEqual(int64(-1, 1, 2, 3));
  expect(pair('Mul')).toEqual(int64(2, 6, 8, 10));
  expect(pair('Div')).toEqual(int64(0, 1, 2, 2));
  const slice = (...at: number[]) => {
    const names = ['starts', 'ends', 'axes', 'steps'];
    const given = at.map((value, i) => intTensor(names[i]!, [1], [value]));
    return constantIn([s, { op: 'Slice', inputs: ['s', ...names.slice(0, at.length)] }], given);
  };
  expect(slice(1, 3)).toEqual(int64(3, 4));
  expect(slice(-2, 2 ** 62)).toEqual(int64(4, 5));
  expect(slice(-1, -(2 ** 62), 0, -2)).toEqual(int64(5, 3));
  expect(slice(-1, -(2 ** 62), 0, -1)).toEqual(int64(5, 4, 3, 1));
  expect(slice(3, 1)?.data).toHaveLength(0);
  expect(constantIn([s, { op: 'Cast', inputs: ['s'], attributes: [int('to', 1)] }])?.dtype).toBe('float32');
  expect(constantIn([s, { op: 'ConstantOfShape', inputs: ['two'] }], [two])).toEqual({
    ...{ dtype: 'float32', shape: [2], data: new Float32Array(2) },
  });
  expect(
    constantIn([s, { op: 'Unsqueeze', inputs: ['s', 'two'] }], [intTensor('two', [2], [0, -1])])?.shape,
  ).toEqual([1, 4, 1]);
  expect(constantIn([{ op: 'Shape' }].map((n) => ({ ...n, attributes: [int('start', -2)] })))).toEqual(
    int64(4, 5),
  );
});

test('before opset 13 axes are attributes', () => {
  const graph = importOnnx(
    encodeModel({
      opset: 9,
      nodes: [
        { op: 'Unsqueeze', outputs: ['u'], attributes: [ints('axes', [0, 3])] },
        { op: 'Squeeze', inputs: ['u'], outputs: ['q'], attributes: [ints('axes', [3])] },
        {
          op: 'Slice',
          inputs: ['q'],
          attributes: [ints('starts', [1]), ints('ends', [3]), ints('axes', [-1])],
        },
      ],
    }),
  );
  const [u, q, y] = ['u', 'q', 'y'].map((name) => graph.tensors.get(name)?.shape);
  expect([u, q, y]).toEqual([
    [1, 1, 4, 1],
    [1, 1, 4],
    [1, 1, 2],
  ]);
});

test('Clip has its bounds as attributes, then as inputs', () => {
  const x = new Map([['x', randomTensor([1, 4], 2)]]);
  const late = importOnnx(
    encodeModel({
      nodes: [{ op: 'Clip', inputs: ['x', '', 'hi'] }],
      initializers: [floatTensor('hi', [], [0])],
    }),
  );
  expect(canonicalize.run(late).nodes[0]?.attrs).toEqual({ lo: -Infinity, hi: 0 });
  expect([...evaluate(late, x).get('y')!.data].every((v) => v <= 0)).toBe(true);
  const both = encodeModel({
    nodes: [{ op: 'Clip', inputs: ['x', 'lo', 'hi'] }],
    initializers: [floatTensor('hi', [], [6]), floatTensor('lo', [1], [0])],
  });
  expect(canonicalize.run(importOnnx(both)).nodes[0]?.attrs).toEqual({ lo: 0, hi: 6 });
});

test('Clip with its bounds the wrong way round is the upper one everywhere', () => {
  const attributes = [float('min', 3), float('max', 1)];
  const graph = canonicalize.run(importOnnx(encodeModel({ opset: 9, nodes: [{ op: 'Clip', attributes }] })));
  expect(graph.nodes[0]?.attrs).toEqual({ lo: 1, hi: 1 });
});

test("the mask of Dropout is of the data's type before opset 10, and bool since", () => {
  const mask = (opset: number) =>
    importOnnx(
      encodeModel({ opset, nodes: [{ op: 'Dropout', outputs: ['y', 'mask'] }], outputs: ['y', 'mask'] }),
    ).tensors.get('mask')?.dtype;
  expect([7, 9, 10, 13].map(mask)).toEqual(['float32', 'float32', 'bool', 'bool']);
});

test('shapes that only the input can tell stay unknown, and can be evaluated', () => {
  const graph = importOnnx(
    encodeModel({
      nodes: [
        { op: 'Reshape', inputs: ['x', 's'], outputs: ['r'] },
        { op: 'Relu', inputs: ['r'] },
      ],
      inputs: [valueInfo('x', [1, 4]), valueInfo('s', [2], 7)],
    }),
  );
  expect(graph.tensors.get('y')).toEqual({});
  const s = { dtype: 'int64' as const, shape: [2], data: Float64Array.of(2, -1) };
  const given = new Map([
    ['x', randomTensor([1, 4], 2)],
    ['s', s],
  ]);
  expect(evaluate(graph, given).get('y')?.shape).toEqual([2, 2]);
});
