import { describe, expect, test } from 'vitest';
import { DefectError, InputError } from '../../../src/base/errors.ts';
import { type MacLayer, macLayers } from '../../../src/compress/fit/layers.ts';
import { type PruneOptions, prune } from '../../../src/compress/prune/prune.ts';
import { roundWeights } from '../../../src/compress/round/round-weights.ts';
import { verifyGraph } from '../../../src/ir/graph/check.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import { dumpGraph } from '../../../src/ir/graph/text.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { distance, outputsOf, prunableInputs, prunableNet } from '../../support/prunable.ts';

const net = prunableNet();
const samples = prunableInputs(60);
const fresh = prunableInputs(40, 77);

const pruned = (options: Partial<PruneOptions>, graph = net) => {
  const made = prune(graph, { method: 'obs', sparsity: 0.6, samples, ...options });
  verifyGraph(made.graph);
  return made;
};

const zerosOf = (graph: Graph<'float'>): number =>
  macLayers(graph).reduce((sum, { weights }) => sum + weights.filter((w) => w === 0).length, 0);
const total = macLayers(net).reduce((sum, { weights }) => sum + weights.length, 0);
const layerOf = (graph: Graph<'float'>, name: string): MacLayer =>
  macLayers(graph).find(({ node }) => node.name === name)!;

describe('how much goes', () => {
  test.each([0.1, 0.5, 0.83, 1])('%d of all weights become zero', (sparsity) => {
    const { graph, layers } = pruned({ sparsity });
    expect(zerosOf(graph)).toBe(Math.round(sparsity * total));
    expect(layers.reduce((sum, l) => sum + l.kept, 0)).toBe(total - zerosOf(graph));
  });

  test('nothing goes at sparsity 0, and the outputs stay', () => {
    const { graph, layers } = pruned({ sparsity: 0 });
    expect(zerosOf(graph)).toBe(0);
    expect(distance(net, graph, fresh)).toBeLessThan(1e-9);
    expect(layers.map((l) => l.density)).toEqual(layers.map(() => 1));
  });

  test('with all weights gone the outputs are constants', () => {
    const { graph } = pruned({ sparsity: 1 });
    expect(outputsOf(graph, fresh[0]!)).toEqual(outputsOf(graph, fresh[1]!));
  });
});

describe('how well', () => {
  test('the outputs are far nearer than with the smallest weights cut', () => {
    const own = distance(net, pruned({ sparsity: 0.5 }).graph, fresh);
    const plain = distance(net, pruned({ sparsity: 0.5, method: 'magnitude' }).graph, fresh);
    expect(own).toBeLessThan(plain / 2);
  });

  test('magnitudes are compared in units of their layer: what the units of its input are does not matter', () => {
    const [first] = macLayers(net);
    const name = first!.node.inputs[1]!;
    const info = net.tensors.get(name)!;
    const tiny = Float32Array.from(info.constant!.data as Float32Array, (w) => w / 256);
    const other = {
      ...net,
      tensors: new Map(net.tensors).set(name, { ...info, constant: floats(info.shape, tiny) }),
    };
    const goneFrom = (graph: Graph<'float'>) =>
      macLayers(pruned({ sparsity: 0.5, method: 'magnitude' }, graph).graph).map(({ weights }) =>
        weights.map((w) => (w === 0 ? 1 : 0)),
      );
    expect(goneFrom(other)).toEqual(goneFrom(net));
  });

  test('weights of layers that are used often go first when multiplications are the price', () => {
    const used = (graph: Graph<'float'>): number =>
      macLayers(graph).reduce(
        (sum, { weights, positions }) => sum + positions * weights.filter((w) => w !== 0).length,
        0,
      );
    expect(used(pruned({ price: 'macs' }).graph)).toBeLessThan(used(pruned({ price: 'weights' }).graph));
    const { layers } = pruned({ price: new Map([['hidden', 1e6]]) });
    expect(layers.find((l) => l.node === 'hidden')?.density).toBeLessThan(0.1);
  });

  test('the same options give the same network, whatever ran before', () => {
    const text = dumpGraph(pruned({ seed: 4 }).graph);
    pruned({ seed: 9, sparsity: 0.3 });
    expect(dumpGraph(pruned({ seed: 4 }).graph)).toBe(text);
  });

  test('samples in another order prune as well', () => {
    const sorted = samples.toSorted((a, b) => outputsOf(net, a)[0]! - outputsOf(net, b)[0]!);
    const [one, other] = [pruned({}), pruned({ samples: sorted })].map((p) => distance(net, p.graph, fresh));
    expect(other!).toBeLessThan(1.5 * one!);
  });
});

