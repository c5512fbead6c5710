import { expect, test } from 'vitest';
import { mulberry32, normal } from '../../../src/base/random.ts';
import { compile } from '../../../src/compile.ts';
import { macLayers } from '../../../src/compress/fit/layers.ts';
import { coarserSteps } from '../../../src/compress/round/coarser-steps.ts';
import { evaluate, inputTensors } from '../../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import type { QuantizedMac } from '../../../src/ir/integers/mac.ts';
import type { Quant } from '../../../src/ir/kernel/stored.ts';
import type { Tensor } from '../../../src/ir/tensor.ts';
import { convolution } from '../../support/affine-layers.ts';
import { floatGraph } from '../../support/float-graph.ts';
import { decibels, int8Error } from '../../support/int8-error.ts';
import { encodeModel, floatTensor, int, ints, type NodeSpec, valueInfo } from '../../support/onnx-model.ts';
import { prunableBytes } from '../../support/prunable.ts';

/** Smooth pictures of two channels: neighbours are alike, as in photographs. */
function pictures(count: number, seed: number, size = 8): Float32Array[] {
  const random = mulberry32(seed);
  return Array.from({ length: count }, () => {
    const waves = Array.from({ length: 3 }, () => [normal(random), random(), random(), 6 * random()]);
    return Float32Array.from({ length: 2 * size * size }, (_, i) => {
      const [c, y, x] = [Math.floor(i / size ** 2), Math.floor(i / size) % size, i % size];
      return waves.reduce((sum, [a, fy, fx, p]) => sum + a! * Math.cos(fy! * y + fx! * x + p! + c), 0);
    });
  });
}

const samples = pictures(64, 1);
const fresh = pictures(32, 2);

const weights = (count: number, seed: number): number[] => {
  const random = mulberry32(seed);
  // Some are 0 from the start.
  return Array.from({ length: count }, (_, i) => (i % 11 === 5 ? 0 : normal(random)));
};

const graph = floatGraph(
  [1, 2, 8, 8],
  [
    convolution([8, 2, 3, 3], weights(144, 3), { pad: 1, bias: weights(8, 4) }),
    convolution([6, 8, 3, 3], weights(432, 5)),
    convolution([6, 1, 3, 3], weights(54, 6), { groups: 6, pad: 1 }),
    convolution([4, 6, 6, 6], weights(864, 7)),
  ],
);

const made = coarserSteps(graph, { samples, mayChange: () => true });

/** Sums of the layer that makes a tensor, from the float network's inputs. */
function sumsOf(of: Graph<'float'>, name: string): Float32Array[] {
  return fresh.map((x) => {
    let read: Tensor | undefined;
    evaluate(graph, inputTensors(graph, x), (tensor, value) => {
      if (tensor === graph.nodes.find((node) => node.name === name)!.inputs[0]) read = value;
    });
    const node = of.nodes.find((one) => one.name === name)!;
    const constants = node.inputs.slice(1).map((input) => of.tensors.get(input)?.constant);
    return Float32Array.from(node.op.reference(node.attrs, [read, ...constants])[0]!.data);
  });
}

/** Weight by weight, as the quantization does. */
function nearest(of: Graph<'float'>): Graph<'float'> {
  const tensors = new Map(of.tensors);
  for (const { node, terms, weights } of macLayers(of)) {
    const info = of.tensors.get(node.inputs[1]!)!;
    const data = Float32Array.from(weights, (w, i) => {
      const first = i - (i % terms);
      const step = Math.max(...weights.subarray(first, first + terms).map(Math.abs)) / 127;
      return step * Math.round(w / step);
    });
    tensors.set(node.inputs[1]!, { ...info, constant: { ...info.constant!, data } });
  }
  return { ...of, tensors };
}

test('rows lie on their steps, coarser than those of 127 to the largest weight; zeros stay', () => {
  expect([...made.weightSteps.keys()]).toEqual(['node0', 'node1']);
  const before = macLayers(graph);
  let [coarser, twice] = [0, 0];
  macLayers(made.graph).forEach(({ node, weights, terms, rows, bias }, l) => {
    const old = before[l]!;
    for (let row = 0; row < rows; row++) {
      const step = made.weightSteps.get(node.name)?.[row] ?? 0;
      const [now, was] = [weights, old.weights].map((all) => [
        ...all.subarray(row * terms, (row + 1) * terms),
      ]);
      if (step === 0) {
        expect(now).toEqual(was);
        expect(bias[row]).toBe(old.bias[row]);
        continue;
      }
      coarser++;
      const own = Math.max(...was!.map(Math.abs)) / 127;
      expect(step).toBeGreaterThan(own);
      if (step > 1.9 * own) twice++;
      now!.forEach((w, i) => {
        expect(Math.abs(w / step - Math.round(w / step))).toBeLessThan(1e-4);
        expect(Math.abs(Math.round(w / step))).toBeLessThanOrEqual(127);
        if (was![i] === 0) expect(w).toBe(0);
      });
    }
  });
  // Measured: 14 and 13 of 14 rows.
  expect(coarser).toBeGreaterThanOrEqual(12);
  expect(twice).toBeGreaterThanOrEqual(8);
});

