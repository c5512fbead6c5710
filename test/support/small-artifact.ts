/** Artifacts of a linear layer on an image of three channels. */
import { artifactOf } from '../../src/artifact/make.ts';
import { compile } from '../../src/compile.ts';
import type { PackageKind } from '../../src/emit/info.ts';
import { importOnnx } from '../../src/ir/import/onnx.ts';
import type { Normalization } from '../../src/program/program.ts';
import { encodeModel, floatTensor, int, valueInfo } from './onnx-model.ts';

export const model = encodeModel({
  inputs: [valueInfo('x', [1, 3, 2, 2])],
  initializers: [
    floatTensor(
      'w',
      [2, 12],
      Array.from({ length: 24 }, (_, i) => (i % 7) - 3),
    ),
  ],
  nodes: [
    { op: 'Flatten', inputs: ['x'], outputs: ['f'] },
    { op: 'Gemm', inputs: ['f', 'w'], outputs: ['y'], attributes: [int('transB', 1)] },
  ],
});
export const inputs = [1, 2, 3].map((seed) =>
  Float32Array.from({ length: 12 }, (_, i) => Math.sin(i * seed)),
);
const preprocessing = { pad: 1, resize: { height: 2, width: 2 }, normalize: { mean: [0.5], std: [0.25] } };
const accuracy = { samples: 5, labelled: true, float: 4, compiled: 3 };

/** The files of an artifact by name. */
export function filesOf(
  arith: 'int8' | 'float32',
  raw?: Normalization,
  kind: PackageKind = 'cmake',
): Map<string, string> {
  const calibration = raw === undefined ? { inputs } : { inputs, raw };
  const compiled = compile(importOnnx(model, { name: 'twelve' }), { name: 'twelve', arith, calibration });
  const made = { command: 'c', version: '0', model, preprocessing, accuracy, package: kind };
  return new Map(artifactOf(compiled, made));
}

/** The same of all channels, and of each its own. */
export const one = { mean: [64, 64, 64], std: [50, 50, 50] };
export const each = { mean: [64, 100, 30.5], std: [50, 60, 70.25] };

export const bytesOf = (files: ReadonlyMap<string, string>): Map<string, Uint8Array> =>
  new Map([...files].map(([name, text]) => [name, new TextEncoder().encode(text)]));
