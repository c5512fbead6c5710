/** Functions of a file and branches of constant conditions, held to the same network written flat. */
import proto, { type onnx } from 'onnx-proto';
import { expect, test } from 'vitest';
import { verifyGraph } from '../../../src/ir/graph/check.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import {
  encodeModel,
  float,
  floatTensor,
  graph,
  type ModelSpec,
  type NodeSpec,
  nodeProto,
  valueInfo,
} from '../../support/onnx-model.ts';

const x = floats([1, 4], Float32Array.of(-2, -0.5, 1, 3));

function outputOf(spec: ModelSpec): readonly number[] {
  const imported = importOnnx(encodeModel(spec));
  verifyGraph(imported);
  const [y] = evaluate(imported, new Map([['x', x]])).values();
  return [...y!.data];
}

const reference = (name: string, refAttrName: string): onnx.IAttributeProto => ({
  name,
  refAttrName,
  type: 1,
});

const made = (
  name: string,
  nodes: readonly NodeSpec[],
  more: Partial<onnx.IFunctionProto> = {},
): onnx.IFunctionProto => ({
  name,
  domain: 'my.own',
  input: ['x'],
  output: ['y'],
  opsetImport: [{ domain: '', version: 13 }],
  node: nodes.map(nodeProto),
  ...more,
});

const call = (op: string, more: Partial<NodeSpec> = {}): NodeSpec => ({ op, domain: 'my.own', ...more });

/** max(x, 0) + 2 x, with a tensor 't' inside. */
const twice = made('Twice', [
  { op: 'Relu', outputs: ['t'] },
  { op: 'Add', inputs: ['x', 'x'], outputs: ['u'] },
  { op: 'Add', inputs: ['t', 'u'] },
]);

test('a function stands in the place of each of its calls, its names apart', () => {
  const nodes = [
    { op: 'Add', inputs: ['x', 'x'], outputs: ['t'] },
    call('Twice', { name: 'a', inputs: ['t'], outputs: ['a'] }),
    call('Twice', { name: 'b', inputs: ['a'], outputs: ['b'] }),
    { op: 'Add', inputs: ['b', 't'] },
  ];
  expect(outputOf({ nodes, functions: [twice] })).toEqual([-20, -5, 20, 60]);
  const names = importOnnx(encodeModel({ nodes, functions: [twice] })).nodes.map(({ name }) => name);
  expect(new Set(names).size).toBe(8);
  expect(names).toContain('a/Relu_0');
});

test('functions call functions, in the opset of each, with attributes of the call', () => {
  const leaky = made(
    'Between',
    [{ op: 'Clip', attributes: [reference('min', 'least'), reference('max', 'most')] }],
    { attribute: ['least', 'most'], opsetImport: [{ domain: '', version: 6 }] },
  );
  const outer = made(
    'Outer',
    [
      call('Between', { outputs: ['t'], attributes: [float('least', -1), reference('most', 'limit')] }),
      { op: 'Add', inputs: ['t', 'x'] },
    ],
    { attribute: ['limit'] },
  );
  const nodes = [call('Outer', { attributes: [float('limit', 2)] })];
  expect(outputOf({ nodes, functions: [outer, leaky] })).toEqual([-3, -1, 2, 5]);
  // Without the attribute Clip has no upper bound.
  expect(outputOf({ nodes: [call('Outer')], functions: [outer, leaky] })).toEqual([-3, -1, 2, 6]);
});

test('an output that is an input, and one that comes twice', () => {
  const same = made('Same', [{ op: 'Relu', outputs: ['t'] }], { output: ['x', 't', 't'] });
  const nodes = [
    call('Same', { outputs: ['a', 'b', 'c'] }),
    { op: 'Add', inputs: ['a', 'b'], outputs: ['d'] },
    { op: 'Add', inputs: ['d', 'c'] },
  ];
  expect(outputOf({ nodes, functions: [same] })).toEqual([-2, -0.5, 3, 9]);
});

test('a function that calls itself is refused', () => {
  const nodes = [call('Self', { name: 's' })];
  const self = made('Self', [call('Self')]);
  expect(() => outputOf({ nodes, functions: [self] })).toThrow(
    /^node 's\/Self_0' .*a function that calls itself/,
  );
});

/** if (x has more than two axes) then else, in a network that reads `t` around both. */
const branches = (
  dims: readonly number[],
  then: onnx.IAttributeProto,
  other: onnx.IAttributeProto,
): ModelSpec => ({
  nodes: [
    { op: 'Relu', outputs: ['t'] },
    { op: 'Shape', outputs: ['s'] },
    { op: 'Size', inputs: ['s'], outputs: ['rank'] },
    { op: 'Greater', inputs: ['rank', 'two'], outputs: ['c'] },
    { op: 'If', name: 'if', inputs: ['c'], attributes: [then, other] },
  ],
  initializers: [{ name: 'two', dims: [], dataType: 7, int64Data: [2] }],
  inputs: [valueInfo('x', dims)],
});

