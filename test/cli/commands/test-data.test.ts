/** verify --test-data: recorded inputs and outputs of a model of two inputs, one of them an index, and two outputs. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import proto, { type onnx } from 'onnx-proto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verifyArtifact } from '../../../src/artifact/node-verify.ts';
import { writeNpz } from '../../../src/data/npz.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import { importOnnx } from '../../../src/ir/import/onnx.ts';
import { floats, type Tensor } from '../../../src/ir/tensor.ts';
import { bench } from '../../support/cli.ts';
import { encodeModel, floatTensor, int, intTensor, nodeProto, valueInfo } from '../../support/onnx-model.ts';
import { hostTools, testWith } from '../../support/toolchain.ts';

const root = mkdtempSync(path.join(tmpdir(), 'thimble-test-data-'));
afterAll(() => rmSync(root, { recursive: true }));
const at = (name: string): string => path.join(root, name);
const wave = (count: number, phase = 0): number[] =>
  Array.from({ length: count }, (_, i) => Math.fround(Math.sin(i * 1.3 + phase)));

const { INT64 } = proto.onnx.TensorProto.DataType;
const model = encodeModel({
  opset: 13,
  inputs: [valueInfo('image', [1, 2, 3, 3]), valueInfo('word', [1], INT64)],
  outputs: ['scores', 'best'],
  initializers: [floatTensor('w', [4, 18], wave(72)), floatTensor('words', [5, 4], wave(20, 2))],
  nodes: [
    { op: 'Flatten', inputs: ['image'], outputs: ['f'] },
    { op: 'Gemm', inputs: ['f', 'w'], outputs: ['a'], attributes: [int('transB', 1)] },
    { op: 'Gather', inputs: ['words', 'word'], outputs: ['b'] },
    { op: 'Add', inputs: ['a', 'b'], outputs: ['scores'] },
    { op: 'ArgMax', inputs: ['scores'], outputs: ['best'], attributes: [int('axis', 1), int('keepdims', 0)] },
  ],
});

interface Sample {
  readonly image: Tensor;
  readonly word: Tensor;
  readonly scores: Tensor;
  readonly best: Tensor;
}

const integers = (data: readonly number[]): Tensor => ({
  dtype: 'int64',
  shape: [data.length],
  data: Float64Array.from(data),
});

function sampleOf(seed: number): Sample {
  const image = floats([1, 2, 3, 3], Float32Array.from(wave(18, seed)));
  const word = integers([seed % 5]);
  const given = new Map([
    ['image', image],
    ['word', word],
  ]);
  const [scores, best] = [...evaluate(importOnnx(model, { name: 'words' }), given).values()];
  return { image, word, scores: scores!, best: best! };
}

const count = 12;
const samples = Array.from({ length: count }, (_, seed) => sampleOf(seed));

const protoOf = (name: string, { dtype, shape, data }: Tensor): onnx.ITensorProto =>
  dtype === 'float32' ? floatTensor(name, shape, [...data]) : intTensor(name, shape, [...data]);

/** A folder as ONNX has it; `change` is what a file holds instead, or nothing. */
function writeSet(
  name: string,
  { image, word, scores, best }: Sample,
  change: Readonly<Record<string, onnx.ITensorProto | undefined>> = {},
): string {
  const files = {
    'input_0.pb': protoOf('image', image),
    'input_1.pb': protoOf('word', word),
    'output_0.pb': protoOf('scores', scores),
    'output_1.pb': protoOf('best', best),
    ...change,
  };
  mkdirSync(at(name), { recursive: true });
  for (const [file, tensor] of Object.entries(files))
    if (tensor !== undefined)
      writeFileSync(path.join(at(name), file), proto.onnx.TensorProto.encode(tensor).finish());
  return at(name);
}

const stacked = (pick: (sample: Sample) => Tensor, shape: readonly number[]): Tensor => ({
  dtype: pick(samples[0]!).dtype,
  shape: [count, ...shape],
  data: Float64Array.from(samples.flatMap((sample) => [...pick(sample).data])),
});

