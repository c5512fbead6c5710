/** Each rule, broken once. */
import { expect, test } from 'vitest';
import { DefectError } from '../../../src/base/errors.ts';
import { verifyGraph } from '../../../src/ir/graph/check.ts';
import type { Graph, Node, TensorInfo } from '../../../src/ir/graph/graph.ts';
import type { CanonicalOp } from '../../../src/ir/graph/op.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { identity } from '../../../src/ir/ops/identity.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { encodeModel, floatTensor, ints, valueInfo } from '../../support/onnx-model.ts';

const good = canonicalize.run(
  importOnnx(
    encodeModel({
      nodes: [
        {
          op: 'Conv',
          name: 'c',
          inputs: ['x', 'w'],
          outputs: ['t'],
          attributes: [ints('pads', [1, 1, 1, 1])],
        },
        { op: 'Relu', name: 'r', inputs: ['t'] },
      ],
      inputs: [valueInfo('x', [1, 1, 3, 3])],
      initializers: [floatTensor('w', [2, 1, 3, 3], new Array(18).fill(1))],
    }),
  ),
);
const [conv, relu] = good.nodes as [Node, Node];
type Float = Graph<'float'>;
type Info = TensorInfo<'float'>;

const withTensor = (name: string, info: Partial<Info>): Float => ({
  ...good,
  tensors: new Map(good.tensors).set(name, { ...good.tensors.get(name), ...info } as Info),
});
const withNodes = (...nodes: Node[]): Float => ({ ...good, nodes });
const withoutTensor = (name: string): Float => ({
  ...good,
  tensors: new Map([...good.tensors].filter(([key]) => key !== name)),
});
const w = good.tensors.get('w')!.constant!;

const broken: Readonly<Record<string, readonly [Float, number, RegExp]>> = {
  'two nodes of one name': [withNodes(conv, { ...relu, name: 'c' }), 1, /node 'c'/],
  'a node without a name': [withNodes({ ...conv, name: '' }, relu), 1, /node ''/],
  'a tensor made twice': [
    withNodes(conv, relu, { ...relu, name: 's' }),
    2,
    /node 's' makes tensor 'y' again/,
  ],
  'a constant that a node makes': [
    withNodes({ ...conv, outputs: ['w'] }, relu),
    2,
    /node 'c' makes tensor 'w'/,
  ],
  'nodes out of order': [withNodes(relu, conv), 3, /node 'r' reads tensor 't' before/],
  'a tensor that is nowhere': [withNodes(conv, { ...relu, inputs: ['z'] }), 3, /node 'r' reads tensor 'z'/],
  'an output that is nowhere': [{ ...good, outputs: ['z'] }, 4, /tensor 'z'/],
  'an output twice': [{ ...good, outputs: ['y', 'y'] }, 4, /y, y/],
  'a constant input': [{ ...good, inputs: ['w'] }, 4, /'w' is constant/],
  'a result that is nowhere': [withoutTensor('t'), 5, /node 'c' makes tensor 't', which/],
  'a tensor that no node makes': [
    withTensor('z', { dtype: 'float32', shape: [1] }),
    5,
    /tensor 'z' is made by no node/,
  ],
  'a tensor that no node reads': [
    withTensor('z', { dtype: 'float32', shape: [18], constant: { ...w, shape: [18] } }),
    5,
    /'z' is read by no node/,
  ],
  'a size of 0': [withTensor('x', { shape: [1, 0, 3, 3] }), 8, /node 'c'/],
  'a size that is no integer': [
    {
      ...withTensor('x', { shape: [1, 1.5] }),
      nodes: [],
      outputs: ['x'],
      tensors: new Map([['x', { dtype: 'float32', shape: [1, 1.5] }]]),
    },
    6,
    /tensor 'x' has shape \[1, 1.5\]/,
  ],
  'a constant of another shape': [
    withTensor('w', { constant: { ...w, shape: [18] } }),
    7,
    /tensor 'w' is float32 2x1x3x3, its constant float32 18/,
  ],
  'a constant in the wrong array': [
    withTensor('w', { constant: { ...w, data: new Float64Array(18) } }),
    7,
    /'w' of float32 is held in a Float64Array/,
  ],
  'a constant that is too short': [
    withTensor('w', { constant: { ...w, data: new Float32Array(17) } }),
    7,
    /'w' 2x1x3x3 has 17 elements/,
  ],
  'another type than inferred': [
    withTensor('t', { shape: [1, 2, 3, 4] }),
    8,
    /node 'c' \(conv\), tensor 't': float32 1x2x3x4, inferred float32 1x2x3x3/,
  ],
  'inputs that an operator rejects': [
    withNodes({ ...conv, attrs: { ...(conv.attrs as object), groups: 2 } }, relu),
    8,
    /node 'c' \(conv\): group = 2/,
  ],
  'no output': [{ ...good, outputs: [] }, 9, /1 inputs, 0 outputs/],
  'a constant output': [{ ...good, outputs: ['y', 'w'] }, 9, /output tensor 'w' is constant/],
  'an activation that is never stored': [
    { ...withTensor('z', { dtype: 'float64', shape: [1] }), inputs: ['x', 'z'] },
    9,
    /tensor 'z' is of float64/,
  ],
  'an imported operator': [
    withNodes(conv, { ...relu, op: identity as unknown as CanonicalOp }),
    10,
    /node 'r' is a identity/,
  ],
  'attributes that leave something out': [
    withNodes({ ...conv, attrs: { ...(conv.attrs as object), strides: [] } }, relu),
    10,
    /node 'c' \(conv\) has attributes/,
  ],
  'a quantization before its stage': [
    withTensor('t', { quant: { scale: 1, zeroPoint: 0 } }),
    11,
    /'t' of the float stage/,
  ],
};

