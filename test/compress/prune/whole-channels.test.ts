import { describe, expect, test } from 'vitest';
import { macLayers } from '../../../src/compress/fit/layers.ts';
import { withWeights } from '../../../src/compress/fit/refit.ts';
import { prune } from '../../../src/compress/prune/prune.ts';
import { verifyGraph } from '../../../src/ir/graph/check.ts';
import type { Node } from '../../../src/ir/graph/graph.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { shrink } from '../../../src/passes/channels/remove.ts';
import { channelSpaces } from '../../../src/passes/channels/spaces.ts';
import { fuse } from '../../../src/passes/fuse.ts';
import { encodeModel, floatTensor, intTensor, valueInfo } from '../../support/onnx-model.ts';
import { distance, outputsOf, prunableInputs, prunableNet } from '../../support/prunable.ts';

const net = prunableNet();
const samples = prunableInputs(60);
const fresh = prunableInputs(20, 77);
const names = (ends: readonly { readonly node: Node }[]): string[] =>
  ends.map(({ node }) => node.name).sort();

describe('spaces', () => {
  const { free } = channelSpaces(net);

  test('a shortcut ties the channels of what it adds; a depthwise convolution passes its own on', () => {
    expect(free.map((s) => [s.channels, names(s.makers), names(s.readers)])).toEqual([
      [8, ['depth', 'wide'], ['narrow']],
      [6, ['ap', 'flat', 'narrow', 'stem', 'sum'], ['hidden', 'wide']],
      [10, ['hidden'], ['logits']],
    ]);
  });

  test('channels of the input and output are not free', () => {
    expect(free.flatMap((s) => names(s.readers))).not.toContain('stem');
    expect(free.flatMap((s) => names(s.makers))).not.toContain('logits');
  });
});

test('taking out channels that nothing reads changes no output', () => {
  const spaces = channelSpaces(net);
  const [inner, shortcut, hidden] = spaces.free;
  const kept = new Map([
    [shortcut!, [0, 2, 5]],
    [inner!, [1, 6]],
    [hidden!, [3, 4, 9]],
  ]);
  const stays = new Map([
    ['wide', [0, 2, 5]],
    ['narrow', [1, 6]],
    ['logits', [3, 4, 9]],
    ['hidden', [0, 2, 5]],
  ]);
  const silent = withWeights(
    net,
    new Map(
      macLayers(net).map((layer) => {
        const channels = stays.get(layer.node.name);
        const perChannel = layer.node.name === 'hidden' ? 4 : 1;
        const weights = layer.weights.map((w, i) =>
          channels === undefined || channels.includes(Math.floor((i % layer.terms) / perChannel)) ? w : 0,
        );
        return [layer, { weights, bias: layer.bias }];
      }),
    ),
  );
  const small = shrink(silent, spaces, kept);
  verifyGraph(small);
  expect(macLayers(small).map((l) => [l.rows, l.terms])).toEqual([
    [3, 18],
    [2, 3],
    [2, 9],
    [3, 2],
    [3, 12],
    [4, 3],
  ]);
  for (const input of fresh)
    outputsOf(silent, input).forEach((y, i) => {
      expect(outputsOf(small, input)[i]).toBeCloseTo(y, 5);
    });
});

test('what forbids that channels go stays as it is: constant addends, the output', () => {
  const bytes = encodeModel({
    nodes: [
      { op: 'Conv', name: 'one', inputs: ['x', 'w'], outputs: ['a'] },
      { op: 'Relu', name: 'relu', inputs: ['a'], outputs: ['ar'] },
      { op: 'Conv', name: 'two', inputs: ['ar', 'v'], outputs: ['b'] },
      { op: 'Relu', name: 'between', inputs: ['b'], outputs: ['br'] },
      { op: 'Add', name: 'plus', inputs: ['br', 'c'], outputs: ['d'] },
      { op: 'Reshape', name: 'line', inputs: ['d', 'shape'], outputs: ['y'] },
    ],
    initializers: [
      floatTensor('w', [3, 1, 1, 1], [1, 2, 3]),
      floatTensor('v', [2, 3, 1, 1], [1, 0, 4, 5, 0, 7]),
      floatTensor('c', [1, 2, 1, 1], [10, 20]),
      intTensor('shape', [3], [1, 8, 1]),
    ],
    inputs: [valueInfo('x', [1, 1, 2, 2])],
  });
  const graph = fuse.run(canonicalize.run(importOnnx(bytes, { name: 'line' })));
  const spaces = channelSpaces(graph);
  expect(spaces.free.map((s) => [s.channels, names(s.makers), names(s.readers)])).toEqual([
    [3, ['one'], ['two']],
  ]);
  const small = shrink(graph, spaces, new Map([[spaces.free[0]!, [0, 2]]]));
  verifyGraph(small);
  const input = Float32Array.of(1, 2, 0.5, 3);
  expect(outputsOf(small, input)).toEqual(outputsOf(graph, input));
});

describe('pruning by channels', () => {
  test.each([0, 0.3, 0.6])('%d of the weights go at least, and shapes shrink', (sparsity) => {
    const { graph, layers } = prune(net, { method: 'channel', sparsity, samples });
    verifyGraph(graph);
    const total = macLayers(net).reduce((sum, l) => sum + l.weights.length, 0);
    const left = macLayers(graph).reduce((sum, l) => sum + l.weights.length, 0);
    expect(left).toBeLessThanOrEqual((1 - sparsity) * total);
    expect(layers.reduce((sum, l) => sum + l.kept, 0)).toBe(left);
    expect(graph.tensors.get(graph.outputs[0]!)?.shape).toEqual([1, 4]);
  });

  test('at sparsity 0 the outputs stay', () => {
    const { graph } = prune(net, { method: 'channel', sparsity: 0, samples });
    expect(distance(net, graph, fresh)).toBeLessThan(1e-9);
  });

  test('the readers make up for what is gone', () => {
    const { graph } = prune(net, { method: 'channel', sparsity: 0.3, samples });
    // Measured: 0.0004; 0.014 where the readers are fitted with the channels still there.
    expect(distance(net, graph, fresh)).toBeLessThan(0.003);
  });

  test('one channel is left of each at the most', () => {
    const { graph } = prune(net, { method: 'channel', sparsity: 1, samples });
    expect(Math.min(...macLayers(graph).map((l) => l.rows))).toBe(1);
    expect([...outputsOf(graph, fresh[0]!)].every(Number.isFinite)).toBe(true);
  });
});