test('a branch that shapes choose stands in the place of its If; the other may hold anything', () => {
  const more = graph(
    'else_branch',
    [
      { op: 'Add', inputs: ['t', 'w'], outputs: ['s'] },
      { op: 'Add', inputs: ['s', 'x'], outputs: ['out'] },
    ],
    ['out'],
    [floatTensor('w', [1], [10])],
  );
  const unknown = graph('then_branch', [{ op: 'Loop', outputs: ['out'] }], ['out']);
  const spec = branches([1, 4], unknown, more);
  expect(outputOf(spec)).toEqual([8, 9.5, 12, 16]);
  expect(canonicalize.run(importOnnx(encodeModel(spec))).nodes.map(({ op }) => op.kind)).toEqual([
    'clip',
    'add',
    'add',
  ]);
  const outside = graph('else_branch', [], ['t']);
  expect(outputOf(branches([1, 4], unknown, outside))).toEqual([0, 0, 1, 3]);
});

test('a branch within a branch, in a function', () => {
  const inner = graph('then_branch', [{ op: 'Add', inputs: ['x', 'own'], outputs: ['z'] }], ['z']);
  const empty = graph('else_branch', [], ['x']);
  const outer = graph(
    'then_branch',
    [
      { op: 'Relu', outputs: ['own'] },
      { op: 'If', inputs: ['yes'], outputs: ['z'], attributes: [inner, empty] },
    ],
    ['z'],
  );
  const f = made('F', [
    { op: 'Constant', inputs: [], outputs: ['yes'], attributes: [float('value_float', 1)] },
    { op: 'If', inputs: ['yes'], attributes: [outer, empty] },
  ]);
  expect(outputOf({ nodes: [call('F')], functions: [f] })).toEqual([-2, -0.5, 2, 6]);
});

test('a condition that the input decides is refused', () => {
  const nodes = [
    { op: 'If', name: 'if', attributes: [graph('then_branch', [], ['x']), graph('else_branch', [], ['x'])] },
  ];
  expect(() => canonicalize.run(importOnnx(encodeModel({ nodes })))).toThrow(
    /^node 'if' \(If\): a condition that depends on the network's input; supported: .*torch\.where/,
  );
});

test('a default of an attribute, in a field that is newer than the schema of the reader', () => {
  const f = made('F', [{ op: 'Clip', attributes: [reference('max', 'limit')] }], {
    opsetImport: [{ domain: '', version: 6 }],
  });
  const bytes = encodeModel({ nodes: [call('F')] });
  const attribute = proto.onnx.AttributeProto.encode(float('limit', 2)).finish();
  const field = (number: number, body: Uint8Array): Buffer =>
    Buffer.concat([encodedKey(number, body.length), body]);
  const body = Buffer.concat([proto.onnx.FunctionProto.encode(f).finish(), field(11, attribute)]);
  const graphOf = importOnnx(Buffer.concat([bytes, field(25, body)]));
  expect([...evaluate(graphOf, new Map([['x', x]])).get('y')!.data]).toEqual([-2, -0.5, 1, 2]);
});

function encodedKey(number: number, length: number): Buffer {
  const varint = (n: number): number[] => (n < 128 ? [n] : [(n % 128) + 128, ...varint(Math.floor(n / 128))]);
  return Buffer.from([...varint(number * 8 + 2), ...varint(length)]);
}

test('branches nested deeply end in a graph or a refusal', () => {
  for (const depth of [10, 200]) {
    let inner = graph('then_branch', [{ op: 'Relu', outputs: ['z'] }], ['z']);
    for (let i = 0; i < depth; i++)
      inner = graph(
        'then_branch',
        [{ op: 'If', inputs: ['yes'], outputs: ['z'], attributes: [inner] }],
        ['z'],
      );
    const nodes = [
      { op: 'Constant', inputs: [], outputs: ['yes'], attributes: [float('value_float', 1)] },
      { op: 'If', inputs: ['yes'], attributes: [inner] },
    ];
    if (depth < 100) expect(outputOf({ nodes })).toEqual([0, 0, 1, 3]);
    else expect(() => outputOf({ nodes })).toThrow(/subgraphs nested 101 deep; supported: up to 100/);
  }
});

test('a condition behind an operator that is refused is no obstacle of its own', () => {
  const nodes = [
    { op: 'Det', name: 'l', outputs: ['t'] },
    { op: 'Size', inputs: ['t'], outputs: ['c'] },
    {
      op: 'If',
      inputs: ['c'],
      attributes: [graph('then_branch', [], ['x']), graph('else_branch', [], ['t'])],
    },
  ];
  expect(importOnnx(encodeModel({ nodes })).obstacles?.map(({ node }) => node?.name)).toEqual(['l']);
});

test('functions that call the next one many times end in a refusal', () => {
  const functions = Array.from({ length: 30 }, (_, i) =>
    made(`F${i}`, [call(`F${i + 1}`, { outputs: ['t'] }), call(`F${i + 1}`, { inputs: ['t'] })]),
  );
  const last = made('F30', [{ op: 'Relu' }]);
  expect(() => outputOf({ nodes: [call('F0')], functions: [...functions, last] })).toThrow(
    /more than 65536 nodes/,
  );
});
