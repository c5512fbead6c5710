/** Dead channels: shapes shrink, outputs do not change. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { evaluate } from '../../src/ir/evaluate.ts';
import type { Graph, Node, TensorInfo } from '../../src/ir/graph.ts';
import { conv } from '../../src/ir/ops/conv.ts';
import { linear } from '../../src/ir/ops/linear.ts';
import { reshape } from '../../src/ir/ops/reshape.ts';
import type { Tensor } from '../../src/ir/tensor.ts';
import { verifyGraph } from '../../src/ir/verify.ts';
import { dropDeadChannels } from '../../src/passes/drop-dead-channels.ts';

const constant = (shape: readonly number[], data: readonly number[]): Tensor => ({
  dtype: 'float32',
  shape,
  data: Float32Array.from(data),
});
const relu = { lo: 0, hi: Infinity };

/** conv 1 -> 3 (2x2, ReLU), flattened to 3 * 4, linear -> 4 (ReLU), linear -> 2. */
function network(
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

const x: Tensor = constant([1, 1, 3, 3], [1, -2, 3, 4, 0.5, -1, 2, 2, 1]);
const outputOf = (graph: Graph<'float'>): number[] => [
  ...evaluate(graph, new Map([['x', x]])).get('y')!.data,
];
const channelsOf = (graph: Graph<'float'>): number[] =>
  ['a', 'f', 'h'].map((name) => graph.tensors.get(name)!.shape[1]!);

const some = (n: number, at: (i: number) => number): number[] => Array.from({ length: n }, (_, i) => at(i));

test('a row of zeros whose bias the activation stops is gone, with its columns in the next layer', () => {
  const w1 = some(12, (i) => (i >= 4 && i < 8 ? 0 : (i % 5) - 2));
  const graph = network(
    w1,
    [0.5, -3, 1],
    some(48, (i) => (i % 7) - 3),
    some(8, (i) => i - 4),
  );
  const smaller = dropDeadChannels.run(graph);
  verifyGraph(smaller);
  expect(channelsOf(smaller)).toEqual([2, 8, 4]);
  expect(outputOf(smaller)).toEqual(outputOf(graph));
});

test('a bias that passes the activation keeps its channel', () => {
  const w1 = some(12, (i) => (i >= 4 && i < 8 ? 0 : (i % 5) - 2));
  const graph = network(
    w1,
    [0.5, 3, 1],
    some(48, (i) => (i % 7) - 3),
    some(8, (i) => i - 4),
  );
  expect(channelsOf(dropDeadChannels.run(graph))).toEqual([3, 12, 4]);
});

test('what only dead rows read goes with them', () => {
  // fc2 ignores h1 to h3; only they read channels 1 and 2 of the convolution.
  const w2 = some(48, (i) => (Math.floor(i / 12) === 0 && i % 12 >= 4 ? 0 : (i % 7) - 3));
  const w3 = some(8, (i) => (i % 4 === 0 ? i + 1 : 0));
  const graph = network(
    some(12, (i) => (i % 5) - 2),
    [0, 0, 0],
    w2,
    w3,
  );
  const smaller = dropDeadChannels.run(graph);
  expect(channelsOf(smaller)).toEqual([1, 4, 1]);
  expect(outputOf(smaller)).toEqual(outputOf(graph));
});

test('of a network of zeros one channel a layer is left', () => {
  const graph = network(
    some(12, () => 0),
    [0, 0, 0],
    some(48, () => 0),
    some(8, () => 0),
  );
  const smaller = dropDeadChannels.run(graph);
  verifyGraph(smaller);
  expect(channelsOf(smaller)).toEqual([1, 4, 1]);
  expect(outputOf(smaller)).toEqual([0, 0]);
});

test('random zeros: the same outputs', () => {
  const numbers = (n: number) =>
    fc.array(fc.constantFrom(0, 0, 0, 0, 0, 1, -1, 2), { minLength: n, maxLength: n });
  fc.assert(
    fc.property(numbers(12), numbers(3), numbers(48), numbers(8), (w1, b1, w2, w3) => {
      const graph = network(w1, b1, w2, w3);
      const smaller = dropDeadChannels.run(graph);
      verifyGraph(smaller);
      expect(outputOf(smaller)).toEqual(outputOf(graph));
      expect(dropDeadChannels.run(smaller)).toEqual(smaller);
    }),
    { numRuns: 500 },
  );
});
