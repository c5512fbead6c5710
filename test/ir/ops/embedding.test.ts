/** Rows of a table by indices of the network's input: words as vectors. */
import { expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { compile } from '../../../src/compile.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { canonicalize } from '../../../src/passes/canonicalize.ts';
import { decodeOutput, encodeInput } from '../../../src/program/values.ts';
import { Draw } from '../../support/draw.ts';
import { factsOf, requireProved, simulated } from '../../support/kernel-laws.ts';
import { encodeModel, floatTensor, int, type NodeSpec, valueInfo } from '../../support/onnx-model.ts';

const [words, width] = [9, 6];
const table = new Draw(3).floats(words * width, -2, 2);
const int64 = 7;

const model = (nodes: readonly NodeSpec[]): Uint8Array =>
  encodeModel({
    opset: 13,
    inputs: [valueInfo('x', [1, 4], int64)],
    nodes,
    initializers: [floatTensor('table', [words, width], [...table])],
  });

const rows = model([{ op: 'Gather', inputs: ['table', 'x'] }]);

test('rows by indices, from the end where they are negative, the nearest where there is none', () => {
  const indices = [3, -1, 40, -2_000_000_000];
  const wanted = [3, 8, 8, 0].flatMap((row) => [...table.subarray(row * width, (row + 1) * width)]);
  for (const arith of ['float32', 'int8'] as const) {
    const inputs = [Float32Array.of(0, 1, 2, 3), Float32Array.of(4, 5, 6, 7)];
    const { program } = compile(importOnnx(rows), { name: 'net', arith, calibration: { inputs } });
    const facts = factsOf(program);
    requireProved(program, facts);
    const [run] = simulated(program, [encodeInput(program, Float32Array.from(indices))], facts);
    const step = arith === 'int8' ? 4 / 255 / 2 + 1e-6 : 0;
    decodeOutput(program, run!.output).forEach((y, i) => {
      expect(Math.abs(y - wanted[i]!), `${arith}, element ${i}`).toBeLessThanOrEqual(step);
    });
  }
});

test('other axes are refused by name', () => {
  const along = model([{ op: 'Gather', name: 'pick', inputs: ['table', 'x'], attributes: [int('axis', 1)] }]);
  expect(() => canonicalize.run(importOnnx(along))).toThrow(InputError);
  expect(() => canonicalize.run(importOnnx(along))).toThrow(/'pick'.*of a constant along axis 1/);
});
