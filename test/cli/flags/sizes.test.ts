/** --shape and --axis on commands, and what later commands make of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { writeNpy } from '../../../src/data/npy.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { bench } from '../../support/cli.ts';
import { encodeModel, valueInfo } from '../../support/onnx-model.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-sizes-'));
afterAll(() => rmSync(folder, { recursive: true }));
const inFolder = (name: string): string => path.join(folder, name);

const cli = bench();
const [model, samples, out] = [inFolder('net.onnx'), inFolder('x.npy'), inFolder('out')];
writeFileSync(
  model,
  encodeModel({ nodes: [{ op: 'Relu' }], inputs: [valueInfo('x', ['batch', 'my=axis', 2])] }),
);
writeFileSync(
  samples,
  writeNpy(
    floats(
      [2, 3, 2],
      Float32Array.from({ length: 12 }, (_, i) => i - 5),
    ),
  ),
);

test('a size that is not given is asked for; the batch is not', async () => {
  const { code, err } = await cli.run('run', model, '--input', samples);
  expect(code).toBe(2);
  expect(err).toContain("axis 1 of input 'x': a dynamic size, 'my=axis'");
  expect(err).toContain("write --axis 'my=axis'=N with its size");
});

test.each([
  ['--axis', 'my=axis=3'],
  ['--shape', 'x=1x3x2'],
])('%s %s is kept with what is compiled', async (option, value) => {
  expect((await cli.run('run', model, '--input', samples, option, value)).code).toBe(0);
  const made = await cli.run('compile', model, '--type', 'float32', '-o', out, option, value);
  expect(made).toMatchObject({ code: 0, err: '' });
  const compared = await cli.run('eval', out, '--input', samples, '--against', model);
  expect(compared).toMatchObject({ code: 0, err: '' });
  expect(compared.out).toMatch(/float32 .* equal\n/);
  const again = await cli.run('run', out, '--input', samples, option, value);
  expect(again.err).toContain(`${option}: an artifact, whose sizes were fixed when it was compiled`);
});

test('twice the same name, and no size at all', async () => {
  const run = (...argv: readonly string[]) => cli.run('inspect', model, ...argv);
  expect((await run('--axis', 'a=1', '--axis', 'a=2')).err).toContain("'a' is given twice");
  expect((await run('--shape', 'x=1x')).err).toContain('for example input=1x40x98');
});
