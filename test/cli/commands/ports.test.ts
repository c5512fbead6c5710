/** Commands on a model of two inputs and four outputs. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Artifact, loadArtifact } from '../../../src/artifact/make.ts';
import { verifyArtifact } from '../../../src/artifact/node-verify.ts';
import { readNpz, writeNpz } from '../../../src/data/npz.ts';
import { floats, type Tensor } from '../../../src/ir/tensor.ts';
import { load } from '../../../src/net/node-load.ts';
import { bench } from '../../support/cli.ts';
import { encodeModel, floatTensor, int, valueInfo } from '../../support/onnx-model.ts';
import { crossTools, hostTools, testWith } from '../../support/toolchain.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-ports-'));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => path.join(folder, name);
const wave = (count: number, phase = 0): number[] =>
  Array.from({ length: count }, (_, i) => Math.sin(i * 1.3 + phase));

/** An image and numbers beside it: scores, their shares, the features behind them, and the numbers as they came. */
const model = encodeModel({
  opset: 13,
  inputs: [valueInfo('image', [1, 1, 6, 6]), valueInfo('beside', ['batch', 3])],
  outputs: ['scores', 'shares', 'features', 'same'],
  initializers: [
    floatTensor('w', [2, 1, 3, 3], wave(18)),
    floatTensor('k', [4, 32], wave(128, 1)),
    floatTensor('l', [4, 3], wave(12, 2)),
  ],
  nodes: [
    { op: 'Conv', inputs: ['image', 'w'], outputs: ['c'] },
    { op: 'Relu', inputs: ['c'], outputs: ['features'] },
    { op: 'Flatten', inputs: ['features'], outputs: ['f'] },
    { op: 'Gemm', inputs: ['f', 'k'], outputs: ['a'], attributes: [int('transB', 1)] },
    { op: 'Gemm', inputs: ['beside', 'l'], outputs: ['b'], attributes: [int('transB', 1)] },
    { op: 'Add', inputs: ['a', 'b'], outputs: ['scores'] },
    { op: 'Softmax', inputs: ['scores'], outputs: ['shares'], attributes: [int('axis', 1)] },
    { op: 'Identity', inputs: ['beside'], outputs: ['same'] },
  ],
});

const count = 20;
const arrays = new Map<string, Tensor>([
  ['image', floats([count, 1, 6, 6], Float32Array.from(wave(36 * count, 3)))],
  ['beside', floats([count, 3], Float32Array.from(wave(3 * count, 4)))],
]);
const [onnx, samples, out] = [at('two.onnx'), at('samples.npz'), at('out')];
const run = (...args: readonly string[]) => bench().run(...args);
const json = async (...args: readonly string[]) => JSON.parse((await run(...args, '--json')).out);
const artifact = (): Artifact =>
  loadArtifact(
    new Map(readdirSync(out).map((name) => [name, new Uint8Array(readFileSync(path.join(out, name)))])),
  );
const wanted = ['scores', 'shares', 'features', 'same'];

beforeAll(async () => {
  writeFileSync(onnx, model);
  writeFileSync(samples, writeNpz(arrays));
  const { code, err } = await run('compile', onnx, '--calibrate', samples, '-o', out);
  expect([code, err]).toEqual([0, '']);
});

test('inspect lists the ports', async () => {
  const { inputs, outputs } = await json('inspect', onnx);
  expect(inputs).toMatchObject([
    { name: 'image', shape: [1, 1, 6, 6], type: 'float32' },
    { name: 'beside', shape: [1, 3], type: 'float32' },
  ]);
  expect(outputs.map(({ name }: { name: string }) => name)).toEqual(wanted);
  expect((await run('inspect', onnx)).out).toContain('input   image 1x1x6x6, beside 1x3\n');
  const built = await json('inspect', out);
  expect(built.inputs).toMatchObject([
    { name: 'image', elem: 'u8' },
    { name: 'beside', elem: 'u8' },
  ]);
});

test('compile says how near each output is, and the manifest has every port', () => {
  const manifest = JSON.parse(readFileSync(path.join(out, 'manifest.json'), 'utf8'));
  expect(manifest.inputs.map(({ name }: { name: string }) => name)).toEqual(['image', 'beside']);
  expect(manifest.outputs.map(({ name }: { name: string }) => name)).toEqual(wanted);
  expect(manifest.agreement.outputs.map(({ name }: { name: string }) => name)).toEqual(wanted.slice(0, 3));
  for (const { sqnr } of manifest.agreement.outputs) expect(sqnr).toBeGreaterThan(25);
});

