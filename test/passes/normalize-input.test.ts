/** The normalization of raw input: the law says what it computes; here, what it refuses. */
import { expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { compile } from '../../src/compile.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import type { Normalization } from '../../src/program/program.ts';
import { encodeModel, floatTensor, ints, valueInfo } from '../support/onnx-model.ts';
import { inputs, model } from '../support/small-artifact.ts';

const compileWith = (raw: Normalization) => () =>
  compile(importOnnx(model, { name: 'net' }), { name: 'net', arith: 'int8', calibration: { inputs, raw } });

test.each([
  [{ mean: [1, 2], std: [1] }, /2 numbers for 3 channels; supported: mean of all channels, or of each/],
  [{ mean: [1], std: [1, 2, 3, 4] }, /4 numbers for 3 channels; supported: std/],
  [{ mean: [], std: [1] }, /0 numbers for 3 channels/],
  [{ mean: [Number.NaN], std: [1] }, /mean NaN .*; supported: finite numbers/],
  [{ mean: [1], std: [1, 0, 1] }, /std 0 .*; supported: numbers above 0/],
  [{ mean: [1], std: [1, 1e-30, 1] }, /std 1e-30 in units of a pixel; supported: .*1e-20 to 1e19/],
  [{ mean: [1], std: [1e20] }, /std 100000000000000000000 .*; supported: .*1e-20 to 1e19/],
  [{ mean: [1e39], std: [1] }, /mean 1e\+39 .*; supported: finite numbers/],
  [{ mean: [1], std: [-2] }, /std -2/],
  [{ mean: [1], std: [Infinity] }, /std Infinity/],
])('%j is refused', (raw, message) => {
  expect(compileWith(raw)).toThrow(InputError);
  expect(compileWith(raw)).toThrow(message);
});

test.each([
  { mean: [64], std: [50, 60, 70] },
  { mean: [64, 0, 3.5], std: [50] },
])('%j: one number for all channels beside one for each', (raw) => {
  expect(compileWith(raw)().program.rawInput).toEqual(raw);
});

const withChannelsLast = encodeModel({
  inputs: [valueInfo('x', [1, 2, 2, 3])],
  initializers: [floatTensor('w', [1, 3, 1, 1], [1, -1, 2])],
  nodes: [
    { op: 'Transpose', inputs: ['x'], outputs: ['image'], attributes: [ints('perm', [0, 3, 1, 2])] },
    { op: 'Conv', inputs: ['image', 'w'], outputs: ['y'] },
  ],
});

test('channels last are normalized all alike, or not at all: a channel is no stretch of such an input', () => {
  const compileLast = (raw: Normalization) => () =>
    compile(importOnnx(withChannelsLast), { name: 'net', arith: 'int8', calibration: { inputs, raw } });
  expect(compileLast({ mean: [64, 0, 3.5], std: [50] })).toThrow(InputError);
  expect(compileLast({ mean: [64], std: [50, 50, 60] })).toThrow(
    /another mean or std for each channel.*channels are its last axis; supported: one mean and one std/,
  );
  const raw = { mean: [64, 64, 64], std: [50] };
  expect(compileLast(raw)().program.rawInput).toEqual(raw);
});
