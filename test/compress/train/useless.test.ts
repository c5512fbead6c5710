import fc from 'fast-check';
import { expect, test } from 'vitest';
import { networkOf } from '../../../src/compress/gradient/network.ts';
import { type LayerState, layerStateOf } from '../../../src/compress/train/layer-state.ts';
import { removeUseless } from '../../../src/compress/train/useless.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import { add } from '../../../src/ir/ops/add.ts';
import { avgPool } from '../../../src/ir/ops/avg-pool.ts';
import { conv } from '../../../src/ir/ops/conv.ts';
import { linear } from '../../../src/ir/ops/linear.ts';
import { reshape } from '../../../src/ir/ops/reshape.ts';
import { softmax } from '../../../src/ir/ops/softmax.ts';
import { floatGraph, layer, withConstant } from '../../support/float-graph.ts';
import { randomTensor } from '../../support/float-tensors.ts';

const relu = { lo: 0, hi: Number.POSITIVE_INFINITY };
const window = (size: number, pad: number) => ({
  kernel: [size, size],
  strides: [1, 1],
  pads: [pad, pad, pad, pad],
  autoPad: 'NOTSET' as const,
  dilations: [1, 1],
});
const pool = { ...window(2, 0), strides: [2, 2], ceilMode: false, countIncludePad: false };

/** Convolutions with padding and pooling, a shortcut, an average, a softmax in the middle, two linear layers. */
const graph = floatGraph(
  [1, 2, 6, 6],
  [
    layer(
      conv,
      { ...window(3, 1), groups: 1, clamp: relu, pool },
      { constants: [randomTensor([4, 2, 3, 3], 1), randomTensor([4], 2)] },
    ),
    layer(conv, { ...window(3, 1), groups: 2 }, { constants: [randomTensor([4, 2, 3, 3], 3)] }),
    layer(add, { clamp: relu }, { reads: ['y0', 'y1'] }),
    layer(avgPool, { ...window(2, 0), ceilMode: false, countIncludePad: false }),
    layer(reshape, { shape: [1, 16] }),
    layer(linear, { clamp: relu }, { constants: [randomTensor([6, 16], 5), randomTensor([6], 6)] }),
    layer(softmax, { axis: 1 }),
    layer(linear, {}, { constants: [randomTensor([3, 6], 7), randomTensor([3], 8)] }),
  ],
);
const network = networkOf(graph);

const masked = (layers: readonly LayerState[]): Graph<'float'> =>
  layers.reduce((made, { layer: l, weight, bias, kept }) => {
    const weights = weight.value.map((w, i) => (kept[i] === 1 ? w : 0));
    const next = withConstant(made, l.weight, weights);
    return l.bias === '' ? next : withConstant(next, l.bias, bias.value.slice());
  }, graph);

const answers = (made: Graph<'float'>): number[] =>
  [1, 2, 3].flatMap((seed) => [
    ...evaluate(made, new Map([['x', randomTensor([1, 2, 6, 6], seed)]])).get('y7')!.data,
  ]);

/** Layers of which each weight stays with a chance of `density`, and rows in `empty` have none. */
function layersWith(density: number, seed: number): LayerState[] {
  const layers = network.layers.map((l) => layerStateOf(graph, l, undefined));
  layers.forEach(({ kept, layer: l }, n) => {
    const chance = randomTensor([kept.length], seed + n).data;
    const rows = randomTensor([l.rows], seed + 10 + n).data;
    kept.forEach((_, i) => {
      const row = Math.floor(i / l.termsPerRow);
      kept[i] = Math.abs(chance[i]!) < density && Math.abs(rows[row]!) < 0.7 ? 1 : 0;
    });
  });
  return layers;
}

test('empty rows answer 0, and nothing else changes when what has no effect goes', () => {
  let removed = 0;
  fc.assert(
    fc.property(fc.nat({ max: 1000 }), fc.double({ min: 0.05, max: 0.9, noNaN: true }), (seed, density) => {
      const layers = layersWith(density, seed);
      const last = layers.length - 1;
      layers.forEach(({ layer: l, kept, bias }, n) => {
        for (let row = 0; row < l.rows && n < last; row++) {
          const weights = kept.subarray(row * l.termsPerRow, (row + 1) * l.termsPerRow);
          if (!weights.includes(1)) bias.value[row] = 0;
        }
      });
      const before = layers.map(({ kept }) => kept.slice());
      const expected = answers(masked(layers));
      removeUseless(graph, network, layers);
      expect(answers(masked(layers))).toEqual(expected);
      removed += layers.reduce(
        (n, { kept }, l) => n + kept.reduce((m, k, i) => m + before[l]![i]! - k, 0),
        0,
      );
    }),
    { numRuns: 200 },
  );
  expect(removed).toBeGreaterThan(300);
});

test('it comes to an end: each call goes through a layer more at least', () => {
  fc.assert(
    fc.property(fc.nat({ max: 1000 }), (seed) => {
      const layers = layersWith(0.3, seed);
      let rounds = 0;
      while (removeUseless(graph, network, layers)) rounds++;
      expect(rounds).toBeLessThanOrEqual(layers.length + 1);
    }),
  );
});

test('the columns of an empty row and the row of unread columns go; the answer keeps its biases', () => {
  const layers = network.layers.map((l) => layerStateOf(graph, l, undefined));
  const [, , hidden, out] = layers as [LayerState, LayerState, LayerState, LayerState];
  // Only the first linear layer's rows 1 and 2 matter to this: a softmax is never 0, so its readers stay.
  hidden.kept.fill(0, 0, 16);
  out.kept.fill(0, 0, 6);
  expect(removeUseless(graph, network, layers)).toBe(true);
  expect(hidden.dead[0]).toBe(1);
  expect(hidden.bias.value[0]).toBe(0);
  expect(out.dead[0]).toBe(0);
  expect(out.bias.value[0]).not.toBe(0);
  expect(removeUseless(graph, network, layers)).toBe(false);
});
