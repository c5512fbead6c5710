/** A task small enough for tests: a teacher with made-up weights, half of them pruned away from the student. */

import type { TrainingData } from '../../src/compress/train/options.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { conv } from '../../src/ir/ops/conv.ts';
import { linear } from '../../src/ir/ops/linear.ts';
import { reshape } from '../../src/ir/ops/reshape.ts';
import { floatGraph, layer, withConstant } from './float-graph.ts';
import { randomTensor } from './float-tensors.ts';

const relu = { lo: 0, hi: Number.POSITIVE_INFINITY };
const window = (size: number) => ({
  kernel: [size, size],
  strides: [1, 1],
  pads: [0, 0, 0, 0],
  autoPad: 'NOTSET' as const,
  dilations: [1, 1],
});
const pool = { ...window(2), strides: [2, 2], ceilMode: false, countIncludePad: false };

/** 1x8x8 -> conv 4 with ReLU and max-pool -> linear 12 -> linear 5. */
export const tinyTeacher: Graph<'float'> = floatGraph(
  [1, 1, 8, 8],
  [
    layer(
      conv,
      { ...window(3), groups: 1, clamp: relu, pool },
      { constants: [randomTensor([4, 1, 3, 3], 1), randomTensor([4], 2)] },
    ),
    layer(reshape, { shape: [1, 36] }),
    layer(linear, { clamp: relu }, { constants: [randomTensor([12, 36], 13), randomTensor([12], 4)] }),
    layer(linear, {}, { constants: [randomTensor([5, 12], 15), randomTensor([5], 6)] }),
  ],
);

export const weightNames = ['c0_0', 'c2_0', 'c3_0'] as const;

export const weightsOf = (graph: Graph<'float'>, name: string): Float32Array =>
  graph.tensors.get(name)!.constant!.data as Float32Array;

/** The smaller half of each layer's weights set to 0. */
export const tinyStudent: Graph<'float'> = weightNames.reduce((graph, name) => {
  const old = weightsOf(graph, name);
  const limit = [...old].map(Math.abs).sort((a, b) => a - b)[old.length >> 1]!;
  return withConstant(
    graph,
    name,
    old.map((w) => (Math.abs(w) < limit ? 0 : w)),
  );
}, tinyTeacher);

export const tinyData: TrainingData = {
  count: 200,
  input: (i) => randomTensor([1, 1, 8, 8], 1000 + i).data as Float32Array,
};

/** Every number that was learned. */
export const learnedNumbers = (graph: Graph<'float'>): number[][] =>
  [...graph.tensors.values()].flatMap(({ constant }) => (constant ? [[...constant.data]] : []));
