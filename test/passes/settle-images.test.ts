/** A linear layer that makes an image makes it in the order of memory. */
import { expect, test } from 'vitest';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { reshape } from '../../src/ir/ops/reshape.ts';
import { floats } from '../../src/ir/tensor.ts';
import { settleImages } from '../../src/passes/settle-images.ts';
import { convolution, dense } from '../support/affine-layers.ts';
import { floatGraph, type LayerSpec, layer } from '../support/float-graph.ts';

/** 2 -> 2 channels of 2x3: row i is [i, 100 + i]. */
const rows = Array.from({ length: 12 }, (_, i) => [i, 100 + i]).flat();
const to = (...shape: readonly number[]): LayerSpec => layer(reshape, { shape });
const decoder = [dense([12, 2], rows), to(1, 2, 2, 3), convolution([1, 2, 1, 1], [1, 1000])];

const outputOf = (graph: Graph<'float'>): number[] => {
  const [y] = evaluate(graph, new Map([['x', floats([1, 2], Float32Array.of(1, 0))]])).values();
  return Array.from(y!.data as ArrayLike<number>);
};
const weightsOf = (graph: Graph<'float'>): number[] => {
  const first = graph.nodes.find(({ op }) => op.kind === 'linear')!;
  const { data } = graph.tensors.get(first.inputs[1]!)!.constant!;
  return Array.from(data as ArrayLike<number>).filter((_, i) => i % 2 === 0);
};

test('its rows go by height, width, channel; the image is the same', () => {
  const graph = floatGraph([1, 2], decoder);
  const settled = settleImages.run(graph);
  expect(weightsOf(settled)).toEqual([0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11]);
  expect(settled.nodes.map(({ op }) => op.kind)).toEqual(['linear', 'reshape', 'transpose', 'conv']);
  expect(outputOf(settled)).toEqual([6000, 7001, 8002, 9003, 10004, 11005]);
  expect(outputOf(graph)).toEqual(outputOf(settled));
});

test('through reshapes in between', () => {
  const settled = settleImages.run(floatGraph([1, 2], [decoder[0]!, to(1, 4, 3), ...decoder.slice(1)]));
  expect(outputOf(settled)).toEqual([6000, 7001, 8002, 9003, 10004, 11005]);
});

test('an image of one channel, and a vector that has another reader, stay', () => {
  const one = floatGraph([1, 2], [decoder[0]!, to(1, 1, 3, 4)]);
  expect(settleImages.run(one)).toBe(one);
  const both = { ...floatGraph([1, 2], decoder), outputs: ['y0'] };
  expect(settleImages.run(both)).toBe(both);
});
