/** Inputs and outputs whose numbers are far from 0, or of very different size. */
import { expect, test } from 'vitest';
import { createSimulator } from '../../src/index.ts';
import type { RequantMode } from '../../src/ir/graph/op.ts';
import { encodeInput } from '../../src/program/values.ts';
import { oracle } from '../oracles/network.ts';
import { Draw } from '../support/draw.ts';
import { int8Error } from '../support/int8-error.ts';
import { readNpy } from '../support/npy.ts';
import {
  encodeModel,
  floatTensor,
  int,
  ints,
  intTensor,
  type NodeSpec,
  valueInfo,
} from '../support/onnx-model.ts';
import { readBytes, root } from '../support/shared.ts';

interface Features {
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  /** Of the network's two outputs. */
  readonly output?: { readonly mean: number; readonly deviation: number };
  readonly clip?: readonly [lo: number, hi: number];
}

const gaussian = (draw: Draw): number => draw.between(-1, 1) + draw.between(-1, 1) + draw.between(-1, 1);

/** Linear, ReLU, linear, perhaps a clip: trained on features as they are, so that its first bias takes their means. */
function regression({ mean, deviation, output = { mean: 0, deviation: 1 }, clip }: Features, seed = 1) {
  const draw = new Draw(seed);
  const count = mean.length;
  const rows = Array.from({ length: 16 }, () =>
    deviation.map((d) => (d === 0 ? 0.1 : draw.between(-1, 1) / d)),
  );
  const bias = rows.map((row) => draw.between(-0.5, 0.5) - row.reduce((sum, w, i) => sum + w * mean[i]!, 0));
  const inputs = Array.from({ length: 400 }, () =>
    Float32Array.from(mean, (m, i) => m + deviation[i]! * gaussian(draw)),
  );
  const last = [...draw.floats(32, -1, 1)].map((w) => w * output.deviation);
  const nodes: NodeSpec[] = [
    { op: 'Gemm', inputs: ['x', 'w1', 'b1'], outputs: ['a'], attributes: [int('transB', 1)] },
    { op: 'Relu', inputs: ['a'], outputs: ['r'] },
    { op: 'Gemm', inputs: ['r', 'w2', 'b2'], outputs: ['y'], attributes: [int('transB', 1)] },
    ...(clip === undefined ? [] : [{ op: 'Clip', inputs: ['y', 'lo', 'hi'], outputs: ['z'] }]),
  ];
  const model = encodeModel({
    nodes,
    initializers: [
      floatTensor('w1', [16, count], rows.flat()),
      floatTensor('b1', [16], bias),
      floatTensor('w2', [2, 16], last),
      floatTensor('b2', [2], [output.mean, output.mean]),
      floatTensor('lo', [], [clip?.[0] ?? 0]),
      floatTensor('hi', [], [clip?.[1] ?? 0]),
    ],
    inputs: [valueInfo('x', [1, count])],
    outputs: [clip === undefined ? 'y' : 'z'],
  });
  return { model, inputs };
}

const alike = { mean: [0, 0, 0, 0], deviation: [1, 1, 1, 1] };
const far: Readonly<Record<string, Features>> = {
  kelvin: { mean: [290, 291, 285, 300], deviation: [5, 5, 4, 6] },
  pascal: { mean: [101_325, 101_300], deviation: [100, 80] },
  'pascal, calm': { mean: [101_325, 101_300], deviation: [10, 8] },
  'ADC counts': { mean: [2048, 2050, 2046], deviation: [30, 20, 25] },
  'pascal, kelvin, a ratio and parts per million': {
    mean: [101_325, 290, 0.5, 2000],
    deviation: [100, 5, 0.1, 300],
  },
  'one of 1e5 beside three of 1': { mean: [0, 0, 0, 0], deviation: [1e5, 1, 1, 1] },
  'of twelve decades': { mean: [0, 0, 0, 0], deviation: [1e6, 1, 1e-3, 1e-6] },
  'one that never changes': { mean: [1e5, 0, 290, 0], deviation: [0, 1, 5, 1] },
  'outputs near 1,000': { ...alike, output: { mean: 1000, deviation: 1 } },
  'outputs near -100,000': { ...alike, output: { mean: -1e5, deviation: 1 } },
};

for (const [name, features] of Object.entries(far))
  test(`int8 follows float: ${name}`, () => {
    const { model, inputs } = regression(features);
    const { sqnr, compiled } = int8Error(model, inputs, { activationBits: 8 });
    expect(sqnr).toBeGreaterThan(30);
    // Nor do 16 bits where they seem to pay, beside biases far larger than what varies.
    expect(int8Error(model, inputs).sqnr).toBeGreaterThan(30);
    const bytes = encodeInput(compiled.program, inputs[0]!);
    const { output } = createSimulator(compiled.program, { mode: 'checked' }).run(bytes);
    if (compiled.assembled.stage !== 'int8') throw new Error('an int8 graph');
    expect(output).toEqual(oracle(compiled.assembled, bytes).get(compiled.assembled.outputs[0]!));
  });