testWith([...hostTools, ...crossTools])('verify: the same bytes on the host and on a chip', async () => {
  for (const given of [['--input', samples], []]) {
    const { run: verify, seen } = bench();
    expect(await verify('verify', out, '--targets', 'host,cortex-m4', ...given)).toMatchObject({ code: 0 });
    const { inputs, targets } = seen.verified[0]!;
    const { rows } = await verifyArtifact(artifact(), { inputs: inputs.slice(0, 4), targets });
    for (const { status, note } of rows) expect([status, note]).toEqual(['equal', undefined]);
  }
});

describe('run', () => {
  test('all outputs, by name, of a model and of what was compiled of it', async () => {
    const [float, int8] = [
      await json('run', onnx, '--input', samples),
      await json('run', out, '--input', samples),
    ];
    expect(float.byOutput.map(({ name }: { name: string }) => name)).toEqual(wanted);
    expect(float.outputs).toEqual(float.byOutput[0].outputs);
    float.byOutput.forEach((output: { outputs: number[][] }, o: number) => {
      output.outputs.forEach((numbers, i) => {
        numbers.forEach((x, k) => {
          expect(Math.abs(x - int8.byOutput[o].outputs[i][k])).toBeLessThan(0.15);
        });
      });
    });
    expect(float.byOutput[3].outputs.flat()).toEqual([...arrays.get('beside')!.data]);
  });

  test('--output writes an archive', async () => {
    const file = at('outputs.npz');
    await run('run', out, '--input', samples, '--output', file);
    const found = readNpz(new Uint8Array(readFileSync(file)), file);
    expect([...found].map(([name, { shape }]) => [name, shape])).toEqual([
      ['scores', [count, 4]],
      ['shares', [count, 4]],
      ['features', [count, 2, 4, 4]],
      ['same', [count, 3]],
    ]);
  });

  test('without one of the inputs', async () => {
    const { code, err } = await run('run', out, '--input', `image=${samples}:image`);
    expect(code).toBe(2);
    expect(err).toContain("no samples of input 'beside'");
  });
});

test('diff: layer by layer against the model, and against itself', async () => {
  const found = await json('diff', out, '--against', onnx, '--input', samples);
  expect(found.verdict).toBe('right');
  expect(found.coverage).toMatchObject({ notCompared: 0, partly: 0 });
  const same = await json('diff', out, '--against', out, '--input', samples);
  expect(same.layers.every(({ exact, wrong }: { exact: boolean; wrong: boolean }) => exact && !wrong)).toBe(
    true,
  );
});

test('diff against what was captured elsewhere: each input and output by its name', async () => {
  const captured = at('captured.npz');
  const made = at('float.npz');
  await run('run', onnx, '--input', samples, '--output', made);
  writeFileSync(
    captured,
    writeNpz(new Map([...arrays, ...readNpz(new Uint8Array(readFileSync(made)), made)])),
  );
  const found = await json('diff', out, '--against', captured, '--cumulative', '--model', onnx);
  expect(found.inferences).toBe(count);
  expect(found.firstWrong).toBeNull();
  expect(
    found.layers.filter(({ compared }: { compared: number }) => compared === count).length,
  ).toBeGreaterThan(4);
});

test('report and view are made', async () => {
  for (const args of [
    ['report', out, '--model', onnx, '--input', samples, '-o', at('report.html')],
    ['view', out, '--model', onnx, '--input', samples, '-o', at('view.html')],
  ]) {
    const { code, err } = await run(...args);
    expect([code, err], args.join(' ')).toEqual([0, '']);
  }
});

test('threads give what one does', async () => {
  const net = await load(out);
  const inputs = [0, 1, 2].map((i) => ({
    image: Float32Array.from(wave(36, i)),
    beside: Float32Array.from(wave(3, i)),
  }));
  const alone = inputs.map((input) => net.run(input).outputs);
  expect(await net.runBatchAll(inputs, { workers: 0 })).toEqual(alone);
  expect(await net.runBatch(inputs, { workers: 0 })).toEqual(alone.map(({ scores }) => scores));
  await net.close();
});