test('a good graph keeps all rules', () => {
  verifyGraph(good);
});

for (const [name, [graph, rule, message]] of Object.entries(broken))
  test(`${name} breaks rule ${rule}`, () => {
    expect(() => verifyGraph(graph)).toThrow(DefectError);
    expect(() => verifyGraph(graph)).toThrow(
      new RegExp(`^graph rule ${rule} is broken: .*${message.source}`),
    );
  });

test('an int8 graph wants a good quantization on each activation', () => {
  const int8 = (quant: Info['quant']): Graph<'int8'> => ({
    ...good,
    stage: 'int8',
    tensors: new Map(
      [...good.tensors].map(([name, info]) => [name, info.constant || !quant ? info : { ...info, quant }]),
    ),
  });
  verifyGraph(int8({ scale: 0.5, zeroPoint: 255 }));
  expect(() => verifyGraph(int8(undefined))).toThrow(/rule 11 .*tensor 'x' has no quantization/);
  for (const scale of [0, -1, Number.NaN, Infinity])
    expect(() => verifyGraph(int8({ scale, zeroPoint: 0 }))).toThrow(/rule 11 .*tensor 'x' has scale/);
  for (const zeroPoint of [0.5, 2 ** 31, Number.NaN])
    expect(() => verifyGraph(int8({ scale: 1, zeroPoint }))).toThrow(/rule 11 .*tensor 'x' has zero point/);
  verifyGraph(int8({ scale: 1, zeroPoint: -32768, bits: 16 }));
  expect(() => verifyGraph(int8({ scale: 1, zeroPoint: 32768, bits: 16 }))).toThrow(
    /rule 11 .*of 16 bits has zero point 32768/,
  );
  expect(() => verifyGraph(int8({ scale: 1, zeroPoint: 1, bits: 32 }))).toThrow(
    /rule 11 .*of 32 bits has zero point 1/,
  );
  for (const zeroPoint of [-1, 256])
    expect(() => verifyGraph(int8({ scale: 1, zeroPoint }))).toThrow(
      /rule 11 .*zero point -?\d+, and an operator that needs 0 in its range/,
    );
});

test('what stays float32 has no grid of the file', () => {
  const x = good.tensors.get('x')!;
  const both = new Map([
    ...good.tensors,
    ['x', { ...x, real: true, grid: { scale: 1, zeroPoint: 0 } }] as const,
  ]);
  expect(() => verifyGraph({ ...good, tensors: both })).toThrow(
    /rule 11 .*tensor 'x' is float32, and on a grid/,
  );
});