describe('what is degenerate', () => {
  test('one sample is enough to go through', () => {
    const { graph } = pruned({ samples: samples.slice(0, 1), sparsity: 0.8 });
    expect(zerosOf(graph)).toBe(Math.round(0.8 * total));
    expect([...outputsOf(graph, fresh[0]!)].every(Number.isFinite)).toBe(true);
  });

  test('inputs that are always zero', () => {
    const dead = prunableInputs(60, 5, 64);
    const { graph } = pruned({ samples: dead });
    expect(distance(net, graph, prunableInputs(20, 6, 64))).toBeLessThan(0.5);
    const nothing = pruned({ samples: [new Float32Array(128)] }).graph;
    expect([...outputsOf(nothing, fresh[0]!)].every(Number.isFinite)).toBe(true);
  });

  test('layers of zeros stay zeros, and count', () => {
    const empty = prunableNet(1, ['w2', 'w4']);
    const before = zerosOf(empty);
    const { graph } = pruned({ sparsity: 0.2 }, empty);
    expect(zerosOf(graph)).toBe(Math.max(before, Math.round(0.2 * total)));
    expect(layerOf(graph, 'hidden').weights.every((w) => w === 0)).toBe(true);
  });

  test.each(['obs', 'magnitude'] as const)('zeros of before are kept by %s', (method) => {
    const once = pruned({ sparsity: 0.4 }).graph;
    const { graph } = pruned({ sparsity: 0.7, method }, once);
    for (const layer of macLayers(once)) {
      const after = layerOf(graph, layer.node.name).weights;
      layer.weights.forEach((w, i) => {
        if (w === 0) expect(after[i]).toBe(0);
      });
    }
    expect(zerosOf(graph)).toBe(Math.round(0.7 * total));
  });
});

/** The constants of these names times a power of two. */
function inUnits(graph: Graph<'float'>, names: readonly string[], exponent: number): Graph<'float'> {
  const tensors = new Map(graph.tensors);
  for (const name of names) {
    const info = graph.tensors.get(name)!;
    const data = Float32Array.from(info.constant!.data, (x) => x * 2 ** exponent);
    tensors.set(name, { ...info, constant: floats(info.shape, data) });
  }
  return { ...graph, tensors };
}

/** What compressing makes of a network, as numbers that its units do not change. */
function compressedBy(
  how: PruneOptions['method'] | 'round',
  graph: Graph<'float'>,
  inputs = samples,
): Graph<'float'> {
  return how === 'round'
    ? roundWeights(graph, { bitsOf: () => 4, samples: inputs }).graph
    : pruned({ method: how, samples: inputs }, graph).graph;
}

