import { describe, expect, test } from 'vitest';
import { certify } from '../../../src/artifact/certify.ts';
import { InputError } from '../../../src/base/errors.ts';
import { type CompileOptions, compile } from '../../../src/compile.ts';
import { macLayers } from '../../../src/compress/fit/layers.ts';
import { prune } from '../../../src/compress/prune/prune.ts';
import { roundWeights } from '../../../src/compress/round/round-weights.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import { largestWeight, type WeightBits } from '../../../src/ir/graph/op.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import type { QuantizedMac } from '../../../src/ir/integers/mac.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { decodeOutput, encodeInput } from '../../../src/program/values.ts';
import { createSimulator } from '../../../src/sim/simulate.ts';
import { encodeModel, floatTensor, int, valueInfo } from '../../support/onnx-model.ts';
import { distance, outputsOf, prunableBytes, prunableInputs, prunableNet } from '../../support/prunable.ts';

const net = prunableNet();
const samples = prunableInputs(60);
const fresh = prunableInputs(40, 77);

describe('rounding weights', () => {
  test.each([7, 6, 5, 4, 3, 2] as const)('to %i bits: each row lies on its grid, zeros stay', (bits) => {
    const pruned = prune(net, { method: 'obs', sparsity: 0.5, samples }).graph;
    const { graph, weightSteps } = roundWeights(pruned, { bitsOf: () => bits, samples, reference: net });
    const before = macLayers(pruned);
    macLayers(graph).forEach(({ node, weights, terms }, l) => {
      const steps = weightSteps.get(node.name)!;
      weights.forEach((w, i) => {
        const q = w === 0 ? 0 : w / steps[Math.floor(i / terms)]!;
        expect(Math.abs(q - Math.round(q))).toBeLessThan(1e-5);
        expect(Math.abs(Math.round(q))).toBeLessThanOrEqual(largestWeight(bits));
        if (before[l]!.weights[i] === 0) expect(w).toBe(0);
      });
    });
  });

  test('more bits are nearer, and layers of 8 bits are left to the quantization', () => {
    const at = (bits: WeightBits) => roundWeights(net, { bitsOf: () => bits, samples });
    const [two, four] = [distance(net, at(2).graph, fresh), distance(net, at(4).graph, fresh)];
    expect(four).toBeLessThan(two / 2);
    expect(at(8).weightSteps.size).toBe(0);
    const mixed = roundWeights(net, { bitsOf: (node) => (node === 'hidden' ? 4 : 8), samples });
    expect([...mixed.weightSteps.keys()]).toEqual(['hidden']);
  });

  test('with fewer samples than a row has weights, other samples lose little more', () => {
    const lost = [1, 2, 3].map((seed) => {
      const few = prunableInputs(12, seed);
      return distance(net, roundWeights(net, { bitsOf: () => 4, samples: few }).graph, fresh);
    });
    // Measured: 0.0014; 0.0021 where how much the fit is drawn to the weights does not depend on the columns.
    expect(lost.reduce((sum, x) => sum + x, 0)).toBeLessThan(0.0018);
  });
});

describe('shared values', () => {
  const sharedWith = (codebook: 16 | 4, graph = net) =>
    roundWeights(graph, { bitsOf: () => 8, codebookOf: () => codebook, samples, reference: net });

  test.each([16, 4] as const)('%i: every weight is one of them times its row’s step, zeros stay', (size) => {
    const pruned = prune(net, { method: 'obs', sparsity: 0.5, samples }).graph;
    const { graph, weightSteps, codebooks } = sharedWith(size, pruned);
    const before = macLayers(pruned);
    macLayers(graph).forEach(({ node, weights, terms }, l) => {
      const [steps, values] = [weightSteps.get(node.name)!, codebooks.get(node.name)!];
      expect(values.length).toBeLessThanOrEqual(size);
      if (before[l]!.weights.includes(0)) expect([...values]).toContain(0);
      weights.forEach((w, i) => {
        const q = w === 0 ? 0 : w / steps[Math.floor(i / terms)]!;
        expect(Math.min(...values.map((v) => Math.abs(q - v)))).toBeLessThan(1e-4);
        if (before[l]!.weights[i] === 0) expect(w).toBe(0);
      });
    });
  });

  test('16 are nearer to the network than 4 bits, 4 nearer than 2 bits', () => {
    const uniform = (bits: WeightBits) =>
      distance(net, roundWeights(net, { bitsOf: () => bits, samples }).graph, fresh);
    // Measured: 0.41 and 0.91.
    expect(distance(net, sharedWith(16).graph, fresh) / uniform(4)).toBeLessThan(0.6);
    expect(distance(net, sharedWith(4).graph, fresh) / uniform(2)).toBeLessThan(0.95);
  });

  test('the same every time', () => {
    const [one, other] = [sharedWith(4), sharedWith(4)];
    expect(other.weightSteps).toEqual(one.weightSteps);
    expect(other.codebooks).toEqual(one.codebooks);
    expect(macLayers(other.graph).map((l) => l.weights)).toEqual(macLayers(one.graph).map((l) => l.weights));
  });
});

