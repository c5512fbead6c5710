/** Dead channels: shapes shrink, outputs do not change. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { verifyGraph } from '../../../src/ir/graph/check.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import type { Tensor } from '../../../src/ir/tensor.ts';
import { dropDeadChannels } from '../../../src/passes/channels/drop-dead-channels.ts';
import { constant, network } from '../../support/small-network.ts';

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
