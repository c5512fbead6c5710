/** Nodes of onnxruntime's optimizer are the nodes of ONNX that they stand for. */
import proto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { encodeModel, floatTensor, int, type NodeSpec, text, valueInfo } from '../../support/onnx-model.ts';

const { AttributeType } = proto.onnx.AttributeProto;
const shape = [1, 1, 2, 2];
const initializers = [floatTensor('w', [1, 1, 1, 1], [2]), floatTensor('b', [1], [-3])];

function outputOf(node: NodeSpec): readonly number[] {
  const model = importOnnx(encodeModel({ nodes: [node], initializers, inputs: [valueInfo('x', shape)] }));
  const x = floats(shape, Float32Array.of(0, 1, 2, 3));
  return [...evaluate(model, new Map([['x', x]])).get('y')!.data];
}

const fused = (...attributes: NodeSpec['attributes'] & {}): NodeSpec => ({
  op: 'FusedConv',
  domain: 'com.microsoft',
  inputs: ['x', 'w', 'b'],
  attributes,
});

describe('FusedConv', () => {
  test('with Relu', () => expect(outputOf(fused(text('activation', 'Relu')))).toEqual([0, 0, 1, 3]));

  test('with the bounds of a Clip', () => {
    const bounds = { name: 'activation_params', type: AttributeType.FLOATS, floats: [-2, 2] };
    expect(outputOf(fused(text('activation', 'Clip'), bounds))).toEqual([-2, -1, 1, 2]);
  });

  test('with what it adds', () => {
    const node = { ...fused(text('activation', 'Relu')), inputs: ['x', 'w', 'b', 'x'] };
    expect(outputOf(node)).toEqual([0, 0, 3, 6]);
  });

  test('another activation is refused by name', () => {
    expect(() => outputOf(fused(text('activation', 'Swish')))).toThrow(
      /activation Swish; supported: Relu, Clip/,
    );
  });
});

/** QONNX's Quant of x, with these numbers as scale, zero point and bit width. */
const quant = (numbers: readonly number[], ...attributes: NodeSpec['attributes'] & {}): readonly number[] => {
  const names = ['scale', 'zero', 'bits'];
  const model = encodeModel({
    nodes: [{ op: 'Quant', domain: 'qonnx.custom_op.general', inputs: ['x', ...names], attributes }],
    initializers: names.map((name, i) => floatTensor(name, [], [numbers[i] ?? 0])),
    inputs: [valueInfo('x', shape)],
  });
  const x = floats(shape, Float32Array.of(-9, -0.25, 0.75, 9));
  return [...evaluate(canonicalize.run(importOnnx(model)), new Map([['x', x]])).get('y')!.data];
};

describe('Quant of QONNX', () => {
  test('of 3 bits', () => expect(quant([0.5, 0, 3])).toEqual([-2, 0, 1, 1.5]));
  test('narrow', () => expect(quant([0.5, 0, 3], int('narrow', 1))).toEqual([-1.5, 0, 1, 1.5]));
  test('of 1 bit', () => expect(quant([0.5, 0, 1])).toEqual([-0.5, -0.5, 0.5, 0.5]));
  test('unsigned, about 2', () => expect(quant([0.5, 2, 3], int('signed', 0))).toEqual([-1, 0, 1, 2.5]));

  test.each([
    [[0.5, 0, 33], [], /signed integers of 33 bits; supported: 1 to 32 bits/],
    [[0.5, 0.5, 4], [], /a zero point of 0.5; supported: integers/],
    [[0.5, 0, 4], [text('rounding_mode', 'FLOOR')], /rounding_mode FLOOR of activations; supported: ROUND/],
    [[0.5, 0, 4], [text('rounding_mode', 'STOCHASTIC')], /rounding_mode STOCHASTIC; supported: ROUND, CEIL/],
  ] as const)('%j is refused', (numbers, attributes, message) => {
    expect(() => quant(numbers, ...attributes)).toThrow(message);
  });
});

/** What qonnx's own int_quant makes of a constant, in steps of 0.5, about zero points 0 and 1. */
const ofConstants: Readonly<Record<string, readonly [readonly number[], readonly number[]]>> = {
  ROUND: [
    [-8, -2, -2, -1, 0, 0, 0, 0, 1, 2, 2, 7],
    [-9, -3, -1, -1, 0, 0, 0, 1, 1, 1, 3, 6],
  ],
  CEIL: [
    [-8, -2, -1, -1, 0, 0, 1, 1, 1, 2, 3, 7],
    [-9, -2, -1, -1, 0, 0, 1, 1, 1, 2, 3, 6],
  ],
  FLOOR: [
    [-8, -3, -2, -2, -1, 0, 0, 0, 0, 1, 2, 7],
    [-9, -3, -2, -2, -1, 0, 0, 0, 0, 1, 2, 6],
  ],
  UP: [
    [-8, -3, -2, -2, -1, 0, 1, 1, 1, 2, 3, 7],
    [-9, -3, -2, -2, 0, 0, 1, 1, 1, 2, 3, 6],
  ],
  ROUND_TO_ZERO: [
    [-8, -2, -1, -1, 0, 0, 0, 0, 0, 1, 2, 7],
    [-9, -2, -1, -1, -1, 0, 0, 0, 0, 1, 2, 6],
  ],
  HALF_UP: [
    [-8, -3, -2, -1, 0, 0, 0, 1, 1, 2, 3, 7],
    [-9, -3, -2, -1, 0, 0, 0, 1, 1, 2, 3, 6],
  ],
  HALF_DOWN: [
    [-8, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 7],
    [-9, -2, -1, -1, 0, 0, 0, 0, 1, 1, 2, 6],
  ],
};
const steps = [-9, -2.5, -1.5, -1.25, -0.25, 0, 0.25, 0.5, 0.75, 1.5, 2.5, 9];

test.each(Object.entries(ofConstants))('Quant of a constant, %s', (mode, expected) => {
  const names = ['w', 'scale', 'zero', 'bits'];
  const tensors = (zero: number) => [
    floatTensor(
      'w',
      [12],
      steps.map((x) => x / 2),
    ),
    ...[0.5, zero, 4].map((x, i) => floatTensor(names[i + 1]!, [], [x])),
  ];
  for (const zero of [0, 1]) {
    const quantized = { op: 'Quant', domain: 'qonnx.custom_op.general', inputs: names, outputs: ['q'] };
    const model = encodeModel({
      nodes: [
        { ...quantized, attributes: [text('rounding_mode', mode)] },
        { op: 'Add', inputs: ['x', 'q'] },
      ],
      initializers: tensors(zero),
      inputs: [valueInfo('x', [12])],
    });
    const x = floats([12], new Float32Array(12));
    const made = evaluate(canonicalize.run(importOnnx(model)), new Map([['x', x]])).get('y')!.data;
    expect(Array.from(made, (y) => 2 * y + 0)).toEqual(expected[zero]);
  }
});
