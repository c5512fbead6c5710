/** The engine against the operators' references: values, and gradients by finite differences. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lanes } from '../../../src/compress/gradient/kernels.ts';
import { Engine } from '../../../src/compress/gradient/machine.ts';
import { networkOf } from '../../../src/compress/gradient/network.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import { add } from '../../../src/ir/ops/add.ts';
import { avgPool } from '../../../src/ir/ops/avg-pool.ts';
import { batchNorm } from '../../../src/ir/ops/batch-norm.ts';
import { clip } from '../../../src/ir/ops/clip.ts';
import { conv } from '../../../src/ir/ops/conv.ts';
import { linear } from '../../../src/ir/ops/linear.ts';
import { maxPool } from '../../../src/ir/ops/max-pool.ts';
import { reshape } from '../../../src/ir/ops/reshape.ts';
import { softmax } from '../../../src/ir/ops/softmax.ts';
import { transpose } from '../../../src/ir/ops/transpose.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { floatGraph, type LayerSpec, layer, withConstant } from '../../support/float-graph.ts';
import { randomTensor, seedArbitrary } from '../../support/float-tensors.ts';

const window = (kernel: number[], strides: number[], pads: number[], dilations: number[]) => ({
  kernel,
  strides,
  pads,
  autoPad: 'NOTSET' as const,
  dilations,
});
const plain = window([2, 2], [1, 1], [0, 0, 0, 0], [1, 1]);
const pool = (w: ReturnType<typeof window>, countIncludePad = false) => ({
  ...w,
  ceilMode: false,
  countIncludePad,
});
const image = [1, 2, 5, 6];

/** A layer that learns before the operator, so that its gradient has somewhere to arrive. */
const first = (seed: number): LayerSpec =>
  layer(
    conv,
    { ...window([1, 1], [1, 1], [0, 0, 0, 0], [1, 1]), groups: 1 },
    { constants: [randomTensor([4, 2, 1, 1], seed + 1), randomTensor([4], seed + 2)] },
  );

const cases: Readonly<Record<string, (seed: number) => readonly LayerSpec[]>> = {
  'conv with stride, padding, dilation and a clamp': (s) => [
    first(s),
    layer(
      conv,
      { ...window([3, 2], [2, 1], [1, 2, 0, 1], [1, 2]), groups: 1, clamp: { lo: 0, hi: 1 } },
      { constants: [randomTensor([3, 4, 3, 2], s + 3), randomTensor([3], s + 4)] },
    ),
  ],
  'conv in groups, without bias, with a padding value': (s) => [
    first(s),
    layer(
      conv,
      { ...window([2, 2], [1, 1], [1, 0, 0, 1], [1, 1]), groups: 2, padValues: [0.5, 0, -0.25, 1] },
      { constants: [randomTensor([6, 2, 2, 2], s + 3)] },
    ),
  ],
  'depthwise conv': (s) => [
    first(s),
    layer(conv, { ...plain, groups: 4 }, { constants: [randomTensor([4, 1, 2, 2], s + 3)] }),
  ],
  'conv with ReLU and a fused max-pool': (s) => [
    first(s),
    layer(
      conv,
      {
        ...plain,
        groups: 1,
        clamp: { lo: 0, hi: Number.POSITIVE_INFINITY },
        pool: pool(window([2, 2], [2, 2], [0, 0, 0, 0], [1, 1])),
      },
      { constants: [randomTensor([3, 4, 2, 2], s + 3), randomTensor([3], s + 4)] },
    ),
  ],
  'linear with a clamp': (s) => [
    first(s),
    layer(reshape, { shape: [1, 120] }),
    layer(
      linear,
      { clamp: { lo: -1, hi: 2 } },
      { constants: [randomTensor([7, 120], s + 3), randomTensor([7], s + 4)] },
    ),
  ],
  'max-pool with overlap and padding': (s) => [
    first(s),
    layer(maxPool, pool(window([3, 2], [1, 2], [1, 0, 1, 1], [1, 1]))),
  ],
  'average pool': (s) => [first(s), layer(avgPool, pool(window([2, 3], [2, 1], [1, 1, 0, 1], [1, 1])))],
  'average pool that counts padding': (s) => [
    first(s),
    layer(avgPool, pool(window([2, 3], [1, 2], [1, 1, 1, 1], [1, 1]), true)),
  ],
  'add of two branches, clamped': (s) => [
    first(s),
    layer(clip, { lo: -0.25, hi: 0.5 }),
    layer(add, { clamp: { lo: 0, hi: 6 } }, { reads: ['y0', 'y1'] }),
  ],
  'add of a constant that is broadcast': (s) => [
    first(s),
    layer(add, {}, { constants: [randomTensor([4, 1, 6], s + 3)] }),
  ],
  'add of a tensor to itself': (s) => [first(s), layer(add, {}, { reads: ['y0', 'y0'] })],
  transpose: (s) => [first(s), layer(transpose, { perm: [0, 2, 3, 1] }), layer(clip, { lo: 0, hi: 9 })],
  'softmax inside': (s) => [
    first(s),
    layer(softmax, { axis: 1 }),
    layer(clip, { lo: 0.1, hi: Number.POSITIVE_INFINITY }),
  ],
};

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

