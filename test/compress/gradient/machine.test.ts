/** What is not an operator's: kept terms, ties, the softmax at the end. The operators: test/laws/gradients.test.ts. */
import { expect, test } from 'vitest';
import { lanes } from '../../../src/compress/gradient/kernels.ts';
import { Engine } from '../../../src/compress/gradient/machine.ts';
import { networkOf } from '../../../src/compress/gradient/network.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import { batchNorm } from '../../../src/ir/ops/batch-norm.ts';
import { conv } from '../../../src/ir/ops/conv.ts';
import { linear } from '../../../src/ir/ops/linear.ts';
import { maxPool } from '../../../src/ir/ops/max-pool.ts';
import { reshape } from '../../../src/ir/ops/reshape.ts';
import { softmax } from '../../../src/ir/ops/softmax.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { floatGraph, layer } from '../../support/float-graph.ts';
import { randomTensor } from '../../support/float-tensors.ts';

const window = (kernel: number[], strides: number[], pads: number[], dilations: number[]) => ({
  kernel,
  strides,
  pads,
  autoPad: 'NOTSET' as const,
  dilations,
});
const pool = (w: ReturnType<typeof window>) => ({ ...w, ceilMode: false, countIncludePad: false });

const usedLanes = [3, 11] as const;

interface Trial {
  readonly engine: Engine;
  readonly inputs: readonly Float32Array[];
}

function trialOf(graph: Graph<'float'>, seed: number): Trial {
  const engine = new Engine(networkOf(graph), { learn: true });
  engine.network.layers.forEach((l, i) => {
    engine.layers[i]!.weights.set(graph.tensors.get(l.weight)!.constant!.data);
    if (l.bias !== '') engine.layers[i]!.bias.set(graph.tensors.get(l.bias)!.constant!.data);
  });
  const inputs = usedLanes.map(
    (_, i) => randomTensor(engine.network.inputShape, seed + 100 + i).data as Float32Array,
  );
  inputs.forEach((input, i) => {
    input.forEach((x, e) => {
      engine.input[e * lanes + usedLanes[i]!] = x;
    });
  });
  return { engine, inputs };
}

test('terms that are left out count as weights of 0, forward and backward', () => {
  const graph = floatGraph(
    [1, 6],
    [
      layer(linear, {}, { constants: [randomTensor([5, 6], 1), randomTensor([5], 2)] }),
      layer(linear, {}, { constants: [randomTensor([3, 5], 3), randomTensor([3], 4)] }),
    ],
  );
  const dense = trialOf(graph, 5).engine;
  const sparse = trialOf(graph, 5).engine;
  const keep = [0, 3, 4, 7, 11, 13];
  const l = sparse.network.layers[1]!;
  const weights = graph.tensors.get(l.weight)!.constant!.data;
  sparse.setTerms(1, {
    rowStarts: Int32Array.from([0, 3, 4, 6]),
    offsets: Int32Array.from(keep, (k) => l.offsets[k]!),
  });
  sparse.layers[1]!.weights.set(keep.map((k) => weights[k]!));
  dense.layers[1]!.weights.set(weights.map((w: number, k: number) => (keep.includes(k) ? w : 0)));
  for (const engine of [dense, sparse]) {
    engine.forward();
    engine.clearGradients();
    engine.outputGradients.fill(1);
    engine.backward();
  }
  expect(sparse.output).toEqual(dense.output);
  expect(sparse.layers[0]!.weightGradients).toEqual(dense.layers[0]!.weightGradients);
  expect(sparse.layers[1]!.weightGradients.subarray(0, 6)).toEqual(
    Float32Array.from(keep, (k) => dense.layers[1]!.weightGradients[k]!),
  );
});

test('of equal largest inputs the first gets the gradient of a max-pool', () => {
  const one = floats([1, 1, 1, 1], Float32Array.of(1));
  const same = { ...window([1, 1], [1, 1], [0, 0, 0, 0], [1, 1]), groups: 1 };
  const graph = floatGraph(
    [1, 1, 2, 3],
    [
      layer(conv, same, { constants: [one] }),
      layer(maxPool, pool(window([2, 2], [1, 1], [0, 0, 0, 0], [1, 1]))),
    ],
  );
  const { engine } = trialOf(graph, 1);
  // Both windows hold 2 twice. The gradient of the weight is the sum of the inputs chosen, once each.
  [1, 2, 0, 0, 2, 1].forEach((x, e) => {
    engine.input[e * lanes] = x;
  });
  engine.forward();
  engine.clearGradients();
  for (const pixel of [0, 1]) engine.outputGradients[pixel * lanes] = 1;
  engine.backward();
  expect(engine.layers[0]!.weightGradients[0]).toBe(4);
});

test('a softmax at the end is left to the loss', () => {
  const graph = floatGraph(
    [1, 4],
    [layer(linear, {}, { constants: [randomTensor([3, 4], 1)] }), layer(softmax, { axis: 1 })],
  );
  const { engine, inputs } = trialOf(graph, 1);
  engine.forward();
  const logits = evaluate(graph, new Map([['x', floats([1, 4], inputs[0]!)]]), (name, tensor) => {
    if (name !== 'y0') return;
    tensor.data.forEach((y: number, e: number) => {
      expect(engine.output[e * lanes + usedLanes[0]]).toBeCloseTo(y, 5);
    });
  });
  expect(logits.size).toBe(1);
});

test('what cannot be trained is named', () => {
  const ones = floats([2], new Float32Array(2).fill(1));
  const withNorm = floatGraph(
    [1, 2, 3, 3],
    [layer(batchNorm, { epsilon: 1e-5 }, { constants: [ones, ones, ones, ones] })],
  );
  expect(() => networkOf(withNorm)).toThrow(
    /node 'node0': operator 'batchNorm', which has no gradient; supported: .*compile without these/,
  );
  const rows = floatGraph(
    [1, 2, 3],
    [layer(reshape, { shape: [2, 3] }), layer(linear, {}, { constants: [randomTensor([4, 3], 1)] })],
  );
  expect(() => networkOf(rows)).toThrow(/node 'node1': a linear layer on 2 rows/);
});
