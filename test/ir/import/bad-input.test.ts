/** Every way in which an ONNX file can be wrong has a message that says where, what, and what to do. */
import proto, { type onnx } from 'onnx-proto';
import { expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { largestFile } from '../../../src/ir/import/proto.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import {
  encodeModel,
  float,
  floatTensor,
  int,
  ints,
  intTensor,
  type ModelSpec,
  text,
  valueInfo,
} from '../../support/onnx-model.ts';
import { readBytes, root } from '../../support/shared.ts';

const compile = (bytes: Uint8Array) => canonicalize.run(importOnnx(bytes, { name: 'model.onnx' }));

function messageOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof InputError) return error.message;
    throw error;
  }
  throw new Error('accepted');
}

const relu = { op: 'Relu', name: 'r' };
const weights = (dims: readonly number[], dataType: number, rest: onnx.ITensorProto): onnx.ITensorProto => ({
  name: 'w',
  dims: [...dims],
  dataType,
  ...rest,
});
const added = (w: onnx.ITensorProto): ModelSpec => ({
  nodes: [{ op: 'Add', name: 'a', inputs: ['x', 'w'] }],
  initializers: [w],
});

const models: Readonly<Record<string, readonly [ModelSpec, RegExp]>> = {
  'no opset': [{ opset: undefined, nodes: [relu] }, /^model\.onnx: no opset .*opset 1 to 25; export with/],
  'an opset of the future': [
    { opset: 26, nodes: [relu] },
    /^model\.onnx: opset 26; supported: opset 1 to 25/,
  ],
  'an opset older than the operator': [
    { opset: 4, nodes: [{ op: 'Reshape', name: 'old' }] },
    /^node 'old' \(Reshape\): Reshape of opset 4; supported: opset 5 to 25; export with opset_version=17/,
  ],
  'several obstacles, all of which are named, by kind, with a count of those that are alike': [
    {
      nodes: [
        { op: 'Relu', name: 'custom', domain: 'com.example', outputs: ['a'] },
        { op: 'Flatten', name: 'f', outputs: ['b'], attributes: [float('axis', 1)] },
        { op: 'Det', name: 'l', inputs: ['a'], outputs: ['c'] },
        { op: 'Add', name: 'sum', inputs: ['b', 'c'], outputs: ['d'] },
        { op: 'MaxPool', name: 'p', outputs: ['e'], attributes: [ints('kernel_shape', [2])] },
        { op: 'Det', name: 'm', inputs: ['d'], outputs: ['g'] },
        { op: 'Concat', name: 'j', inputs: ['e', 'g', 'x'], attributes: [int('axis', 0)] },
        { op: 'Loop', name: 'dead', outputs: ['unread'] },
      ],
    },
    new RegExp(
      [
        '^model.onnx: 4 obstacles to compiling',
        '  operators without a counterpart here: write the layers .*',
        "    node 'custom' \\(com.example.Relu\\): Relu is not supported",
        "    node 'l' \\(Det\\) and 1 more: Det is not supported",
        '  attributes',
        "    node 'f' \\(Flatten\\): attribute 'axis' is of kind float; supported: int; .*",
        '  shapes',
        "    node 'p' \\(MaxPool\\): .*$",
      ].join('\n'),
    ),
  ],
  'an operator for which there is advice': [
    { nodes: [{ op: 'SequenceAt', name: 's' }] },
    /^node 's' \(SequenceAt\): SequenceAt is not supported; lists have lengths that depend on data: index/,
  ],
  'an unsupported operator without a name': [{ nodes: [{ op: 'Det' }] }, /^node 'Det_0' \(Det\): Det is/],
  'a tensor that two nodes make': [
    { nodes: [{ ...relu }, { op: 'Relu', name: 's' }] },
    /^node 's' \(Relu\): its output 'y' is also made by node 'r'/,
  ],
  'a node that makes an input': [
    { nodes: [{ ...relu, outputs: ['x'] }] },
    /^node 'r' .*'x' is also an input/,
  ],
  'a node that makes an initializer': [
    { nodes: [{ ...relu, outputs: ['w'] }], initializers: [floatTensor('w', [1], [0])] },
    /^node 'r' .*'w' is also an input or constant/,
  ],
  'two initializers of one name': [
    { nodes: [relu], initializers: [floatTensor('w', [1], [0]), floatTensor('w', [1], [0])] },
    /^initializer 'w': two of that name/,
  ],
  'two inputs of one name': [
    { nodes: [relu], inputs: [valueInfo('x', [1, 4]), valueInfo('x', [1, 4])] },
    /^input 'x': two of that name/,
  ],
  'an input without a name': [{ nodes: [relu], inputs: [valueInfo('', [1])] }, /input without a name/],
  'a cycle': [
    {
      nodes: [
        { op: 'Add', name: 'a', inputs: ['x', 'v'], outputs: ['u'] },
        { op: 'Relu', name: 'b', inputs: ['u'], outputs: ['v'] },
        { op: 'Relu', name: 'c', inputs: ['v'] },
      ],
    },
    /^node 'a' \(Add\): a cycle/,
  ],
  'a node that feeds itself': [{ nodes: [{ ...relu, inputs: ['y'] }] }, /^node 'r' \(Relu\): a cycle/],
  'an input that no node makes (a missing initializer)': [
    { nodes: [{ op: 'Add', name: 'a', inputs: ['x', 'w'] }] },
    /^node 'a' \(Add\): its input 'w' is not an input, an initializer or a node's output; .*export it again/,
  ],
  'no outputs': [{ nodes: [relu], outputs: [] }, /^model\.onnx: a graph without outputs/],
  'an output that no node makes': [{ nodes: [relu], outputs: ['z'] }, /^output 'z': no node makes it/],
  'a missing required input': [
    { nodes: [{ op: 'Add', name: 'a' }] },
    /^node 'a' \(Add\): input 1 \(B\) is missing/,
  ],
  'a dynamic axis other than the batch': [
    { nodes: [relu], inputs: [valueInfo('x', ['n', 3, 'height', 32])] },
    /^axis 2 of input 'x': a dynamic size, 'height'; supported: .*; write --axis height=N with its size/,
  ],
  'an input of strings': [
    { nodes: [relu], inputs: [valueInfo('x', [1], 8)] },
    /^input 'x': elements of type string/,
  ],
  'an input of no type': [{ nodes: [relu], inputs: [{ name: 'x' }] }, /^input 'x': no tensor type/],
  'too much raw data': [
    added(weights([2], 1, { rawData: new Uint8Array(9) })),
    /^tensor 'w': 9 bytes of data; supported: 8, as its shape says; .*export it again/,
  ],
  'too few floats': [added(floatTensor('w', [4], [1, 2])), /^tensor 'w': 2 elements of data; supported: 4/],
  'a negative size': [added(floatTensor('w', [-4], [1, 2])), /^tensor 'w': shape \[-4\]/],
  'a shape beyond memory': [
    added(floatTensor('w', [2 ** 31, 2 ** 31], [])),
    /^tensor 'w': shape \[2147483648, /,
  ],
  'weights of 4 bits beside floats': [
    added(weights([1], 21, { int32Data: [1] })),
    /^node 'a' \(Add\): inputs of type float32 and uint8/,
  ],
  'unsigned weights beside floats': [
    added(weights([1], 4, { int32Data: [1] })),
    /^node 'a' \(Add\): inputs of type float32 and uint16/,
  ],
  'an element type of the future': [
    added(weights([1], 99, {})),
    /^tensor 'w': elements of type element type 99/,
  ],
  'a tensor in segments': [
    added(weights([1], 1, { segment: { begin: 0, end: 1 } })),
    /^tensor 'w': a tensor in segments/,
  ],
  'an attribute of another kind': [
    { nodes: [{ op: 'Flatten', name: 'f', attributes: [float('axis', 1)] }] },
    /^node 'f' \(Flatten\): attribute 'axis' is of kind float; supported: int/,
  ],
  'an attribute given twice': [
    { nodes: [{ op: 'Flatten', name: 'f', attributes: [int('axis', 1), int('axis', 2)] }] },
    /^node 'f' \(Flatten\): attribute 'axis' twice/,
  ],
  'a reshape that does not fit': [
    {
      nodes: [{ op: 'Reshape', name: 'f', inputs: ['x', 's'] }],
      initializers: [intTensor('s', [2], [3, -1])],
    },
    /^node 'f' \(Reshape\): a reshape of 1x4 to \[3, -1\]/,
  ],
  'a division of shapes by 0': [
    {
      nodes: [{ op: 'Div', name: 'd', inputs: ['s', 'z'] }],
      initializers: [intTensor('s', [1], [3]), intTensor('z', [1], [0])],
    },
    /^node 'd' \(Div\): 3 \/ 0 in integers/,
  ],
  'a constant beyond memory': [
    {
      nodes: [{ op: 'ConstantOfShape', name: 'c', inputs: ['s'] }],
      initializers: [intTensor('s', [2], [1e6, 1e6])],
    },
    /^node 'c' \(ConstantOfShape\): an output of shape 1000000x1000000/,
  ],
  'a constant that takes long to compute': [
    {
      nodes: [{ op: 'ConstantOfShape', name: 'c', inputs: ['s'] }],
      initializers: [intTensor('s', [2], [5e3, 5e3])],
    },
    /^node 'c' \(ConstantOfShape\): a constant computed from and to 25000002 elements; supported: 16777216/,
  ],
  'a constant of no number': [
    {
      nodes: [
        {
          op: 'ConstantOfShape',
          name: 'c',
          inputs: ['s'],
          attributes: [
            {
              name: 'value',
              type: proto.onnx.AttributeProto.AttributeType.TENSOR,
              t: floatTensor('v', [0], []),
            },
          ],
        },
      ],
      initializers: [intTensor('s', [1], [2])],
    },
    /^node 'c' .*its value has shape 0; supported: a single number/,
  ],
  'a window larger than the image': [
    {
      nodes: [{ op: 'MaxPool', name: 'p', attributes: [ints('kernel_shape', [5, 5])] }],
      inputs: [valueInfo('x', [1, 1, 4, 4])],
    },
    /^node 'p' \(MaxPool\): a window of 5 on an axis of 4 \+ 0 padding/,
  ],
  'a stride of 0': [
    {
      nodes: [{ op: 'MaxPool', name: 'p', attributes: [ints('kernel_shape', [2]), ints('strides', [0])] }],
      inputs: [valueInfo('x', [1, 1, 4])],
    },
    /^node 'p' \(MaxPool\): strides \[0\]; supported: 1 integers of 1 or more/,
  ],
  'four spatial axes': [
    {
      nodes: [{ op: 'MaxPool', name: 'p', attributes: [ints('kernel_shape', [1, 1, 1, 1])] }],
      inputs: [valueInfo('x', [1, 1, 2, 2, 2, 2])],
    },
    /^node 'p' \(MaxPool\): 4 spatial axes; supported: 1, 2 or 3/,
  ],
  'an unknown auto_pad': [
    { nodes: [{ op: 'MaxPool', name: 'p', attributes: [text('auto_pad', 'SOME')] }] },
    /^node 'p' \(MaxPool\): auto_pad 'SOME'; supported: NOTSET, SAME_UPPER/,
  ],
  'a second output that is used': [
    {
      nodes: [
        { op: 'MaxPool', name: 'p', outputs: ['t', 'i'], attributes: [ints('kernel_shape', [2])] },
        { op: 'Identity', inputs: ['i'] },
      ],
      inputs: [valueInfo('x', [1, 1, 4])],
    },
    /^node 'p' \(MaxPool\): a second output, the places of the largest elements; supported: the first output alone/,
  ],
  'batch normalization in training mode': [
    {
      opset: 14,
      nodes: [{ op: 'BatchNormalization', name: 'b', attributes: [int('training_mode', 1)] }],
    },
    /^node 'b' \(BatchNormalization\): batch normalization in training mode; supported: inference; call model\.eval\(\)/,
  ],
  'an input without a shape': [
    { nodes: [relu], inputs: [valueInfo('x', undefined)] },
    /^input 'x': no shape/,
  ],
  'integer images': [
    { nodes: [relu], inputs: [valueInfo('x', [1, 4], 6)] },
    /^node 'r' \(Relu\): activations of type int32; supported: float32/,
  ],
  'an output that ignores the input': [
    { nodes: [{ op: 'Relu', inputs: ['w'] }], initializers: [floatTensor('w', [1, 4], [1, 2, 3, 4])] },
    /^output 'y': a constant/,
  ],
  'the input as output': [{ outputs: ['x'] }, /^output 'x': the input itself/],
  'weights that are not numbers': [
    added(floatTensor('w', [4], [1, 2, Number.NaN, 4])),
    /^node 'a' \(add\): NaN in its constant 'w' \(element 2 of 4\)/,
  ],
  'infinite weights': [
    added(floatTensor('w', [1], [Infinity])),
    /^node 'a' \(add\): Infinity in its constant 'w'/,
  ],
  'weights that are an activation': [
    {
      nodes: [
        { op: 'Relu', name: 'r', outputs: ['t'] },
        { op: 'Conv', name: 'c', inputs: ['x', 't'] },
      ],
      inputs: [valueInfo('x', [1, 1, 3, 3])],
    },
    /^node 'c' \(Conv\): its weight tensor W is computed from the network's input; supported: a constant/,
  ],
  'arithmetic of activations that has no kernel': [
    { nodes: [{ op: 'Mod', name: 'm', inputs: ['x', 'x'], attributes: [int('fmod', 1)] }] },
    /^node 'm' \(Mod\): a remainder of activations of type float32; supported: int32 and int64, by constants above 0; write x - y/,
  ],
  'a shape that depends on the input': [
    {
      nodes: [
        { op: 'Cast', name: 'i', outputs: ['s'], attributes: [int('to', 7)] },
        { op: 'Reshape', name: 'f', inputs: ['x', 's'] },
      ],
    },
    /^ {4}node 'i' \(Cast\): a Cast of activations from float32 to int64.*\n {4}node 'f' \(Reshape\): its shape is computed/m,
  ],
  'dropout in training mode': [
    {
      nodes: [{ op: 'Dropout', name: 'd', inputs: ['x', '', 't'] }],
      initializers: [weights([], 9, { name: 't', int32Data: [1] })],
    },
    /^node 'd' \(Dropout\): dropout in training mode/,
  ],
  'a used dropout mask': [
    {
      nodes: [
        { op: 'Dropout', name: 'd', outputs: ['t', 'mask'] },
        { op: 'Cast', name: 'c', inputs: ['mask'], attributes: [int('to', 1)] },
      ],
    },
    /^node 'c' \(Cast\): its input tensor 'mask' has no canonical form/,
  ],
};

for (const [name, [spec, message]] of Object.entries(models))
  test(name, () => {
    expect(messageOf(() => compile(encodeModel(spec)))).toMatch(message);
  });

test('an empty file', () => {
  expect(messageOf(() => compile(new Uint8Array()))).toMatch(
    /^model\.onnx: an empty file; supported: a complete ONNX model; export/,
  );
});

test('zeros, also half a gigabyte of them, without reading them all', () => {
  const noGraph = /^model\.onnx: a protobuf message without a graph/;
  expect(messageOf(() => compile(new Uint8Array(64)))).toMatch(noGraph);
  expect(messageOf(() => compile(Buffer.alloc(500_000_000)))).toMatch(
    /^model\.onnx: 477 MiB; supported: up to 256 MiB/,
  );
  expect(messageOf(() => compile(Buffer.alloc(largestFile)))).toMatch(noGraph);
});

test('another kind of file', () => {
  expect(messageOf(() => compile(readBytes(`${root}/package.json`)))).toMatch(/^model\.onnx: /);
});

test('a model without a graph', () => {
  const bytes = proto.onnx.ModelProto.encode({ irVersion: 7, producerName: 'nobody' }).finish();
  expect(messageOf(() => compile(bytes))).toMatch(/^model\.onnx: a protobuf message without a graph/);
});

test('a truncated model', () => {
  const whole = readBytes(`${root}/models/lenet5.onnx`);
  expect(messageOf(() => compile(whole.subarray(0, 100_000)))).toMatch(
    /^model\.onnx: bytes that do not decode .*a complete ONNX model; export it again/,
  );
});

test('subgraphs nested beyond the stack', () => {
  // Encoding recurses too, so the nesting is wrapped around by hand: attribute 5 of node 1 holds graph 6.
  let bytes: Uint8Array = proto.onnx.GraphProto.encode({ name: 'inner' }).finish();
  const field = (tag: number, body: Uint8Array) =>
    Buffer.concat([Uint8Array.of(tag * 8 + 2, ...varint(body.length)), body]);
  for (let depth = 0; depth < 5000; depth++) bytes = field(1, field(5, field(6, bytes)));
  expect(messageOf(() => compile(field(7, bytes)))).toMatch(/^model\.onnx: /);
});

function varint(n: number): number[] {
  return n < 128 ? [n] : [(n % 128) + 128, ...varint(Math.floor(n / 128))];
}

test('a sparse initializer with a place outside of its shape', () => {
  const model = proto.onnx.ModelProto.decode(encodeModel({ nodes: [{ op: 'Add', inputs: ['x', 'w'] }] }));
  const indices = { dims: [1], dataType: 7, int64Data: [4] };
  model.graph!.sparseInitializer = [{ values: floatTensor('w', [1], [1]), indices, dims: [4] }];
  expect(messageOf(() => compile(proto.onnx.ModelProto.encode(model).finish()))).toMatch(
    /^tensor 'w': an index 4; supported: 0 to 3/,
  );
});

test('a name of a made-up tensor that is taken', () => {
  const product: ModelSpec = {
    nodes: [{ op: 'MatMul', name: 'm', inputs: ['y~w', 'w'] }],
    inputs: [valueInfo('y~w', [1, 1])],
    initializers: [floatTensor('w', [1, 1], [1])],
  };
  expect(messageOf(() => compile(encodeModel(product)))).toMatch(
    /^node 'm' \(MatMul\): the name of tensor 'y~w' is taken/,
  );
});
