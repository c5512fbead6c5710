/** Layers that quantize their activations as they run. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { compile } from '../../../src/compile.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { decodeOutput, encodeInput } from '../../../src/program/values.ts';
import { factsOf, requireProved, simulated } from '../../support/kernel-laws.ts';
import { readNpy, rowOf } from '../../support/npy.ts';

const folder = resolve(import.meta.dirname, '../../fixtures/dynamic');

describe('models of quantize_dynamic have the outputs of onnxruntime', () => {
  test.each(['conv_relu-u8-pt', 'gemm_relu_gemm-s8-pc'])('%s', (name) => {
    const { program, floatGraph } = compile(
      importOnnx(new Uint8Array(readFileSync(`${folder}/${name}.onnx`))),
      {
        name: 'net',
        arith: 'float32',
      },
    );
    const facts = factsOf(program);
    requireProved(program, facts);
    const [x, y] = [readNpy(`${folder}/${name}.input.npy`), readNpy(`${folder}/${name}.output.npy`)];
    const samples = Array.from({ length: x.shape[0]! }, (_, i) => Float32Array.from(rowOf(x, i).data));
    const made = simulated(
      program,
      samples.map((sample) => encodeInput(program, sample)),
      facts,
    );
    let wrong = 0;
    samples.forEach((sample, i) => {
      const wanted = rowOf(y, i).data;
      const input = floatGraph.inputs[0]!;
      const meant = [
        ...evaluate(
          floatGraph,
          new Map([[input, floats(floatGraph.tensors.get(input)!.shape, sample)]]),
        ).values(),
      ][0]!.data;
      const got = decodeOutput(program, made[i]!.output);
      wanted.forEach((v: number, k: number) => {
        if (v !== got[k]) wrong++;
        expect(Math.abs(meant[k]! - v)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(v)));
        expect(Math.abs(got[k]! - v)).toBeLessThanOrEqual(1e-6 * Math.max(1, Math.abs(v)));
      });
    });
    console.log(name, wrong, y.data.length);
  });
});
