/**
 * One network through PyTorch's four doors (both exporters to ONNX, an exported program, a saved Sequential) is one C, but
 * for comments. The files are of torch 2.15, with random weights.
 */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { compile } from '../../../../src/compile.ts';
import { emitC } from '../../../../src/emit/package.ts';
import { importModel } from '../../../../src/ir/import/import-model.ts';
import { countOf, type Shape } from '../../../../src/ir/tensor.ts';
import { root } from '../../../support/shared.ts';

/** Shapes of inputs, which a Sequential does not say. */
const networks: Readonly<Record<string, Shape>> = {
  lenet: [1, 1, 8, 8],
  res: [1, 1, 6, 6],
  acts: [1, 2, 12],
  gru: [1, 7, 6],
  att: [1, 5, 8],
};

const withoutComments = (text: string): string => text.replaceAll(/\/\*.*?\*\//gs, '');

function printed(file: string, shape: Shape, arith: 'float32' | 'int8'): string {
  const shapes = file.endsWith('.pt') ? { shapes: { input: shape } } : {};
  const model = importModel(readFileSync(file), { name: 'net', ...shapes });
  const inputs = Array.from({ length: 8 }, (_, k) =>
    Float32Array.from({ length: countOf(shape) }, (_, i) => Math.sin(1.7 * i + 3.1 * k)),
  );
  const { program } = compile(model, { name: 'net', arith, calibration: { inputs } });
  const files = emitC(program, { command: '', version: '', hash: '', golden: [] });
  return withoutComments([...files.values()].join('\n'));
}

describe.each(Object.entries(networks))('%s', (name, shape) => {
  const files = ['pt2', 'script.onnx', 'dynamo.onnx', 'pt']
    .map((kind) => `${root}/test/fixtures/torch/same/${name}.${kind}`)
    .filter((file) => existsSync(file));

  test.each(['float32', 'int8'] as const)('%s', (arith) => {
    const [first, ...others] = files.map((file) => printed(file, shape, arith));
    expect(others.length).toBeGreaterThan(1);
    for (const other of others) expect(other).toBe(first);
  });
});
