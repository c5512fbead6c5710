/** Batch normalization on both sides of layers, by numbers that can be checked by hand. */
import { describe, expect, test } from 'vitest';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { add } from '../../src/ir/ops/add.ts';
import { floats } from '../../src/ir/tensor.ts';
import { foldBatchNorm } from '../../src/passes/fold-batch-norm.ts';
import { convolution, dense, norm, relu } from '../support/affine-layers.ts';
import { floatGraph, type LayerSpec, layer } from '../support/float-graph.ts';
import { constant } from '../support/small-network.ts';

const outputOf = (graph: Graph<'float'>, x: readonly number[]): number[] => {
  const { shape } = graph.tensors.get('x')!;
  const [y] = evaluate(graph, new Map([['x', floats(shape, Float32Array.from(x))]])).values();
  return Array.from(y!.data as ArrayLike<number>);
};
const kinds = (graph: Graph<'float'>): string[] => graph.nodes.map(({ op }) => op.kind);

/** Gains 2 and -0.5, shifts -5 and 3: (x - 3) 4 / sqrt(4) + 1 and (x - 4) (-1) / sqrt(4) + 1. */
const twice = norm({ scale: [4, -1], bias: [1, 1], mean: [3, 4], variance: [4, 4] }, 0);

const plus = layer(add, {}, { constants: [constant([2, 1, 1], [4, -6])] });

/** With a ReLU of its own, as fusion leaves it. */
const clipped = (spec: LayerSpec): LayerSpec => ({
  ...spec,
  attrs: { ...(spec.attrs as object), clamp: { lo: 0, hi: Infinity } },
});

describe('of the networks', () => {
  const images = [1, 2, 2, 2];
  const x = [1, 2, 3, 4, 5, 6, 7, 8];
  const pointwise = convolution([2, 2, 1, 1], [1, 2, 3, 4], { bias: [10, 20] });
  const cases: readonly (readonly [string, readonly number[], readonly LayerSpec[], readonly string[]])[] = [
    ['behind a convolution', images, [pointwise, twice], ['conv']],
    ['before one', images, [twice, pointwise], ['conv']],
    [
      'before a padded one',
      images,
      [
        twice,
        convolution(
          [1, 2, 3, 3],
          Array.from({ length: 18 }, (_, i) => i - 8),
          { pad: 1 },
        ),
      ],
      ['conv'],
    ],
    [
      'before a padded depthwise one',
      images,
      [twice, convolution([2, 1, 2, 2], [1, -2, 3, 4, 5, -6, 7, 8], { pad: 1, groups: 2 })],
      ['conv'],
    ],
    [
      'two of them before a padded one',
      images,
      [
        twice,
        twice,
        convolution(
          [1, 2, 3, 3],
          Array.from({ length: 18 }, (_, i) => i - 8),
          { pad: 1 },
        ),
      ],
      ['conv'],
    ],
    ['between two convolutions', images, [pointwise, twice, pointwise], ['conv', 'conv']],
    ['behind a ReLU, before a convolution', images, [relu, twice, pointwise], ['clip', 'conv']],
    ['alone', images, [twice], ['conv']],
    ['behind a ReLU and a constant that is added', images, [pointwise, relu, plus, twice], ['conv']],
    ['before a constant that is added', images, [pointwise, twice, plus, twice], ['conv']],
    ['behind a linear layer', [1, 2], [dense([2, 2], [1, 2, 3, 4], [5, 6]), twice], ['linear']],
    ['before one', [1, 2], [twice, dense([2, 2], [1, 2, 3, 4], [5, 6])], ['linear']],
  ];

  test.each(cases)('%s', (_, shape, layers, left) => {
    const graph = floatGraph(shape, layers);
    const folded = foldBatchNorm.run(graph);
    expect(kinds(folded)).toEqual(left);
    // Gains are powers of two and all numbers small integers or halves: nothing is rounded.
    const input = x.slice(
      0,
      shape.reduce((n, size) => n * size, 1),
    );
    expect(outputOf(folded, input)).toEqual(outputOf(graph, input));
  });
});

test('rows behind, columns before, each with its own gain and shift', () => {
  const layer = dense([2, 2], [1, 2, 3, 4], [5, 6]);
  const constants = (graph: Graph<'float'>): number[][] =>
    foldBatchNorm
      .run(graph)
      .nodes[0]!.inputs.slice(1)
      .map((name) => {
        const found = foldBatchNorm.run(graph).tensors.get(name)!.constant!;
        return Array.from(found.data as ArrayLike<number>);
      });
  // Rows times 2 and -0.5; 2 * 5 - 5 and -0.5 * 6 + 3.
  expect(constants(floatGraph([1, 2], [layer, twice]))).toEqual([
    [2, 4, -1.5, -2],
    [5, 0],
  ]);
  // Columns times 2 and -0.5; 5 + 1 * -5 + 2 * 3 and 6 + 3 * -5 + 4 * 3.
  expect(constants(floatGraph([1, 2], [twice, layer]))).toEqual([
    [2, -1, 6, -2],
    [6, 3],
  ]);
});

test('a gain of 0 before padding: no stored value becomes 0 there, and the output is right all the same', () => {
  const flat = norm({ scale: [0, 1], bias: [7, 1], mean: [3, 4], variance: [4, 4] }, 0);
  const graph = floatGraph(
    [1, 2, 2, 2],
    [flat, convolution([1, 2, 3, 3], new Array<number>(18).fill(1), { pad: 1 })],
  );
  const folded = foldBatchNorm.run(graph);
  expect(kinds(folded)).not.toContain('batchNorm');
  const x = [1, 2, 3, 4, 5, 6, 7, 8];
  expect(outputOf(folded, x)).toEqual(outputOf(graph, x));
});

test('behind a layer whose sums are clipped already: not into its rows as they are', () => {
  const graph = floatGraph([1, 2, 2, 2], [clipped(convolution([2, 2, 1, 1], [1, 2, -3, -4])), twice]);
  const folded = foldBatchNorm.run(graph);
  expect(kinds(folded)).not.toContain('batchNorm');
  const x = [1, 2, 3, 4, 5, 6, 7, 8];
  expect(outputOf(folded, x)).toEqual(outputOf(graph, x));
});

test('what has another reader stays as it is', () => {
  const both = floatGraph([1, 2], [dense([2, 2], [1, 2, 3, 4]), twice]);
  const graph = { ...both, outputs: ['y0'] };
  expect(outputOf(foldBatchNorm.run(graph), [1, 2])).toEqual([5, 11]);
});
