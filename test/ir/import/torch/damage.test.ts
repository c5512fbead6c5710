/** Files of PyTorch's with random damage are read or refused. `npm run mutations` makes ten thousand of each. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { importModel } from '../../../../src/ir/import/import-model.ts';
import { canonicalize } from '../../../../src/passes/canonicalize.ts';
import { refusesCleanly } from '../../../support/fuzz.ts';
import { mutated, mutatedInside } from '../../../support/mutations.ts';
import { fixedSeed, freshSeed, runsOf } from '../../../support/seeds.ts';
import { root } from '../../../support/shared.ts';
import { architecture, torchFile } from '../../../support/torch-files.ts';

const arch = architecture('lenet/lenet.torch2.15.pt2');
const shapes = { input: [1, 1, 28, 28] };

test.each([
  ['lenet/lenet.torch2.15.model.pt', { shapes }],
  ['seqmix/seqmix.torch2.15.legacy.pt', { shapes }],
  ['retrain_lenet/lenet.torch2.15.retrained.pth', { arch }],
  ['lenet/lenet.torch2.15.safetensors', { arch }],
  ['ckpt/ckpt.torch2.15.pth', { arch }],
])('%s', (name, options) => {
  const bytes = torchFile(name);
  const runs = runsOf(60);
  let slowest = 0;
  for (const first of [fixedSeed, freshSeed()])
    for (let seed = first; seed < first + runs; seed++) {
      const inside = bytes[0] === 0x50 && seed % 2 === 0;
      const damaged = inside ? mutatedInside(bytes, seed, /data\.pkl$/) : mutated(bytes, seed);
      const start = performance.now();
      try {
        refusesCleanly(() => importModel(damaged, { name, ...options }));
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error });
      }
      slowest = Math.max(slowest, performance.now() - start);
    }
  expect(slowest).toBeLessThan(10_000);
});

test.each([
  ['torch/programs/encoder/encoder.torch2.6.core.pt2', 9956, /an operator '.*' without a namespace/],
  ['quantized/add_res-qdq-s8s8-pc.onnx', 6507, /zero points 0 for scales/],
  ['quantized/conv_asym-qop-s8s8-pc.onnx', 2144, /zero points scalar for scales 8/],
  ['quantized/conv_clip6-qdq-u8s8-pc.onnx', 1684, /zero points 0 for scales/],
  ['quantized/gemm_relu_gemm-dynamic-s8-pc.onnx', 9406, /zero points of shape 12; supported: one/],
])('%s with the damage of seed %i, which was a crash', (name, seed, message) => {
  const bytes = readFileSync(path.join(root, 'test/fixtures', name));
  const damaged = name.endsWith('.pt2')
    ? mutatedInside(bytes, seed, /(data\.pkl|\.json)$/)
    : mutated(bytes, seed);
  expect(() => canonicalize.run(importModel(damaged, { name }))).toThrow(message);
});
