import { expect, test } from 'vitest';
import { loadOnnx } from '../../src/index.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { type Graph, is } from '../../src/ir/graph/graph.ts';
import { avgPool } from '../../src/ir/ops/avg-pool.ts';
import { batchNorm } from '../../src/ir/ops/batch-norm.ts';
import { conv } from '../../src/ir/ops/conv.ts';
import { floats } from '../../src/ir/tensor.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { foldBatchNorm } from '../../src/passes/fold-batch-norm.ts';
import { fuse } from '../../src/passes/fuse.ts';
import { int8Error } from '../support/int8-error.ts';
import { type Normalized, normalizedNetwork } from '../support/normalized.ts';

const ordinary: Normalized = {
  seed: 1,
  before: 'conv relu',
  behind: 'dense',
  padded: true,
  beta: 1,
  gains: [0.5, 1.5],
  variances: [1, 1],
};

const outputOf = (graph: Graph<'float'>, input: Float32Array): Float32Array => {
  const [name = ''] = graph.inputs;
  const values = evaluate(graph, new Map([[name, floats(graph.tensors.get(name)!.shape, input)]]));
  return Float32Array.from(values.get(graph.outputs[0] ?? '')!.data as Float32Array);
};

const places = ['input', 'conv', 'conv relu', 'conv relu pool', 'conv relu average', 'sum'] as const;
const layers = ['dense', 'depthwise', 'grouped', 'linear'] as const;

/** Every place and layer, with gains of both signs, dead channels and variances of 18 decades. */
const extreme = places.flatMap((before) =>
  layers.flatMap((behind) =>
    [true, false].map(
      (padded, i): Normalized => ({
        ...ordinary,
        seed: i + 2,
        before,
        behind,
        padded,
        beta: 8,
        negative: true,
        variances: [1e-12, 1e6],
        dead: before === 'input' ? 0 : 1,
      }),
    ),
  ),
);

test('every fold keeps the outputs within float32 rounding, and leaves no batch normalization', () => {
  for (const network of extreme) {
    const { model, inputs } = normalizedNetwork(network);
    const graph = canonicalize.run(loadOnnx(model, { name: 'net' }));
    const folded = foldBatchNorm.run(graph);
    expect(folded.nodes.some((node) => is(node, batchNorm))).toBe(false);
    for (const input of inputs.slice(0, 3)) {
      const [was, is_] = [outputOf(graph, input), outputOf(folded, input)];
      // Sums of some hundred terms of at most 20: what float32 makes of each of them.
      const largest = Math.max(...was.map(Math.abs));
      expect(Math.max(...was.map((x, i) => Math.abs(x - is_[i]!)))).toBeLessThan(largest * 2e-5);
    }
  }
});

test('folds back through activations, average pools, and max-pools where gains are not negative', () => {
  const kinds = (n: Partial<Normalized>) =>
    foldBatchNorm
      .run(canonicalize.run(loadOnnx(normalizedNetwork({ ...ordinary, ...n }).model, { name: 'net' })))
      .nodes.map(({ op }) => op.kind);
  expect(kinds({ before: 'conv' })).toEqual(['conv', 'conv']);
  expect(kinds({ before: 'conv relu' })).toEqual(['conv', 'conv']);
  expect(kinds({ before: 'conv relu', negative: true })).toEqual(['conv', 'conv']);
  expect(kinds({ before: 'conv relu pool' })).toEqual(['conv', 'maxPool', 'conv']);
  expect(kinds({ before: 'conv relu average', negative: true })).toEqual(['conv', 'avgPool', 'conv']);
});

test('bounds of a negative gain change places', () => {
  const { model } = normalizedNetwork({ ...ordinary, negative: true, seed: 4 });
  const [first] = fuse.run(foldBatchNorm.run(canonicalize.run(loadOnnx(model, { name: 'net' })))).nodes;
  if (first === undefined || !is(first, conv)) throw new Error('a convolution');
  const { lo, hi } = first.attrs.clamp!;
  if (typeof lo === 'number' || typeof hi === 'number') throw new Error('bounds by channel');
  const upper = lo.map((x, c) => x === -Infinity && Number.isFinite(hi[c]!));
  const lower = hi.map((x, c) => x === Infinity && Number.isFinite(lo[c]!));
  expect(upper.filter(Boolean).length).toBeGreaterThan(0);
  expect(lower.filter(Boolean).length).toBeGreaterThan(0);
  expect(upper.map((up, c) => up !== lower[c])).not.toContain(false);
});

test('an average before an activation is not passed by its bounds', () => {
  const { model } = normalizedNetwork({ ...ordinary, before: 'conv relu average' });
  const graph = canonicalize.run(loadOnnx(model, { name: 'net' }));
  // conv, average, activation, normalization instead of conv, activation, average.
  const [c, clipNode, average, ...rest] = graph.nodes;
  if (c === undefined || clipNode === undefined || average === undefined) throw new Error('three nodes');
  expect(is(average, avgPool)).toBe(true);
  const shape = graph.tensors.get(average.outputs[0] ?? '')!;
  const swapped: Graph<'float'> = {
    ...graph,
    tensors: new Map(graph.tensors).set(clipNode.outputs[0] ?? '', shape),
    nodes: [
      c,
      { ...average, inputs: c.outputs, outputs: clipNode.outputs },
      { ...clipNode, inputs: clipNode.outputs, outputs: average.outputs },
      ...rest,
    ],
  };
  const input = normalizedNetwork(ordinary).inputs[0]!;
  const [was, is_] = [outputOf(swapped, input), outputOf(foldBatchNorm.run(swapped), input)];
  expect(Math.max(...was.map((x, i) => Math.abs(x - is_[i]!)))).toBeLessThan(1e-3);
});

test('int8 follows float for every shift, before every kind of layer', () => {
  let reached = 0;
  for (const before of ['input', 'conv relu', 'conv relu pool'] as const)
    for (const behind of ['dense', 'depthwise', 'grouped'] as const)
      for (const beta of [0, 1, 2, 4, 8])
        for (const sparsity of [0, 0.5]) {
          const n = { ...ordinary, before, behind, beta, sparsity, seed: 10 + beta, negative: beta > 2 };
          const { model, inputs } = normalizedNetwork(n);
          const { sqnr } = int8Error(model, inputs);
          expect.soft(sqnr, JSON.stringify(n)).toBeGreaterThan(30);
          reached++;
        }
  expect(reached).toBe(90);
});

test('int8 follows float with dead channels and variances of 18 decades', () => {
  for (const behind of ['dense', 'depthwise', 'grouped'] as const)
    for (const seed of [1, 2, 3]) {
      const { model, inputs } = normalizedNetwork({
        ...ordinary,
        behind,
        seed,
        beta: 2,
        negative: true,
        dead: 1,
        variances: [1e-12, 1e6],
      });
      expect.soft(int8Error(model, inputs).sqnr, `${behind} ${seed}`).toBeGreaterThan(28);
    }
});
