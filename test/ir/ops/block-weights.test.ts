/** Weights of few bits with a scale for each block, as onnxruntime computes them at accuracy level 0. */
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { compile } from '../../../src/compile.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { decodeOutput, encodeInput } from '../../../src/program/values.ts';
import { factsOf, requireProved, simulated } from '../../support/kernel-laws.ts';
import { largestDifference, readNpy, rowOf } from '../../support/npy.ts';
import { encodeModel, floatTensor, int, valueInfo } from '../../support/onnx-model.ts';
import { readBytes } from '../../support/shared.ts';

const folder = resolve(import.meta.dirname, '../../fixtures/dynamic');

/** Name, bytes of the weights' table. */
test.each([
  ['n4', 5 * 3 * 8],
  ['n4-sym', 6 * 2 * 16],
  ['n8', 4 * 2 * 16],
  ['n2', 4 * 2 * 4],
])('%s', (name, bytes) => {
  const model = importOnnx(readBytes(`${folder}/${name}.onnx`));
  const { program, floatGraph } = compile(model, { name: 'net', arith: 'float32' });
  expect(program.steps[0]!.kernel.tables[0]!.data).toHaveLength(bytes);
  const facts = factsOf(program);
  requireProved(program, facts);
  const [x, y] = [readNpy(`${folder}/${name}.input.npy`), readNpy(`${folder}/${name}.output.npy`)];
  for (const i of [0, 1]) {
    const sample = Float32Array.from(rowOf(x, i).data);
    const [made] = simulated(program, [encodeInput(program, sample)], facts);
    const wanted = rowOf(y, i).data;
    const input = new Map([['x', floats([1, ...x.shape.slice(1)], sample)]]);
    const allowed = 1e-6 * Math.max(...wanted.map(Math.abs));
    expect(largestDifference(decodeOutput(program, made!.output), wanted)).toBeLessThan(allowed);
    expect(largestDifference([...evaluate(floatGraph, input).values()][0]!.data, wanted)).toBeLessThan(
      allowed,
    );
  }
});

test('counts that do not fit are refused', () => {
  const attributes = [int('K', 32), int('N', 2), int('bits', 4), int('block_size', 16)];
  const model = encodeModel({
    inputs: [valueInfo('x', [1, 32])],
    nodes: [{ op: 'MatMulNBits', domain: 'com.microsoft', inputs: ['x', 'B', 's'], attributes }],
    initializers: [
      { name: 'B', dims: [2, 2, 8], dataType: 2, int32Data: new Array<number>(32).fill(7) },
      floatTensor('s', [3], [1, 1, 1]),
    ],
  });
  expect(() => compile(importOnnx(model), { name: 'net', arith: 'float32' })).toThrow(
    /32 bytes of weights and 3 scales; supported: 2 rows of 2 blocks of 8 bytes/,
  );
});