const arrays = new Map([
  ['image', stacked(({ image }) => image, [2, 3, 3])],
  ['word', stacked(({ word }) => word, [1])],
  ['scores', stacked(({ scores }) => scores, [4])],
  ['best', stacked(({ best }) => best, [1])],
]);

const [float, int8, npz] = [at('float'), at('int8'), at('samples.npz')];
const hosts = ['--targets', 'host'];
const verify = (folder: string, ...args: string[]) => bench().run('verify', folder, ...hosts, ...args);

beforeAll(async () => {
  writeFileSync(at('words.onnx'), model);
  writeFileSync(npz, writeNpz(arrays));
  expect((await bench().run('compile', at('words.onnx'), '--type', 'float32', '-o', float)).err).toBe('');
  const made = await bench().run('compile', at('words.onnx'), '--calibrate', npz, '-o', int8);
  expect(made.code).toBe(0);
  for (const seed of [2, 10]) writeSet(`sets/test_data_set_${seed}`, samples[seed]!);
});

describe('recorded outputs', () => {
  test('of a folder, of a folder of these, and of an archive', async () => {
    for (const [data, numbers] of [
      [at('sets/test_data_set_2'), 4],
      [at('sets'), 8],
      [npz, 4 * count],
    ] as const) {
      const { code, out } = await verify(float, '--test-data', data, '--json');
      const { ok, testData } = JSON.parse(out);
      expect([code, ok]).toEqual([0, true]);
      expect(testData.tolerance).toEqual({ rtol: 1e-5, atol: 1e-5 });
      expect(testData.outputs).toMatchObject([
        { output: 'scores', numbers },
        { output: 'best', numbers: numbers / 4, worst: 0 },
      ]);
    }
  });

  test('several times, in int8 by signal to noise', async () => {
    const given = ['--test-data', at('sets/test_data_set_2'), '--test-data', npz];
    const { code, out } = await verify(int8, ...given);
    expect(code).toBe(0);
    expect(out).toContain(`Recorded samples: ${count + 1}; allowed: at least 30 dB.`);
    const { testData } = JSON.parse((await verify(int8, ...given, '--json')).out);
    expect(testData.outputs[0].sqnr).toBeGreaterThan(30);
    expect(testData.outputs[0].sqnr).toBeLessThan(70);
  });

  test('some of many with --samples', async () => {
    const { out } = await verify(float, '--test-data', npz, '--samples', '3', '--json');
    expect(JSON.parse(out).inputs).toBe(3);
  });

  test('by name in another order, and by order where the model has no such name', async () => {
    const { image, word } = samples[3]!;
    const turned = writeSet('turned', samples[3]!, {
      'input_0.pb': protoOf('word', word),
      'input_1.pb': protoOf('image', image),
    });
    const nameless = writeSet('nameless', samples[3]!, {
      'input_0.pb': protoOf('gpu_0/data_0', image),
      'input_1.pb': protoOf('', word),
    });
    for (const data of [turned, nameless])
      expect(await verify(float, '--test-data', data)).toMatchObject({ code: 0, err: '' });
  });

  test('that differ by more than is allowed: exit code 1, and which', async () => {
    const { scores } = samples[4]!;
    const off = Float32Array.from(scores.data, (x, i) => (i === 2 ? x + 1e-3 : x));
    const data = writeSet('off', samples[4]!, { 'output_0.pb': protoOf('scores', floats([1, 4], off)) });
    const { code, out, err } = await verify(float, '--test-data', data);
    expect([code, err]).toEqual([1, 'thimble: the outputs are not the recorded ones\n']);
    expect(out).toMatch(/scores: .*off: differs by 0\.00100, allowed 0\.0000/);
    expect((await verify(float, '--test-data', data, '--atol', '0.002')).code).toBe(0);
    expect((await verify(float, '--test-data', data, '--rtol', '0.002')).code).toBe(0);
    expect((await verify(float, '--test-data', data, '--atol', '0.002', '--min-sqnr', '150')).code).toBe(1);
    expect((await verify(int8, '--test-data', npz, '--min-sqnr', '80')).out).toContain('at least 80 wanted');
  });

  test('that are integers have to be equal', async () => {
    const { best } = samples[5]!;
    const data = writeSet('other', samples[5]!, {
      'output_1.pb': protoOf('best', integers([(best.data[0]! + 1) % 4])),
    });
    for (const folder of [float, int8]) {
      const { code, out } = await verify(folder, '--test-data', data, '--atol', '9', '--min-sqnr', '-99');
      expect(code).toBe(1);
      expect(out).toContain('integers have to be equal');
      expect(out).not.toContain('scores:');
    }
  });

  test('that are not finite, and ours are', async () => {
    const infinite = floats([1, 4], Float32Array.from([Infinity, 0, 0, 0]));
    const data = writeSet('infinite', samples[5]!, { 'output_0.pb': protoOf('scores', infinite) });
    expect((await verify(float, '--test-data', data, '--rtol', '99')).code).toBe(1);
  });
});

