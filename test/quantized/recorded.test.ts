/** Quantized models with the outputs of onnxruntime that were recorded. */
import { readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Compiled, compile } from '../../src/compile.ts';
import type { RequantMode } from '../../src/ir/graph/op.ts';
import { importModel } from '../../src/ir/import/import-model.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { inference, simulate } from '../../src/runtime/engines.ts';
import { factsOf, requireProved } from '../support/kernel-laws.ts';
import { readNpy, rowOf } from '../support/npy.ts';

const folder = resolve(import.meta.dirname, '../fixtures/quantized');
const files = readdirSync(folder);
const models = files.filter((file) => file.endsWith('.onnx')).map((file) => file.replace('.onnx', ''));
/** Of models that leave tensors in float32: what 16 bits within their bounds are off by, relative to the largest output. */
const left: Readonly<Record<string, number>> = {
  'conv_hswish_dec-qdq-u8s8-pt': 0.02,
  'hand-residual-one-q-s8': 0.02,
  'hand-gemm-no-output-q': 0.001,
  mlp_x86: 0.001,
  conv_x86: 0.001,
};
/** Of 16 bits; onnxruntime computes in float32 there. */
const wide = ['conv_relu-qdq-s16s8', 'small16-qdq-u16s8', 'small16-qdq-s16s8'];
const isRecorded = (name: string): boolean =>
  files.includes(`${name}.output.npy`) && !(name in left) && !wide.includes(name);

const fileOf = (name: string): string => (files.includes(`${name}.onnx`) ? `${name}.onnx` : `${name}.pt2`);

const compiled = (name: string, requant: RequantMode): Compiled =>
  compile(importModel(readFileSync(`${folder}/${fileOf(name)}`), { name }), {
    name: 'net',
    arith: 'int8',
    requant,
  });

interface Differences {
  readonly share: number;
  /** In steps of the output. */
  readonly most: number;
  readonly real: number;
}

function differences(name: string, { program }: Compiled): Differences {
  const [input, output] = [readNpy(`${folder}/${name}.input.npy`), readNpy(`${folder}/${name}.output.npy`)];
  const run = inference(program);
  const step = program.slots[program.outputs[0]!.slot]!.quant!.scale;
  let [differing, most, total] = [0, 0, 0];
  for (let i = 0; i < input.shape[0]!; i++) {
    const made = decodeOutput(
      program,
      run(encodeInput(program, Float32Array.from(rowOf(input, i).data))).output,
    );
    const wanted = rowOf(output, i).data;
    expect(made.length).toBe(wanted.length);
    wanted.forEach((y: number, k: number) => {
      total++;
      if (made[k] === y) return;
      differing++;
      most = Math.max(most, Math.abs(made[k]! - y) / step);
    });
  }
  return { share: differing / total, most, real: most * step };
}

describe('ort-float has the bytes of onnxruntime', () => {
  test.each(models.filter(isRecorded))('%s', (name) => {
    const build = compiled(name, 'ort-float');
    expect(build.scales?.calibrated).toEqual([]);
    expect(differences(name, build)).toMatchObject({ share: 0, most: 0 });
  });
});

/** What differs more: ties by design, a softmax of another step, two roundings that onnxruntime takes as one. */
const allowed = { share: 0.15, most: 1.01 };
const more = new Set(['gemm_softmax-qdq-u8s8-pt', 'hand-double-pair']);

describe('single is a step away at most', () => {
  test.each(models.filter((name) => isRecorded(name) && !more.has(name)))('%s', (name) => {
    const { share, most } = differences(name, compiled(name, 'single'));
    expect(most).toBeLessThanOrEqual(allowed.most);
    expect(share).toBeLessThanOrEqual(allowed.share);
  });
});

describe('programs of quantized models are proved, and checked by all rules of C', () => {
  test.each(['add_res-qdq-s8s8-pc', 'gelu-qdq-u8s8-pc', 'gemm_softmax-qdq-u8s8-pt', 'avgpool-qdq-u8s8-pc'])(
    '%s',
    (name) => {
      const { program } = compiled(name, 'ort-float');
      requireProved(program, factsOf(program));
      const input = readNpy(`${folder}/${name}.input.npy`);
      const bytes = encodeInput(program, Float32Array.from(rowOf(input, 1).data));
      expect(simulate(program, bytes).output).toEqual(inference(program)(bytes).output);
    },
  );
});

describe('tensors in float32 between grids have 16 bits within their bounds', () => {
  test.each(Object.entries(left))('%s', (name, limit) => {
    for (const mode of ['single', 'ort-float'] as const) {
      const build = compiled(name, mode);
      const { calibrated } = build.scales!;
      expect(calibrated.length).toBeGreaterThan(0);
      expect(build.wide!.map(({ tensor }) => tensor)).toEqual(calibrated);
      const wanted = readNpy(`${folder}/${name}.output.npy`);
      const largest = wanted.data.reduce((most: number, y: number) => Math.max(most, Math.abs(y)), 0);
      expect(differences(name, build).real / largest).toBeLessThan(limit);
    }
  });
});

describe('activations of 16 bits keep the grids of the model', () => {
  test.each(wide)('%s', (name) => {
    for (const mode of ['single', 'ort-float'] as const) {
      const build = compiled(name, mode);
      expect(build.scales).toMatchObject({ calibrated: [], rounded: [] });
      expect(differences(name, build).most).toBeLessThan(6);
    }
  });
});

test('a calibrated program of PT2E needs no option, and is a step away from PyTorch at most', () => {
  const build = compiled('q_xnn', 'ort-float');
  expect(build.scales).toMatchObject({ calibrated: [], rounded: [] });
  expect(differences('q_xnn', build).most).toBeLessThan(1.01);
});

const refusals: Readonly<Record<string, RegExp>> = {
  'conv_relu-dynamic-u8-pt': /int8 without calibration/,
  'gemm_relu_gemm-dynamic-s8-pc': /int8 without calibration/,
};

describe('what is not served is refused by name', () => {
  test.each(Object.entries(refusals))('%s', (name, message) => {
    expect(() => compiled(name, 'single')).toThrow(message);
  });
});
