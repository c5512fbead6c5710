/** Defects of one layer each, through `compile`: the warning names layer, kind and remedy; with that, there is none. */
import { describe, expect, test } from 'vitest';
import { type CompileOptions, compile } from '../../../src/compile.ts';
import { loadOnnx } from '../../../src/index.ts';
import type { Warning } from '../../../src/judge/warnings/warning.ts';
import { Draw } from '../../support/draw.ts';
import {
  encodeModel,
  floatTensor,
  int,
  ints,
  type ModelSpec,
  type NodeSpec,
  valueInfo,
} from '../../support/onnx-model.ts';

const draw = new Draw(5);

/** Of an int8 build that 100 samples calibrate. */
function warningsOf(
  model: ModelSpec,
  features: number,
  more: Partial<CompileOptions> = {},
): readonly Warning[] {
  const samples = new Draw(6);
  const inputs = Array.from({ length: 100 }, () => samples.floats(features, -1, 1));
  const options = { name: 'net', arith: 'int8', calibration: { inputs }, ...more } as const;
  return compile(loadOnnx(encodeModel(model), { name: 'net' }), options).agreement!.warnings;
}

describe('padding between two steps', () => {
  const row = (middle: number): number[] => Array.from({ length: 9 }, (_, i) => (i === 4 ? middle : 8));
  const norm = (from: string, to: string) => ({
    op: 'BatchNormalization',
    name: 'norm',
    inputs: [from, 'g', 'h', 'm', 'v'],
    outputs: [to],
  });
  const conv = (from: string, to: string) => ({
    ...{ op: 'Conv', name: 'conv', inputs: [from, 'w'], outputs: [to] },
    attributes: [ints('pads', [0, 4, 0, 4])],
  });
  /** Of the nine numbers under the only window eight are padding, each with eight times the weight. */
  const padded = (channels: number, nodes: readonly NodeSpec[]): ModelSpec => ({
    nodes,
    initializers: [
      ...Object.entries({ g: 1, h: 0.374, m: 0, v: 1 }).map(([name, value]) =>
        floatTensor(name, [channels], new Array(channels).fill(value)),
      ),
      floatTensor('w', [2, 1, 1, 9], [...row(1), ...row(-1)]),
    ],
    inputs: [valueInfo('x', [1, 1, 1, 1])],
  });

  test('is named', () =>
    expect(warningsOf(padded(1, [norm('x', 'n'), conv('n', 'y')]), 1)).toMatchObject([
      {
        kind: 'pad value',
        nodes: ['norm', 'conv'],
        text: expect.stringContaining('its padding stands for -0.374 (channel 0)'),
        todo: expect.stringContaining('put the batch normalization after the convolution'),
      },
    ]));
  test('is none with the normalization behind the convolution', () =>
    expect(warningsOf(padded(2, [conv('x', 'c'), norm('c', 'y')]), 1)).toEqual([]));
});

const [w0, w1] = [[...draw.floats(16 * 8, -1, 1)], [...draw.floats(3 * 16, -0.1, 0.1)]];
const linear = (name: string, inputs: string[], output: string) => ({
  ...{ op: 'Gemm', name, inputs, outputs: [output] },
  attributes: [int('transB', 1)],
});

describe('a column that takes the bits of all others', () => {
  /** Channel 0 is hardly ever above 0. The float network is the same for every `size` of it. */
  const nearlyDead = (size: number): ModelSpec => ({
    nodes: [
      linear('first', ['x', 'w0', 'b0'], 'c'),
      { op: 'Relu', inputs: ['c'], outputs: ['r'] },
      linear('second', ['r', 'w1'], 'y'),
    ],
    initializers: [
      floatTensor(
        'w0',
        [16, 8],
        w0.map((w, i) => (i > 7 ? w : i === 0 ? size : 0)),
      ),
      floatTensor('b0', [16], [-0.9 * size, ...new Array(15).fill(0)]),
      floatTensor(
        'w1',
        [3, 16],
        w1.map((w, i) => (i % 16 === 0 ? 0.03 / size : w)),
      ),
    ],
    inputs: [valueInfo('x', [1, 8])],
  });

  // On one grid of 8 bits: a grid for each channel mends it.
  test('is named', () =>
    expect(warningsOf(nearlyDead(0.001), 8, { requant: 'tfl-double', activationBits: 8 })).toMatchObject([
      {
        kind: 'dead channel',
        kernel: 'linear2',
        nodes: ['second'],
        channels: [0],
        text: expect.stringContaining('input channels 1 of 16 (0) are more than 16 times'),
        todo: expect.stringContaining('scale them up in the layer before'),
      },
    ]));
  test('is none where the layer before makes the channel as large as others', () =>
    expect(warningsOf(nearlyDead(0.3), 8)).toEqual([]));
});

describe('a clip narrower than steps can be', () => {
  const clipped = (top: number, size: number): ModelSpec => ({
    nodes: [
      linear('first', ['x', 'w0'], 'c'),
      { op: 'Clip', name: 'narrow', inputs: ['c', 'lo', 'hi'], outputs: ['r'] },
      linear('second', ['r', 'w1'], 'y'),
    ],
    initializers: [
      floatTensor(
        'w0',
        [16, 8],
        w0.map((w) => size * w),
      ),
      ...[floatTensor('lo', [], [0]), floatTensor('hi', [], [top])],
      floatTensor('w1', [3, 16], w1),
    ],
    inputs: [valueInfo('x', [1, 8])],
  });

  test('is named', () =>
    expect(warningsOf(clipped(1, 5e7), 8)).toMatchObject([
      {
        kind: 'clip',
        kernel: 'linear1',
        nodes: ['first', 'narrow'],
        text: expect.stringContaining('its activation keeps 0..1, few steps of'),
        todo: 'make the clip wider, or scale its layer down',
      },
    ]));
  test('is none where it is wider, or its layer smaller', () => {
    expect(warningsOf(clipped(1e7, 5e7), 8)).toEqual([]);
    expect(warningsOf(clipped(1, 5), 8)).toEqual([]);
  });
});