describe('through the compiler', () => {
  const model = importOnnx(prunableBytes(), { name: 'prunable' });
  const macsOf = (compiled: ReturnType<typeof compile>): readonly (readonly [string, QuantizedMac])[] =>
    compiled.assembled.nodes
      .filter((n) => n.op.kind === 'conv' || n.op.kind === 'linear')
      .map((n) => [n.name, n.quantized as QuantizedMac]);

  test('integers have the bits and the zeros that were asked for', () => {
    const passes: string[] = [];
    const compiled = compile(model, {
      name: 'net',
      arith: 'int8',
      calibration: { inputs: samples },
      prune: { method: 'obs', sparsity: 0.5 },
      weightBits: new Map([
        ['wide', 4],
        ['hidden', 2],
      ]),
      onPass: (pass) => passes.push(pass),
    });
    const road = ['prune', 'drop-dead-channels', 'round-weights', 'quantize', 'assemble'];
    expect(passes.filter((pass) => road.includes(pass))).toEqual(road);
    const kept = macsOf(compiled).reduce((sum, [, q]) => sum + q.weights.filter((w) => w !== 0).length, 0);
    const all = macLayers(net).reduce((sum, { weights }) => sum + weights.length, 0);
    expect(kept).toBeLessThanOrEqual(Math.round(all / 2));
    for (const [name, q] of macsOf(compiled)) {
      const bits: WeightBits = name === 'wide' ? 4 : name === 'hidden' ? 2 : 8;
      expect([name, q.bits]).toEqual([name, bits]);
      expect(Math.max(...q.weights.map(Math.abs))).toBeLessThanOrEqual(largestWeight(bits));
    }
  });

  test('4-bit programs compute what their rounded float network does', () => {
    const options = { name: 'net', arith: 'int8', calibration: { inputs: samples }, weightBits: 4 } as const;
    const { program, fused } = compile(model, options);
    const simulator = createSimulator(program, { mode: 'checked' });
    let [lost, whole] = [0, 0];
    for (const input of fresh) {
      const real = outputsOf(fused, input);
      decodeOutput(program, simulator.run(encodeInput(program, input)).output).forEach((y, i) => {
        lost += (y - real[i]!) ** 2;
        whole += real[i]! ** 2;
      });
    }
    // Only activations are rounded here, to 8 bits: errors of some thousandths in each of six layers.
    expect(lost / whole).toBeLessThan(1e-3);
  });

  test.each(['single', 'tfl-double', 'ort-float'] as const)('%s: 4 bits end in 4 bits', (requant) => {
    const compiled = compile(model, {
      name: 'net',
      arith: 'int8',
      calibration: { inputs: samples },
      weightBits: 4,
      requant,
    });
    for (const [, q] of macsOf(compiled)) expect(Math.max(...q.weights.map(Math.abs))).toBeLessThanOrEqual(7);
  });

  test.each(['single', 'tfl-double', 'ort-float', 'compact'] as const)(
    '%s: integers are values of the codebook, stored as indices and certified',
    (requant) => {
      const compiled = compile(model, {
        name: 'net',
        arith: 'int8',
        calibration: { inputs: samples },
        prune: { method: 'obs', sparsity: 0.4 },
        codebook: 16,
        formats: { objective: 'tables', target: 'cortex-m4' },
        requant,
      });
      const stored = compiled.program.steps.filter(({ kernel }) => kernel.weights?.codebook !== undefined);
      expect(stored.length).toBeGreaterThan(2);
      expect(certify(compiled.program, compiled.assembled as Graph<'int8'>).holds).toBe(true);
      for (const [, q] of macsOf(compiled)) {
        const values = new Set(q.weights);
        expect(values.size).toBeLessThanOrEqual(16);
        for (const v of values) expect([...q.codebook!]).toContain(v);
      }
    },
  );

  test('a codebook for some layers, bits for the others', () => {
    const compiled = compile(model, {
      name: 'net',
      arith: 'int8',
      calibration: { inputs: samples },
      weightBits: 4,
      codebook: new Map([['hidden', 4]]),
    });
    for (const [name, { codebook, weights }] of macsOf(compiled))
      if (name === 'hidden') expect(new Set(weights).size).toBeLessThanOrEqual(4);
      else expect([codebook, Math.max(...weights) <= 7]).toEqual([undefined, true]);
  });

  test.each<[Partial<CompileOptions>, RegExp]>([
    [{ codebook: 5 as 4 }, /codebook of 'all layers': 5; supported: 16 or 4 values/],
    [{ codebook: new Map([['nobody', 16]]) }, /'nobody': no such node; supported: stem, wide/],
    [{ codebook: 16, requant: 'pow2' }, /codebook: requantization 'pow2', .*; supported: all other modes/],
    [{ codebook: 16, weightBits: 4 }, /codebook: weights of fewer than 8 bits in the same layers/],
    [{ codebook: 16, rounded: true }, /codebook: weights that training has rounded/],
  ])('%o is refused', (options, message) => {
    const wrong = () =>
      compile(model, { name: 'net', arith: 'int8', calibration: { inputs: samples }, ...options });
    expect(wrong).toThrow(InputError);
    expect(wrong).toThrow(message);
  });

  test.each([
    [1, /'all layers': 1; supported: 2 to 8/],
    [4.5, /'all layers': 4.5; supported: 2 to 8/],
    [new Map([['nobody', 4]]), /'nobody': no such node; supported: stem, wide/],
  ])('bits %j are refused', (bits, message) => {
    const weightBits = bits as WeightBits;
    const wrong = () =>
      compile(model, { name: 'net', arith: 'int8', calibration: { inputs: samples }, weightBits });
    expect(wrong).toThrow(InputError);
    expect(wrong).toThrow(message);
  });

  test('float32 programs can be pruned, channels and all', () => {
    const pruned = compile(model, {
      name: 'net',
      arith: 'float32',
      calibration: { inputs: samples },
      prune: { method: 'channel', sparsity: 0.4 },
    });
    expect(pruned.program.arenaBytes).toBeLessThan(
      compile(model, { name: 'net', arith: 'float32' }).program.arenaBytes,
    );
    const without = () =>
      compile(model, { name: 'net', arith: 'float32', prune: { method: 'obs', sparsity: 0.4 } });
    expect(without).toThrow(InputError);
    expect(without).toThrow(/pruning without calibration inputs/);
  });
});

