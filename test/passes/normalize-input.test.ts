/** The normalization of raw input: the law says what it computes; here, what it refuses. */
import { expect, test } from 'vitest';
import { compile } from '../../src/compile.ts';
import { InputError } from '../../src/ir/errors.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import type { Normalization } from '../../src/ir/program.ts';
import { inputs, model } from '../support/small-artifact.ts';

const compileWith = (raw: Normalization) => () =>
  compile(importOnnx(model, { name: 'net' }), { name: 'net', arith: 'int8', calibration: { inputs, raw } });

test.each([
  [{ mean: [1, 2], std: [1] }, /2 numbers for 3 channels; supported: mean of all channels, or of each/],
  [{ mean: [1], std: [1, 2, 3, 4] }, /4 numbers for 3 channels; supported: std/],
  [{ mean: [], std: [1] }, /0 numbers for 3 channels/],
  [{ mean: [Number.NaN], std: [1] }, /mean NaN; supported: finite numbers/],
  [{ mean: [1], std: [1, 0, 1] }, /std 0; supported: numbers above 0/],
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