testWith(hostTools)('the C leaves the bytes of the simulator, whose outputs are the records', async () => {
  const api = { verifyArtifact };
  const args = ['verify', float, ...hosts, '--test-data', at('sets')];
  const { code, out } = await bench({ api }).run(...args);
  expect(code).toBe(0);
  expect(out).toContain('Every byte is the same as in the simulator.');
  expect(out).toMatch(/scores +as recorded/);
});

test('without a compiler the simulator is held to the records', async () => {
  const skipped = bench({
    rowFor: (target) => ({ target, status: 'skipped', bytesCompared: 0, mismatches: 0 }),
  });
  const { code, out } = await skipped.run('verify', float, ...hosts, '--test-data', npz);
  expect(code).toBe(0);
  expect(out).toContain('No C was run');
});

describe('refused', () => {
  const refused = async (said: string, ...args: string[]) => {
    const { code, err } = await verify(float, ...args);
    expect([code, err]).toEqual([2, expect.stringContaining(said)]);
  };
  const { image, word } = samples[6]!;
  const odd = (name: string, change: Readonly<Record<string, onnx.ITensorProto | undefined>>) => [
    '--test-data',
    writeSet(name, samples[6]!, change),
  ];

  test('another count, shape or type', async () => {
    await refused(
      "fewer: 1 recorded input; supported: 2: 'image', 'word'",
      ...odd('fewer', { 'input_1.pb': undefined }),
    );
    await refused('no input_0.pb', ...odd('hole', { 'input_0.pb': undefined }));
    await refused(
      'shape 1x18; supported: 1x2x3x3',
      ...odd('shape', { 'input_0.pb': floatTensor('image', [1, 18], [...image.data]) }),
    );
    await refused(
      'elements of type float32; supported: int64',
      ...odd('type', { 'input_1.pb': floatTensor('word', [1], [...word.data]) }),
    );
    await refused('twice', ...odd('twice', { 'input_1.pb': protoOf('image', image) }));
    await refused(
      'output_1.pb: 2 samples; supported: 1',
      ...odd('more', { 'output_1.pb': intTensor('best', [2], [1, 1]) }),
    );
  });

  test('what is no tensor, folder or archive of them', async () => {
    const data = writeSet('damaged', samples[6]!);
    writeFileSync(path.join(data, 'input_0.pb'), Uint8Array.of(10, 200));
    await refused('supported: a complete ONNX tensor', '--test-data', data);
    const sequence = proto.onnx.GraphProto.encode({ node: [nodeProto({ op: 'Relu' })] }).finish();
    writeFileSync(path.join(data, 'input_0.pb'), sequence);
    await refused('input_0.pb: ', '--test-data', data);
    mkdirSync(at('empty'));
    await refused('a folder without recorded tensors', '--test-data', at('empty'));
    await refused('a file that is not a .npz', '--test-data', at('words.onnx'));
    writeFileSync(at('lacking.npz'), writeNpz(new Map([['image', image]])));
    await refused("no array 'word' (there are: image)", '--test-data', at('lacking.npz'));
  });

  test('options that do not go together', async () => {
    await refused('--rtol: an option that does not apply', '--rtol', '1');
    await refused('--min-sqnr: an option that does not apply', '--min-sqnr', '1');
    await refused('--input: an option that does not apply', '--test-data', npz, '--input', npz);
  });
});
