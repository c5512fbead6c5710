import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildOf, loadArtifact } from '../../src/artifact/make.ts';
import type { VerifyRow } from '../../src/artifact/node-verify.ts';
import { readNpy, writeNpy } from '../../src/data/npy.ts';
import { floats } from '../../src/ir/tensor.ts';
import { bench, type CliHarness } from '../support/cli.ts';
import { encodeModel, valueInfo } from '../support/onnx-model.ts';
import { sampleFiles } from '../support/sample-files.ts';

const files = sampleFiles();
afterAll(files.remove);
const model = 'models/lenet5.onnx';
const out = path.join(files.folder, 'out');

const rows: Record<string, VerifyRow> = {};
const cli: CliHarness = bench({
  rowFor: (target) => rows[target] ?? { target, status: 'equal', bytesCompared: 10, mismatches: 0 },
});
beforeAll(async () => {
  const made = await cli.run('compile', model, '--calibrate', files.images, '--pad', '2', '-o', out, '-q');
  expect(made).toEqual({ code: 0, out: '', err: '' });
});

test('the C says which program it is, and so does the program that is read back', () => {
  const names = ['lenet5.h', 'lenet5.program.json', 'manifest.json'];
  const contents = new Map(names.map((name) => [name, new Uint8Array(readFileSync(path.join(out, name)))]));
  const text = (name: string): string => Buffer.from(contents.get(name)!).toString();
  const { sha256 } = JSON.parse(text('manifest.json')) as { sha256: Record<string, string> };
  const said = /#define LENET5_BUILD "([0-9a-f]{16})"/.exec(text('lenet5.h'))?.[1];
  expect(said).toBe(sha256['lenet5.program.json']!.slice(0, 16));
  for (const name of Object.keys(sha256))
    contents.set(name, new Uint8Array(readFileSync(path.join(out, name))));
  expect(buildOf(loadArtifact(contents).program)).toBe(said);
});