test('sums of inputs that nothing was rounded for are as near as with weights rounded one by one', () => {
  const one = nearest(graph);
  for (const name of made.weightSteps.keys()) {
    const real = sumsOf(graph, name);
    expect(decibels(real, sumsOf(made.graph, name))).toBeGreaterThan(decibels(real, sumsOf(one, name)) - 0.5);
  }
});

test('nothing changes with few samples, nor where it may not', () => {
  for (const { graph: same, weightSteps } of [
    coarserSteps(graph, { samples: samples.slice(0, 7), mayChange: () => true }),
    coarserSteps(graph, { samples, mayChange: () => false }),
  ]) {
    expect(same).toBe(graph);
    expect(weightSteps.size).toBe(0);
  }
  const second = coarserSteps(graph, { samples, mayChange: ({ name }) => name === 'node1' });
  expect([...second.weightSteps.keys()]).toEqual(['node1']);
});

const model = importOnnx(prunableBytes(), { name: 'net' });
const largestIn = (options: object, node: string): number => {
  const { assembled } = compile(model, {
    name: 'net',
    arith: 'int8',
    calibration: { inputs: samples },
    ...options,
  });
  const { weights: all } = assembled.nodes.find(({ name }) => name === node)!.quantized as QuantizedMac;
  const terms = all.length / 6;
  // Of the row with the smallest.
  return Math.min(
    ...Array.from({ length: 6 }, (_, row) =>
      Math.max(...all.subarray(row * terms, (row + 1) * terms).map(Math.abs)),
    ),
  );
};

test('compiling gives them to convolutions, and not where bytes count or rounding is asked to be another', () => {
  expect(largestIn({}, 'stem')).toBeLessThan(90);
  expect(largestIn({ formats: { objective: 'speed', target: 'cortex-m3' } }, 'stem')).toBeLessThan(90);
  expect(largestIn({}, 'hidden')).toBe(127);
  for (const options of [
    { formats: { objective: 'flash', target: 'cortex-m3' } },
    { requant: 'tfl-double' },
    { biasCorrection: false },
    { rounded: true },
  ])
    expect(largestIn(options, 'stem')).toBe(127);
});

test('rows that make channels on grids of their own keep their steps there', () => {
  const gains = [1, 8, 3, 14, 5, 2];
  const first = weights(108, 8).map((w, i) => w * gains[Math.floor(i / 18)]!);
  const depth = weights(54, 9).map((w, i) => w / gains[Math.floor(i / 9)]!);
  const nodes: NodeSpec[] = [
    {
      op: 'Conv',
      name: 'first',
      inputs: ['x', 'w0'],
      outputs: ['a'],
      attributes: [ints('pads', [1, 1, 1, 1])],
    },
    { op: 'Relu', name: 'relu', inputs: ['a'], outputs: ['b'] },
    { op: 'Conv', name: 'depth', inputs: ['b', 'w1'], outputs: ['y'], attributes: [int('group', 6)] },
  ];
  const bytes = encodeModel({
    nodes,
    initializers: [floatTensor('w0', [6, 2, 3, 3], first), floatTensor('w1', [6, 1, 3, 3], depth)],
    inputs: [valueInfo('x', [1, 2, 8, 8])],
  });
  const { sqnr, compiled } = int8Error(bytes, [...samples, ...fresh, ...pictures(32, 9)]);
  const node = compiled.assembled.nodes.find(({ name }) => name === 'first')!;
  const { quant } = compiled.assembled.tensors.get(node.outputs[0]!) as { quant?: Quant };
  expect(quant?.channels?.length).toBe(6);
  const { weights: all } = node.quantized as QuantizedMac;
  const largest = gains.map((_, row) => Math.max(...all.subarray(row * 18, row * 18 + 18).map(Math.abs)));
  expect(largest.filter((q) => q < 90).length).toBeGreaterThanOrEqual(4);
  // Measured: 35.
  expect(sqnr).toBeGreaterThan(33);
});