test('a clip much narrower than an accumulator step is above it or below it as in float', () => {
  for (const requant of ['single', 'tfl-double', 'ort-float'] as const) {
    const clipped: Features = { ...alike, output: { mean: 2500, deviation: 1000 }, clip: [0, 0.5] };
    const { model, inputs } = regression(clipped);
    const { real, stored } = int8Error(model, inputs, { requant });
    const wrong = real.map((x, i) => Math.abs(x - stored[i]!) > 0.25).filter(Boolean).length;
    expect(wrong).toBeLessThan(real.length * 0.03);
    expect(real.filter((x) => x > 0.4).length).toBeGreaterThan(real.length * 0.2);
  }
});

test('every requantization follows float where no range holds 0', () => {
  const modes: readonly RequantMode[] = ['single', 'tfl-double', 'ort-float', 'pow2', 'compact'];
  const { model, inputs } = regression({ ...far.pascal!, output: { mean: 1000, deviation: 1 } });
  for (const requant of modes)
    expect.soft(int8Error(model, inputs, { requant }).sqnr, requant).toBeGreaterThan(30);
});

test('inputs without far features keep one grid, those with have one each', () => {
  const gridsOf = (features: Features) => {
    const { model, inputs } = regression(features);
    return int8Error(model, inputs).compiled.program.inputGrids?.length;
  };
  expect(gridsOf(alike)).toBeUndefined();
  expect(gridsOf(far.kelvin!)).toBeUndefined();
  expect(gridsOf(far['one of 1e5 beside three of 1']!)).toBe(4);
});

test('channels of an image have grids of their own where a convolution reads them', () => {
  const draw = new Draw(3);
  const sizes = [1, 1e4, 1];
  const inputs = Array.from({ length: 48 }, () =>
    Float32Array.from({ length: 3 * 36 }, (_, i) => gaussian(draw) * sizes[Math.floor(i / 36)]!),
  );
  const weights = Array.from(
    { length: 4 * 27 },
    (_, i) => draw.between(-1, 1) / sizes[Math.floor(i / 9) % 3]!,
  );
  const model = encodeModel({
    nodes: [{ op: 'Conv', inputs: ['x', 'w'], attributes: [ints('pads', [1, 1, 1, 1])] }],
    initializers: [floatTensor('w', [4, 3, 3, 3], weights)],
    inputs: [valueInfo('x', [1, 3, 6, 6])],
  });
  const { sqnr, compiled } = int8Error(model, inputs);
  expect(compiled.program.inputGrids).toHaveLength(3);
  expect(sqnr).toBeGreaterThan(35);
});

/** 4 rows of 3 numbers, the first row 1e5 times as large, reshaped to an image of `channels`. */
function reshaped(rank: 3 | 4, channels: number, layer: 'Conv' | 'Gemm') {
  const draw = new Draw(3);
  const [height, row] = [4 / channels, (i: number) => Math.floor((i % 12) / 3)];
  const weights = [...draw.floats(24, -1, 1)].map((w, i) => (row(i) === 0 ? w / 1e5 : w));
  const shape = [2, channels, height, 3];
  const layers: Record<typeof layer, readonly NodeSpec[]> = {
    Conv: [{ op: 'Conv', inputs: ['image', 'w'], outputs: ['y'] }],
    Gemm: [
      { op: 'Flatten', inputs: ['image'], outputs: ['f'] },
      { op: 'Gemm', inputs: ['f', 'w'], outputs: ['y'], attributes: [int('transB', 1)] },
    ],
  };
  const model = encodeModel({
    nodes: [{ op: 'Reshape', inputs: ['x', 'shape'], outputs: ['image'] }, ...layers[layer]],
    initializers: [
      intTensor('shape', [4], [1, ...shape.slice(1)]),
      floatTensor('w', layer === 'Conv' ? shape : [2, 12], weights),
    ],
    inputs: [valueInfo('x', rank === 3 ? [1, 4, 3] : [1, 4, 3, 1])],
  });
  const inputs = Array.from({ length: 80 }, () =>
    Float32Array.from({ length: 12 }, (_, i) => gaussian(draw) * (row(i) === 0 ? 1e5 : 1)),
  );
  return { model, inputs };
}

test.each([
  [4, 1, 'Conv'],
  [4, 1, 'Gemm'],
  [3, 2, 'Conv'],
] as const)(
  'an input of rank %i that becomes an image of %i channels keeps one grid (%s)',
  (rank, channels, layer) => {
    const { model, inputs } = reshaped(rank, channels, layer);
    expect(int8Error(model, inputs).compiled.program.inputGrids).toBeUndefined();
  },
);

test.each(['01-bn-dead-channel-net', '01-bn-dead-channel-smallest', '07-features-of-different-size-net'])(
  '%s: int8 within 30 dB of float',
  (name) => {
    const { shape, data } = readNpy(`${root}/test/fixtures/reports/${name}.npy`);
    const length = data.length / shape[0]!;
    const inputs = Array.from({ length: shape[0]! }, (_, i) => data.slice(i * length, (i + 1) * length));
    const model = readBytes(`${root}/test/fixtures/reports/${name}.onnx`);
    expect(int8Error(model, inputs).sqnr).toBeGreaterThan(30);
  },
);