test('weights that a file multiplies with a mask are the products', () => {
  const bytes = encodeModel({
    nodes: [
      { op: 'Mul', inputs: ['w', 'mask'], outputs: ['masked'] },
      {
        op: 'Gemm',
        name: 'layer',
        inputs: ['x', 'masked', 'b'],
        outputs: ['y'],
        attributes: [int('transB', 1)],
      },
    ],
    initializers: [
      floatTensor('w', [2, 4], [1, 2, 3, 4, 5, 6, 7, 8]),
      floatTensor('mask', [2, 4], [1, 0, 1, 0, 0, 1, 0, 1]),
      floatTensor('b', [2], [0.5, -0.5]),
    ],
  });
  const imported = importOnnx(bytes, { name: 'masked' });
  const [layer] = macLayers(canonicalize.run(imported));
  expect([...layer!.weights]).toEqual([1, 0, 3, 0, 0, 6, 0, 8]);
  // All of them change: the weights of one that does not would be in the bias.
  const inputs = Array.from({ length: 8 }, (_, i) => Float32Array.of(i, 1 - i, i % 3, (5 * i) % 7));
  const compiled = compile(imported, { name: 'net', arith: 'int8', calibration: { inputs } });
  const [node] = compiled.assembled.nodes;
  expect([...(node!.quantized as QuantizedMac).weights].map((w) => w !== 0)).toEqual(
    [1, 0, 1, 0, 0, 1, 0, 1].map(Boolean),
  );
});

test('a layer too large for Hessians shares its values all the same', () => {
  const terms = 5900;
  const weights = Array.from({ length: terms }, (_, i) => (i % 100 === 0 ? 0 : Math.sin(i) / 50));
  const bytes = encodeModel({
    nodes: [
      { op: 'Gemm', name: 'layer', inputs: ['x', 'w'], outputs: ['y'], attributes: [int('transB', 1)] },
    ],
    initializers: [floatTensor('w', [1, terms], weights)],
    inputs: [valueInfo('x', [1, terms])],
  });
  const inputs = [0, 1].map((k) => Float32Array.from({ length: terms }, (_, i) => ((i + k) % 7) / 7));
  const compiled = compile(importOnnx(bytes, { name: 'wide' }), {
    name: 'net',
    arith: 'int8',
    calibration: { inputs },
    codebook: 4,
  });
  const { weights: made, codebook } = compiled.assembled.nodes[0]!.quantized as QuantizedMac;
  expect([...new Set(made)].sort((a, b) => a - b)).toEqual([...codebook!]);
  expect(codebook!.length).toBe(4);
  made.forEach((w, i) => {
    if (i % 100 === 0) expect(w).toBe(0);
  });
});