describe.each(['obs', 'magnitude', 'channel', 'round'] as const)('units, by %s', (how) => {
  const plain = compressedBy(how, net);

  test.each([-100, 100])('the outputs may have any (2^%i)', (exponent) => {
    const { inputs } = layerOf(net, 'logits').node;
    const other = compressedBy(how, inUnits(net, inputs.slice(1), exponent));
    expect(zerosOf(other)).toBe(zerosOf(plain));
    const fitted = layerOf(other, 'logits').node.inputs.slice(1);
    const back = inUnits(other, fitted, -exponent);
    // Rounding mixes the Hessians of rows that matter and rows that never do, whose weight has a unit.
    expect(distance(plain, back, fresh)).toBeLessThan(how === 'round' ? 1e-3 : 1e-9);
  });

  test.each([-60, 60])('the inputs may have any (2^%i)', (exponent) => {
    const stem = layerOf(net, 'stem').node.inputs[1]!;
    const scaled = (all: readonly Float32Array[]) => all.map((x) => x.map((v) => v * 2 ** exponent));
    const other = compressedBy(how, inUnits(net, [stem], -exponent), scaled(samples));
    expect(zerosOf(other)).toBe(zerosOf(plain));
    const back = inUnits(other, [layerOf(other, 'stem').node.inputs[1]!], exponent);
    expect(distance(plain, back, fresh)).toBeLessThan(1e-9);
  });

  test('one sample, the same sample often, and constants leave finite numbers', () => {
    const flat = [new Float32Array(128).fill(3), new Float32Array(128).fill(3)];
    for (const inputs of [samples.slice(0, 1), [samples[0]!, samples[0]!, samples[0]!], flat])
      expect([...outputsOf(compressedBy(how, net, inputs), fresh[0]!)].every(Number.isFinite)).toBe(true);
  });
});

test('gradients whose squares leave float64 are the weights’ fault, and said to be', () => {
  const layers = ['narrow', 'hidden', 'logits'].map((name) => layerOf(net, name).node.inputs[1]!);
  const tiny = samples.map((x) => x.map((v) => v * 1e-38));
  const huge = inUnits(net, layers, 120);
  expect(() => pruned({ samples: tiny }, huge)).not.toThrow(DefectError);
});

describe('patterns', () => {
  /** The weights of a row in the order of memory. */
  const rowOf = ({ weights, terms, memoryOrder }: MacLayer, row: number): number[] =>
    Array.from(memoryOrder, (term) => weights[row * terms + term]!);

  test('at most 2 of 4 neighbours stay', () => {
    const { graph } = pruned({ sparsity: 0.5, pattern: { n: 2, m: 4 } });
    for (const layer of macLayers(graph))
      for (let row = 0; row < layer.rows; row++) {
        const line = rowOf(layer, row);
        for (let i = 0; i < line.length; i += 4)
          expect(line.slice(i, i + 4).filter((w) => w !== 0).length).toBeLessThanOrEqual(2);
      }
  });

  test('blocks of 2 rows and 3 neighbours are zero or not as a whole', () => {
    const { graph } = pruned({ sparsity: 0.5, pattern: { block: [2, 3] } });
    for (const layer of macLayers(graph).filter((l) => l.groups === 1))
      for (let row = 0; row < layer.rows; row += 2) {
        const lines = [rowOf(layer, row), rowOf(layer, row + 1)];
        for (let i = 0; i < layer.terms; i += 3) {
          const zeros = lines.flatMap((line) => line.slice(i, i + 3)).map((w) => w === 0);
          expect(new Set(zeros).size).toBe(1);
        }
      }
    expect(zerosOf(graph)).toBeGreaterThanOrEqual(Math.round(0.5 * total));
  });
});

describe('complaints', () => {
  const wrong = (options: Partial<PruneOptions>) => () => pruned(options);
  test.each([
    [{ sparsity: 1.2 }, /sparsity 1.2.*0 \(no weight is removed\) to 1/],
    [{ sparsity: Number.NaN }, /sparsity NaN/],
    [{ pattern: { n: 3, m: 2 } }, /pattern.*{"n":3,"m":2}/],
    [{ pattern: { block: [0, 4] } as const }, /pattern.*\[0,4\]/],
    [{ price: new Map([['nobody', 1]]) }, /no node 'nobody'.*stem/],
    [{ price: 'flash' as 'bytes' }, /price 'flash'; supported: weights, bytes, macs/],
    [{ price: new Map([['stem', 0]]) }, /node 'stem'.*above 0/],
    [{ samples: [] }, /no samples/],
    [{ samples: [new Float32Array(3)] }, /3 numbers/],
  ])('%j', (options, message) => {
    expect(wrong(options)).toThrow(InputError);
    expect(wrong(options)).toThrow(message);
  });
});