describe('thimble run', () => {
  test('a model, in float', async () => {
    const result = await cli.run('run', model, '--input', files.images, '--pad', '2');
    expect(result.code).toBe(0);
    expect(result.out).toContain('20 samples, float');
    for (const line of result.out.split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('an artifact, prepared as it was calibrated', async () => {
    const result = await cli.run('run', out, '--input', files.images, '--json');
    expect(result.code).toBe(0);
    const json = JSON.parse(result.out) as { top1: number[]; outputs: number[][] };
    expect(Object.keys(json)).toEqual([
      'command',
      'engine',
      'shape',
      'top1',
      'outputs',
      'portOrder',
      'output',
    ]);
    expect(json).toMatchObject({ command: 'run', engine: 'int8', shape: [1, 10], output: null });
    expect(json.top1).toEqual(Array.from({ length: 20 }, (_, i) => i % 10));
    expect(json.outputs[3]).toHaveLength(10);
  });

  test('--output writes all outputs as .npy, --limit takes the first', async () => {
    const file = path.join(files.folder, 'logits.npy');
    const result = await cli.run(
      'run',
      out,
      '--input',
      files.images,
      '--output',
      file,
      '--limit',
      '3',
      '--json',
    );
    const { outputs } = JSON.parse(result.out) as { outputs: number[][] };
    const written = readNpy(new Uint8Array(readFileSync(file)), file);
    expect(written).toMatchObject({ dtype: 'float32', shape: [3, 10] });
    expect([...written.data]).toEqual(outputs.flat());
  });

  test('int8 of a model needs calibration, and is what the artifact computes', async () => {
    const bare = await cli.run('run', model, '--engine', 'int8', '--input', files.images, '--pad', '2');
    expect(bare).toMatchObject({ code: 2, out: '' });
    const json = async (...argv: string[]): Promise<unknown> =>
      (
        JSON.parse((await cli.run('run', ...argv, '--input', files.images, '--json')).out) as {
          outputs: unknown;
        }
      ).outputs;
    const inMemory = await json(model, '--engine', 'int8', '--calibrate', files.images, '--pad', '2');
    expect(inMemory).toEqual(await json(out));
  });

  test('--engine with an artifact is refused', async () => {
    expect((await cli.run('run', out, '--engine', 'float', '--input', files.images)).err).toContain(
      'already compiled',
    );
  });

  test('a folder that is no artifact', async () => {
    const result = await cli.run('run', files.folder, '--input', files.images);
    expect(result.code).toBe(2);
    expect(result.err).toContain('a folder without manifest.json');
    const compiled = 'supported: folders written by thimble compile -o; run: thimble compile MODEL -o';
    expect((await cli.run('verify', '/nowhere/out')).err).toBe(
      `thimble: /nowhere/out: there is no such folder; ${compiled} /nowhere/out\n`,
    );
    expect((await cli.run('verify', files.images)).err).toContain(`: a file; ${compiled} FOLDER`);
  });
});

describe('thimble eval', () => {
  const labelled = ['--input', files.images, '--labels', files.labels];

  test('float against int8, with counts and intervals', async () => {
    const result = await cli.run('eval', model, ...labelled, '--pad', '2', '--calibrate', files.images);
    expect(result.code).toBe(0);
    expect(result.out).toContain('float    top-1 100.00 % (20 of 20; 95 % interval 83.89 % to 100.00 %)');
    expect(result.out).toMatch(/^int8 {5}top-1 /m);
    expect(result.out).toMatch(/^same class for /m);
  });

  test('an artifact --against its model, as JSON', async () => {
    const json = JSON.parse(
      (await cli.run('eval', out, ...labelled, '--against', model, '--json')).out,
    ) as unknown;
    const share = { hits: 20, total: 20, share: 1, low: expect.any(Number), high: 1 };
    expect(json).toEqual({
      command: 'eval',
      engines: [
        { engine: 'float', top1: share },
        { engine: 'int8', top1: share },
      ],
      agreement: share,
    });
  });

  test('without labels: signal to noise against float, and the error against what is expected', async () => {
    const compared = await cli.run('eval', out, '--input', files.images, '--against', model);
    expect(compared).toMatchObject({ code: 0, err: '' });
    expect(compared.out).toMatch(/\nfloat .*\nint8 .* [0-9.]+ dB\n20 samples\n$/);
    const zeros = path.join(files.folder, 'zeros.npy');
    writeFileSync(zeros, writeNpy(floats([files.count, 10], new Float32Array(files.count * 10))));
    const argv = ['eval', out, '--input', files.images, '--expected', zeros, '--json'];
    const { scores } = JSON.parse((await cli.run(...argv)).out) as { scores: { error: number }[] };
    const run = await cli.run('run', out, '--input', files.images, '--json');
    const { outputs } = JSON.parse(run.out) as { outputs: number[][] };
    const squares = outputs.flat().map((y) => y * y);
    expect(scores).toEqual([{ engine: 'int8', output: expect.any(String), error: expect.any(Number) }]);
    expect(scores[0]!.error).toBeCloseTo(squares.reduce((sum, y) => sum + y, 0) / squares.length, 6);
    expect((await cli.run('eval', out, '--input', files.images)).err).toMatch(
      /samples without labels; .* --expected/,
    );
    expect((await cli.run('eval', out, '--input', files.images, '--expected', 'input')).err).toMatch(
      /--expected input: 20480 numbers for 20 samples; supported: 10 per sample, as '\w+' have/,
    );
  });

  test('labels in the place of samples, and samples in the place of labels', async () => {
    const { images, labels } = files;
    expect((await cli.run('eval', out, '--input', labels, '--labels', labels)).err).toMatch(
      /if these are the labels, give them with --labels, and the samples here/,
    );
    const array = path.join(files.folder, 'labels.npy');
    writeFileSync(array, writeNpy({ dtype: 'uint8', shape: [20], data: new Uint8Array(20) }));
    expect((await cli.run('eval', out, '--input', array, '--labels', labels)).err).toMatch(
      /a list of 20 whole numbers; .* if these are the labels/,
    );
    expect((await cli.run('eval', out, '--input', images, '--labels', images)).err).toMatch(
      /are these the samples\? give the labels here/,
    );
  });

  test('--min-top1: exit code 1 below it', async () => {
    const wrong = path.join(files.folder, 'wrong.txt');
    writeFileSync(wrong, '0\n'.repeat(files.count));
    const argv = ['eval', out, '--input', files.images, '--labels', wrong, '--min-top1'];
    expect(await cli.run(...argv, '10')).toMatchObject({ code: 0, err: '' });
    const below = await cli.run(...argv, '10.5');
    expect(below.code).toBe(1);
    expect(below.err).toBe('thimble: int8 top-1 10.00 % is below 10.5 %\n');
  });

  test('labels that do not fit', async () => {
    const few = path.join(files.folder, 'few.txt');
    writeFileSync(few, '1 2 3');
    expect((await cli.run('eval', out, '--input', files.images, '--labels', few)).err).toContain(
      '3 labels for 20 samples',
    );
    const high = path.join(files.folder, 'high.txt');
    writeFileSync(high, `10\n${'0\n'.repeat(files.count - 1)}`);
    expect((await cli.run('eval', out, '--input', files.images, '--labels', high)).err).toContain(
      'label 0 is 10, but the model has 10 outputs',
    );
    expect((await cli.run('eval', out, '--input', files.images)).err).toContain('give --labels FILE');
  });
});

describe('thimble verify', () => {
  test("all equal: exit code 0; inputs are seeded and of the input's size", async () => {
    const result = await cli.run('verify', out, '--samples', '3');
    expect(result).toMatchObject({ code: 0, err: '' });
    expect(result.out).toContain('Every byte is the same as in the simulator.');
    const first = cli.seen.verified.at(-1);
    expect(first?.targets).toContain('host-gcc');
    expect(first?.inputs.map((bytes) => bytes.length)).toEqual([1024, 1024, 1024]);
    await cli.run('verify', out, '--samples', '3');
    expect(cli.seen.verified.at(-1)?.inputs).toEqual(first?.inputs);
  });

  test("samples from a file, as pixels in the input's order", async () => {
    await cli.run('verify', out, '--input', files.images, '--samples', '2', '--targets', 'host,cortex-m4');
    const seen = cli.seen.verified.at(-1);
    expect(seen?.targets).toEqual(['host-gcc', 'cortex-m4']);
    expect(seen?.inputs).toHaveLength(2);
    expect(Math.max(...(seen?.inputs[0] ?? []))).toBe(255);
  });

  test('a difference, or no fit: exit code 1 and where', async () => {
    rows['cortex-m0'] = {
      target: 'cortex-m0',
      status: 'differs',
      bytesCompared: 10,
      mismatches: 1,
      note: 'step 2, conv2',
    };
    const result = await cli.run('verify', out, '--targets', 'host,cortex-m0');
    expect(result.code).toBe(1);
    expect(result.out).toContain('cortex-m0: differs: step 2, conv2');
    expect(result.err).toBe('thimble: verification failed\n');
    rows['cortex-m0'] = { target: 'cortex-m0', status: 'does not fit', bytesCompared: 0, mismatches: 0 };
    expect((await cli.run('verify', out, '--targets', 'cortex-m0,host')).code).toBe(1);
  });

  test('a chip that is too small fails where it is named, and is skipped and said where it is not', async () => {
    const note = 'needs 40024 bytes of RAM, has 16384';
    rows.fe310 = { target: 'fe310', status: 'does not fit', bytesCompared: 0, mismatches: 0, note };
    const all = await cli.run('verify', out);
    expect(all).toMatchObject({ code: 0, err: '' });
    expect(all.out).toContain(`fe310: skipped: too small for the program: ${note}`);
    const json = JSON.parse((await cli.run('verify', out, '--json')).out);
    expect(json).toMatchObject({
      ok: true,
      rows: expect.arrayContaining([{ ...rows.fe310, status: 'skipped', note: expect.any(String) }]),
    });
    const named = await cli.run('verify', out, '--targets', 'host,fe310');
    expect(named.code).toBe(1);
    expect(named.out).toContain('fe310: does not fit: needs 40024');
    delete rows.fe310;
  });

  test('skipped targets do not fail, but nothing else is not a success', async () => {
    rows.fe310 = {
      target: 'fe310',
      status: 'skipped',
      bytesCompared: 0,
      mismatches: 0,
      note: 'no qemu-system-riscv32',
    };
    expect(await cli.run('verify', out, '--targets', 'host,fe310')).toMatchObject({ code: 0, err: '' });
    const none = await cli.run('verify', out, '--targets', 'fe310');
    expect(none.code).toBe(1);
    expect(none.err).toContain('nothing was verified');
  });

  test('which form of the C a row is about, where a chip runs two', async () => {
    rows['cortex-m7'] = {
      ...{ target: 'cortex-m7', form: 'plain', status: 'differs', bytesCompared: 10, mismatches: 1 },
      note: 'step 0, conv1',
    };
    const result = await cli.run('verify', out, '--targets', 'host,cortex-m7', '--dsp');
    expect(result.out).toMatch(/^cortex-m7, plain +differs/m);
    expect(result.out).toContain('cortex-m7, plain: differs: step 0, conv1');
  });

  test('--json', async () => {
    const { out: text } = await cli.run('verify', out, '--targets', 'host', '--json');
    expect(JSON.parse(text)).toEqual({
      command: 'verify',
      ok: true,
      inputs: 4,
      rows: [{ target: 'host-gcc', status: 'equal', bytesCompared: 10, mismatches: 0 }],
    });
  });
});

describe('a manifest that was edited', () => {
  const file = path.join(out, 'manifest.json');
  test.each([
    [
      'the scale of the input',
      /"scale": 0\.0039[0-9]*/,
      '"scale": 1',
      /^thimble: manifest.json: 'inputs.0.scale' is 1, in the program 0.0039/,
    ],
    [
      'the padding of samples',
      '"pad": 2',
      '"pad": 1',
      /^thimble: manifest.json: 'preprocessing' is not what was written/,
    ],
  ])('%s: no command goes on', async (_, from, to, message) => {
    const text = readFileSync(file, 'utf8');
    expect(text).toMatch(from);
    writeFileSync(file, text.replace(from, to));
    try {
      for (const argv of [
        ['run', out, '--input', files.images],
        ['eval', out, '--input', files.images, '--labels', files.labels],
        ['verify', out],
        ['inspect', out],
        ['report', out, '-o', path.join(files.folder, 'edited.html')],
        ['view', out, '-o', path.join(files.folder, 'edited.html')],
      ]) {
        const result = await cli.run(...argv);
        expect(result, argv[0]).toMatchObject({ code: 2, out: '' });
        expect(result.err, argv[0]).toMatch(message);
      }
    } finally {
      writeFileSync(file, text);
    }
  });
});

describe('thimble inspect', () => {
  test('a model', async () => {
    const result = await cli.run('inspect', model);
    expect(result).toMatchObject({ code: 0, err: '' });
    expect(result.out).toContain('input   input 1x1x32x32');
    expect(result.out).toContain('416,520 MAC; as float32: tables 246,824 B');
    const json = JSON.parse((await cli.run('inspect', model, '--json')).out) as object;
    expect(Object.keys(json)).toEqual([
      'command',
      'kind',
      'name',
      'opset',
      'inputs',
      'outputs',
      'operators',
      'steps',
      'float32',
      'refused',
    ]);
    expect(json).toMatchObject({
      kind: 'model',
      opset: 13,
      operators: { Conv: 2, Gemm: 3, MaxPool: 2 },
      refused: null,
    });
  });

  test('a model that does not compile: its ports, its operators, and what stands in the way', async () => {
    const file = path.join(files.folder, 'refused.onnx');
    const nodes = [
      { op: 'Relu', outputs: ['t'] },
      { op: 'Loop', name: 'l', inputs: ['t'], outputs: ['u'] },
      { op: 'Unique', name: 'q', inputs: ['u'] },
    ];
    writeFileSync(file, encodeModel({ nodes, inputs: [valueInfo('x', [1, 'time'])] }));
    const open = await cli.run('inspect', file);
    expect(open).toMatchObject({ code: 0, err: '' });
    expect(open.out).toMatch(
      /input {3}x \?\noutput {2}y \?\n\nnodes {3}1 Loop, 1 Relu, 1 Unique\n\ndoes not compile: /,
    );
    expect(open.out).toContain("axis 1 of input 'x': a dynamic size, 'time'");
    const given = await cli.run('inspect', file, '--axis', 'time=5', '--json');
    expect(given.code).toBe(0);
    expect(JSON.parse(given.out)).toMatchObject({
      inputs: [{ name: 'x', shape: [1, 5] }],
      outputs: [{ name: 'y', shape: null }],
      operators: { Loop: 1, Relu: 1, Unique: 1 },
      steps: null,
      float32: null,
      refused: expect.stringContaining("node 'l' (Loop): Loop is not supported"),
    });
  });

  test('a model after a pass', async () => {
    expect((await cli.run('inspect', model, '--pass', 'fuse')).out).toContain('conv');
    const json = JSON.parse((await cli.run('inspect', model, '--pass', 'import', '--json')).out) as object;
    expect(json).toMatchObject({
      command: 'inspect',
      kind: 'pass',
      pass: 'import',
      text: expect.stringContaining('/0/Conv'),
    });
  });

  test('an artifact', async () => {
    const result = await cli.run('inspect', out);
    expect(result.out).toContain('lenet5: compiled, int8');
    const json = JSON.parse((await cli.run('inspect', out, '--json')).out) as { plan: object[] };
    expect(json).toMatchObject({ kind: 'artifact', name: 'lenet5', preprocessing: { pad: 2 } });
    expect(json.plan).toContainEqual(
      expect.objectContaining({ name: 'input', bytes: 1024, elem: 'u8', firstStep: -1 }),
    );
  });
});
