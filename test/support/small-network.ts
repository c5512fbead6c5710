/** A network that fits on a page: conv 1 -> 3 (2x2, ReLU) on 3x3, flattened, linear -> 4 (ReLU), linear -> 2. */
import type { Graph, Node, TensorInfo } from '../../src/ir/graph/graph.ts';
import { conv } from '../../src/ir/ops/conv.ts';
import { linear } from '../../src/ir/ops/linear.ts';
import { reshape } from '../../src/ir/ops/reshape.ts';
import type { Tensor } from '../../src/ir/tensor.ts';

export const constant = (shape: readonly number[], data: readonly number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(data),
});
const relu = { lo: 0, hi: Infinity };

export function network(
  w1: readonly number[],
  b1: readonly number[],
  w2: readonly number[],
  w3: readonly number[],
): Graph<'float'> {
  const constants: readonly (readonly [string, Tensor])[] = [
    ['w1', constant([3, 1, 2, 2], w1)],
    ['b1', constant([3], b1)],
    ['w2', constant([4, 12], w2)],
    ['w3', constant([2, 4], w3)],
  ];
  const made: readonly (readonly [string, readonly number[]])[] = [
    ['x', [1, 1, 3, 3]],
    ['a', [1, 3, 2, 2]],
    ['f', [1, 12]],
    ['h', [1, 4]],
    ['y', [1, 2]],
  ];
  const window = {
    kernel: [2, 2],
    strides: [1, 1],
    pads: [0, 0, 0, 0],
    autoPad: 'NOTSET',
    dilations: [1, 1],
  };
  const node = (name: string, op: Node['op'], attrs: unknown, inputs: string[], output: string): Node => ({
    name,
    op,
    attrs,
    inputs,
    outputs: [output],
    origin: [],
  });
  return {
    stage: 'float',
    name: 'net',
    opset: 0,
    inputs: ['x'],
    outputs: ['y'],
    tensors: new Map<string, TensorInfo<'float'>>([
      ...made.map(([name, shape]) => [name, { dtype: 'float32' as const, shape }] as const),
      ...constants.map(([name, t]) => [name, { dtype: t.dtype, shape: t.shape, constant: t }] as const),
    ]),
    nodes: [
      node('conv', conv, { ...window, groups: 1, clamp: relu }, ['x', 'w1', 'b1'], 'a'),
      node('flat', reshape, { shape: [1, 12] }, ['a'], 'f'),
      node('fc1', linear, { clamp: relu }, ['f', 'w2'], 'h'),
      node('fc2', linear, {}, ['h', 'w3'], 'y'),
    ],
  };
}
