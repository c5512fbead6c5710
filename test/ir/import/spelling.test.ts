/** The same network in the many ways in which files write it. */
import proto, { type onnx } from 'onnx-proto';
import { expect, test } from 'vitest';
import { verifyGraph } from '../../../src/ir/graph/check.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { encodeModel, floatTensor, int, type ModelSpec, valueInfo } from '../../support/onnx-model.ts';

const code = proto.onnx.TensorProto.DataType;

const plain: ModelSpec = {
  nodes: [
    { op: 'Add', inputs: ['x', 'w'], outputs: ['t'] },
    { op: 'Relu', inputs: ['t'] },
  ],
  initializers: [floatTensor('w', [4], [0, 1.5, 0, -2])],
};

/** What it makes of 1, -1, -3, 4.1, in canonical form. */
function outputOf(bytes: Uint8Array): { readonly y: readonly number[]; readonly notes: readonly string[] } {
  const graph = importOnnx(bytes, { name: 'net' });
  verifyGraph(graph);
  const float = canonicalize.run(graph);
  verifyGraph(float);
  const [input = ''] = float.inputs;
  const made = evaluate(float, new Map([[input, floats([1, 4], Float32Array.of(1, -1, -3, 4.1))]]));
  return { y: [...[...made.values()][0]!.data], notes: graph.notes ?? [] };
}

const wanted = [1, 0.5, 0, Math.fround(Math.fround(4.1) - 2)];

/** The model's message, changed. */
function edited(spec: ModelSpec, change: (model: onnx.ModelProto) => void): Uint8Array {
  const model = proto.onnx.ModelProto.decode(encodeModel(spec));
  change(model);
  return proto.onnx.ModelProto.encode(model).finish();
}

const silent: Readonly<Record<string, Uint8Array>> = {
  plain: encodeModel(plain),
  'the default domain spelled out, and other domains that nothing is of': edited(plain, (model) => {
    model.opsetImport = ['com.microsoft', 'ai.onnx'].map((domain) => ({ domain, version: 13 }));
    for (const node of model.graph!.node!) node.domain = 'ai.onnx';
  }),
  'the newest and the oldest IR version': edited(plain, (model) => {
    model.irVersion = 13;
  }),
  'omitted inputs at the end': encodeModel({
    ...plain,
    nodes: [
      { op: 'Add', inputs: ['x', 'w', '', ''], outputs: ['t', ''] },
      { op: 'Relu', inputs: ['t', ''] },
    ],
  }),
  'names of any characters, the same for two nodes': encodeModel({
    nodes: [
      { op: 'Add', name: 'é\n"\\', inputs: ['ein/gabe: 0', '__proto__'], outputs: ['a b'] },
      { op: 'Relu', name: 'é\n"\\', inputs: ['a b'], outputs: ['constructor'] },
    ],
    initializers: [{ ...plain.initializers![0], name: '__proto__' }],
    inputs: [valueInfo('ein/gabe: 0', [1, 4])],
    outputs: ['constructor'],
  }),
  'unused parts of any kind, and types that are not true': edited(plain, (model) => {
    const graph = model.graph!;
    graph.initializer!.push({
      name: 'text',
      dims: [1],
      dataType: code.STRING,
      stringData: [Uint8Array.of(97)],
    });
    graph.initializer!.push({ name: 'wide', dims: [2], dataType: code.UINT64, uint64Data: [1, 2] });
    graph.node!.push({ opType: 'StringNormalizer', name: 's', input: ['text'], output: ['normal'] });
    graph.valueInfo = [valueInfo('t', [7, 7], code.INT8), valueInfo('nothing', undefined)];
    graph.output = [valueInfo('y', [3], code.STRING)];
  }),
  'tensors of no elements among others': encodeModel({
    ...plain,
    nodes: [
      { op: 'Concat', inputs: ['none', 'x', 'none'], outputs: ['c'], attributes: [int('axis', 1)] },
      { op: 'Add', inputs: ['c', 'w'], outputs: ['t'] },
      { op: 'Relu', inputs: ['t'] },
    ],
    initializers: [...plain.initializers!, floatTensor('none', [1, 0], [])],
  }),
  'sparse weights at flat places': edited({ ...plain, initializers: [] }, (model) => {
    model.graph!.sparseInitializer = [
      {
        values: floatTensor('w', [2], [1.5, -2]),
        indices: { dims: [2], dataType: code.INT64, int64Data: [1, 3] },
        dims: [4],
      },
    ];
  }),
  'sparse weights at rows of places': edited({ ...plain, initializers: [] }, (model) => {
    model.graph!.sparseInitializer = [
      {
        values: floatTensor('w', [2], [1.5, -2]),
        indices: { dims: [2, 2], dataType: code.INT64, int64Data: [0, 1, 0, 3] },
        dims: [1, 4],
      },
    ];
  }),
};