const outputOf = (graph: Graph<'float'>, input: Float32Array) =>
  evaluate(graph, new Map([['x', floats(graph.tensors.get('x')!.shape, input)]])).get(graph.outputs[0]!)!
    .data;

/** sum over samples and outputs of c y: its gradient by the outputs is c. */
function objective(graph: Graph<'float'>, inputs: readonly Float32Array[], c: Float32Array): number {
  return inputs.reduce(
    (sum, input) =>
      sum + [...outputOf(graph, input)].reduce((s: number, y: number, i: number) => s + c[i]! * y, 0),
    0,
  );
}

/** A step that float32 holds exactly. */
const h = 2 ** -10;

/**
 * One-sided slopes from float32 values of at most 32, some hundred of them: rounding is off by at most
 * 2^-20 sqrt(240) / h = 0.015; measured below 0.004. Around a kink the gradient may be anything in between.
 */
const tolerance = 0.015;

for (const [name, layers] of Object.entries(cases))
  describe(name, () => {
    test('forward is the reference', () => {
      fc.assert(
        fc.property(seedArbitrary, (seed) => {
          const graph = floatGraph(image, layers(seed));
          const { engine, inputs } = trialOf(graph, seed);
          engine.forward();
          inputs.forEach((input, i) => {
            outputOf(graph, input).forEach((y: number, e: number) => {
              expect(engine.output[e * lanes + usedLanes[i]!]).toBeCloseTo(y, 4);
            });
          });
        }),
        { numRuns: 5 },
      );
    });

    test('backward is the slope', () => {
      const seed = 7;
      const graph = floatGraph(image, layers(seed));
      const { engine, inputs } = trialOf(graph, seed);
      const c = randomTensor([engine.network.outputCount], seed + 50).data as Float32Array;
      engine.forward();
      engine.clearGradients();
      c.forEach((value, e) => {
        for (const lane of usedLanes) engine.outputGradients[e * lanes + lane] = value;
      });
      engine.backward();
      let total = 0;
      engine.network.layers.forEach((l, i) => {
        const memory = engine.layers[i]!;
        const found = [
          [l.weight, memory.weightGradients],
          [l.bias, memory.biasGradients],
        ] as const;
        for (const [tensor, gradients] of found) {
          if (tensor === '') continue;
          const old = graph.tensors.get(tensor)!.constant!.data as Float32Array;
          const at = (k: number, step: number): number => {
            const moved = old.slice();
            moved[k] = old[k]! + step;
            return objective(withConstant(graph, tensor, moved), inputs, c);
          };
          old.forEach((_, k) => {
            const middle = at(k, 0);
            const slopes = [(at(k, h) - middle) / h, (middle - at(k, -h)) / h];
            expect(gradients[k], `${tensor}[${k}]`).toBeGreaterThan(Math.min(...slopes) - tolerance);
            expect(gradients[k], `${tensor}[${k}]`).toBeLessThan(Math.max(...slopes) + tolerance);
            total += Math.abs(gradients[k]!);
          });
        }
      });
      expect(total).toBeGreaterThan(0.5);
    });
  });

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
    /node 'node0': operator 'batchNorm' in fine-tuning.*fold batch norms/,
  );
  const rows = floatGraph(
    [1, 2, 3],
    [layer(reshape, { shape: [2, 3] }), layer(linear, {}, { constants: [randomTensor([4, 3], 1)] })],
  );
  expect(() => networkOf(rows)).toThrow(/node 'node1': a linear layer on 2 rows/);
  const twice = floatGraph(
    [1, 3],
    [
      layer(linear, {}, { constants: [randomTensor([3, 3], 1)] }),
      layer(linear, {}, { reads: ['y0', 'c0_0'] }),
    ],
  );
  expect(() => networkOf(twice)).toThrow(/node 'node1': weights 'c0_0' shared with another layer/);
});
