/** Nodes of onnxruntime's optimizer are the nodes of ONNX that they stand for. */
import proto from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { encodeModel, floatTensor, type NodeSpec, text, valueInfo } from '../../support/onnx-model.ts';

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