test.each(Object.entries(silent))('%s', (_, bytes) => {
  expect(outputOf(bytes)).toEqual({ y: wanted, notes: [] });
});

test('outputs that nothing reads: what an operator does not make is left out, how many there are counts', () => {
  const more = encodeModel({
    nodes: [{ op: 'Relu', outputs: ['y', 'more'] }],
    inputs: [valueInfo('x', [1, 1, 4])],
  });
  expect(importOnnx(more).nodes[0]?.outputs).toEqual(['y']);
  const parts = encodeModel({
    nodes: [{ op: 'Split', outputs: ['y', 'rest'], attributes: [int('axis', 1)] }],
  });
  expect(importOnnx(parts).tensors.get('y')?.shape).toEqual([1, 2]);
});

test('before IR version 3 there is no opset: it is the first', () => {
  const old = edited({ nodes: [{ op: 'Relu' }] }, (model) => {
    model.irVersion = 2;
    model.opsetImport = [];
  });
  expect(importOnnx(old).opset).toBe(1);
  expect(outputOf(old).y).toEqual([1, 0, 0, Math.fround(4.1)]);
});

const note = (type: string): string => `the model computes in ${type}; here all of it is float32`;

test('a float16 network with casts at its ends', () => {
  const bytes = encodeModel({
    nodes: [
      { op: 'Cast', outputs: ['h'], attributes: [int('to', code.FLOAT16)] },
      { op: 'Add', inputs: ['h', 'w'], outputs: ['t'] },
      { op: 'Relu', inputs: ['t'], outputs: ['r'] },
      { op: 'Cast', inputs: ['r'], attributes: [int('to', code.FLOAT)] },
    ],
    initializers: [{ name: 'w', dims: [4], dataType: code.FLOAT16, int32Data: [0, 0x3e00, 0, 0xc000] }],
  });
  expect(outputOf(bytes)).toEqual({ y: wanted, notes: [note('float16')] });
});

test.each([
  ['FLOAT16', [0, 0x3e00, 0, 0xc000], 'float16'],
  ['BFLOAT16', [0, 0x3fc0, 0, 0xc000], 'bfloat16'],
] as const)('%s all through', (type, int32Data, name) => {
  const bytes = encodeModel({
    ...plain,
    inputs: [valueInfo('x', [1, 4], code[type])],
    initializers: [{ name: 'w', dims: [4], dataType: code[type], int32Data: [...int32Data] }],
  });
  expect(outputOf(bytes)).toEqual({ y: wanted, notes: [note(name)] });
});

test('a float64 network, and one in a float32 network', () => {
  const initializers = [{ name: 'w', dims: [4], dataType: code.DOUBLE, doubleData: [0, 1.5, 0, -2] }];
  const all = encodeModel({ ...plain, inputs: [valueInfo('x', [1, 4], code.DOUBLE)], initializers });
  expect(outputOf(all)).toEqual({ y: wanted, notes: [note('float64')] });
  const inside = encodeModel({
    nodes: [
      { op: 'Cast', outputs: ['d'], attributes: [int('to', code.DOUBLE)] },
      { op: 'Add', inputs: ['d', 'w'], outputs: ['t'] },
      { op: 'Cast', inputs: ['t'], outputs: ['f'], attributes: [int('to', code.FLOAT)] },
      { op: 'Relu', inputs: ['f'] },
    ],
    initializers,
  });
  expect(outputOf(inside)).toEqual({ y: wanted, notes: [note('float64')] });
});

test('a cast to 16 bits rounds to the nearest number, ties to even', () => {
  const cast = (to: number, value: number): number => {
    const graph = importOnnx(
      encodeModel({
        nodes: [{ op: 'Cast', inputs: ['c'], attributes: [int('to', to)] }],
        initializers: [floatTensor('c', [], [value])],
      }),
    );
    return graph.tensors.get('y')!.constant!.data[0]!;
  };
  const halves = [1 + 2 ** -11, 1 + 3 * 2 ** -11, 2048 - 0.5, 65519, 65520, -(2 ** -25), 3 * 2 ** -25, -0.1];
  expect(halves.map((x) => cast(code.FLOAT16, x))).toEqual([
    1,
    1 + 2 ** -9,
    2048,
    65504,
    Infinity,
    -0,
    2 ** -23,
    -0.0999755859375,
  ]);
  const brains = [1 + 2 ** -8, 1 + 3 * 2 ** -8, -3e38];
  expect(brains.map((x) => cast(code.BFLOAT16, x))).toEqual([1, 1 + 2 ** -6, -226 * 2 ** 120]);
});
