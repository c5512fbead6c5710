import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { bench } from '../../support/cli.ts';
import { encodeModel, floatTensor, valueInfo } from '../../support/onnx-model.ts';
import { sampleFiles } from '../../support/sample-files.ts';
import { model as twelve } from '../../support/small-artifact.ts';

const files = sampleFiles();
afterAll(files.remove);
const model = 'models/lenet5.onnx';
const int8 = ['compile', model, '--calibrate', files.images, '--pad', '2', '--activation-bits', '8'];
const folderNamed = (name: string): string => path.join(files.folder, name);

describe('thimble compile', () => {
  test('writes the artifact and says what is in it', async () => {
    const out = folderNamed('out');
    const { run, seen } = bench();
    const result = await run(...int8, '-o', out);
    expect(result).toMatchObject({ code: 0, err: '' });
    expect(readdirSync(out)).toEqual(expect.arrayContaining(['lenet5.c', 'lenet5.h', 'manifest.json']));
    expect(result.out).toContain('lenet5: int8, calibrated on 18 samples; compared on 2 held back');
    expect(result.out).toMatch(
      /^int8 against float: [\d.]+ dB, same class [\d.]+ %; worst layer \w+ [\d.]+ dB$/m,
    );
    expect(result.out).toContain(`next: thimble verify ${out}`);
    for (const line of result.out.split('\n'))
      if (!line.includes(out)) expect(line.length).toBeLessThanOrEqual(80);
    expect(seen.made[0]).toMatchObject({ preprocessing: { pad: 2 }, version: expect.stringMatching(/^\d/) });
    expect(seen.made[0]?.command).toBe(`thimble ${int8.join(' ')} -o ${out}`);
  });

  test('of a quantized model: what its cheaper roundings make other than ort-float', async () => {
    const out = folderNamed('roundings');
    const quantized = ['compile', 'test/fixtures/quantized/hand-ties-conv.onnx', '-o', out];
    const line = /off ort-float on 64 inputs drawn from the whole range: output '\w+' [\d,]+ of 4,096 values/;
    expect((await bench().run(...quantized)).out).toMatch(line);
    const read = (file: string): string => readFileSync(path.join(out, file), 'utf8');
    expect(read('report.md')).toMatch(line);
    const json = JSON.parse((await bench().run(...quantized, '--json')).out) as Record<string, unknown>;
    expect(json.roundings).toMatchObject({ samples: 64, drawn: true, outputs: [{ values: 4096 }] });
    expect((JSON.parse(read('manifest.json')) as Record<string, unknown>).roundings).toEqual(json.roundings);
  });

  test('of integer weights alone: a float32 program that keeps them, without samples', async () => {
    const file = folderNamed('weights.onnx');
    const integers = (name: string, dims: number[], of: ArrayLike<number>) => ({
      name,
      dims,
      dataType: 3,
      rawData: Uint8Array.from(of),
    });
    writeFileSync(
      file,
      encodeModel({
        nodes: [
          { op: 'DequantizeLinear', inputs: ['q', 's', 'z'], outputs: ['w'] },
          { op: 'MatMul', inputs: ['x', 'w'] },
        ],
        initializers: [
          integers('q', [40, 6], { length: 240 }),
          integers('z', [], [0]),
          floatTensor('s', [], [0.5]),
        ],
        inputs: [valueInfo('x', [1, 40])],
      }),
    );
    const { out, err } = await bench().run('compile', file);
    expect(err).toMatch(
      /note: the model has integer weights and no scales of activations, so the program is float32/,
    );
    // Two bits each, and six scales.
    expect(out).toContain('weights: float32');
    expect(out).toContain('tables 108 B');
    expect((await bench().run('compile', file, '--weight-bits', '4')).err).toContain('no samples');
  });

  test('of a quantized model that onnxruntime cuts sums of: a note', async () => {
    const quantized = ['compile', 'test/fixtures/quantized/hand-ties-conv.onnx'];
    expect((await bench().run(...quantized)).out).toMatch(
      /^note: onnxruntime cuts sums of two products in \w+/m,
    );
  });

  test('--json: stable fields, nothing else on stdout', async () => {
    const out = folderNamed('json');
    const result = await bench().run(...int8, '-o', out, '--json');
    const json = JSON.parse(result.out) as Record<string, unknown>;
    expect(Object.keys(json)).toEqual([
      'command',
      'name',
      'arith',
      'macs',
      'tableBytes',
      'arenaBytes',
      'portOrder',
      'input',
      'output',
      'inputs',
      'outputs',
      'steps',
      'activations16',
      'formats',
      'floatParts',
      'roundings',
      'tried',
      'accuracy',
      'agreement',
      'warnings',
      'sparsity',
      'overBudget',
      'belowMinSqnr',
      'folder',
      'files',
    ]);
    expect(json).toMatchObject({
      command: 'compile',
      name: 'lenet5',
      arith: 'int8',
      macs: 416520,
      input: { shape: [1, 1, 32, 32], elem: 'u8', raw: { mean: [0], std: [255] } },
      output: { shape: [1, 10], elem: 'u8', scale: expect.any(Number), zeroPoint: expect.any(Number) },
      inputs: [{ name: 'input', shape: [1, 1, 32, 32] }],
      outputs: [{ name: 'output', shape: [1, 10] }],
      folder: out,
      files: expect.arrayContaining([{ name: 'lenet5.c', bytes: expect.any(Number) }]),
    });
    expect(json.steps).toContainEqual({
      name: 'conv1',
      origin: ['/0/Conv', '/1/Relu', '/2/MaxPool'],
      output: '/2/MaxPool_output_0',
      outputShape: [1, 6, 14, 14],
      macs: 117600,
      tableBytes: expect.any(Number),
    });
  });

  test('float32 needs no calibration; --name names, --quiet says nothing', async () => {
    const out = folderNamed('float');
    const result = await bench().run(
      'compile',
      model,
      '--type',
      'float32',
      '--name',
      'reader',
      '-q',
      '-o',
      out,
    );
    expect(result).toEqual({ code: 0, out: '', err: '' });
    expect(existsSync(path.join(out, 'reader.c'))).toBe(true);
  });

  test('without -o nothing is written, and that is said', async () => {
    const result = await bench().run('compile', model, '--type', 'float32');
    expect(result.code).toBe(0);
    expect(result.out).toContain('nothing was written: give -o FOLDER');
  });

  test('over a budget: exit code 1, nothing written', async () => {
    const out = folderNamed('budget');
    const result = await bench().run(
      ...int8,
      '-o',
      out,
      '--ram',
      '1000B',
      '--flash',
      '1MB',
      '--sparsity',
      '0',
    );
    expect(result.code).toBe(1);
    expect(result.err).toMatch(
      /^thimble: over budget: RAM [\d,]+ B, [\d,]+ B over the limit of 1,000 B; nothing was written\n$/,
    );
    expect(existsSync(out)).toBe(false);
  });

  test('--stop-after prints the graph after a pass', async () => {
    const result = await bench().run('compile', model, '--type', 'float32', '--stop-after', 'canonicalize');
    expect(result.code).toBe(0);
    expect(result.out).toContain('maxPool');
    const unknown = await bench().run('compile', model, '--type', 'float32', '--stop-after', 'magic');
    expect(unknown).toMatchObject({ code: 2, out: '' });
    expect(unknown.err).toContain('--stop-after magic: no such pass; supported: import, canonicalize');
    const inapplicable = await bench().run('compile', model, '--type', 'float32', '--stop-after', 'quantize');
    expect(inapplicable.err).toContain('a pass that does not run for float32');
  });

  test('the sample of an exported program measures where it is asked for, never by itself', async () => {
    const program = 'test/fixtures/torch/programs/lenet/lenet.torch2.8.pt2';
    const unasked = await bench().run('compile', program);
    expect(unasked).toMatchObject({ code: 2, out: '' });
    expect(unasked.err).toMatch(/no samples to measure.*holds the one sample.*--calibrate \S+\.pt2/s);
    const asked = await bench().run('compile', program, '--calibrate', program);
    expect(asked.code).toBe(0);
    expect(asked.out + asked.err).toMatch(/warning: [^\n]*1 sample/);
    const other = await bench().run('compile', program, '--calibrate', model.replace(/[^/]*$/, 'none.pt2'));
    expect(other.code).toBe(2);
  });

  test.each([
    [['compile', model], 'int8: no samples to measure the ranges'],
    [['compile', model, '--calibrate', files.images], 'try --pad 2 or --resize 32x32'],
    [[...int8, '--name', '2fast'], "--name: '2fast' is not a C identifier"],
    [['compile', files.folder], 'a folder; supported: .onnx, .pt2'],
    [['compile', files.images], 'images.npy'],
  ])('%j is refused with exit code 2', async (argv, message) => {
    const result = await bench().run(...argv);
    expect(result).toMatchObject({ code: 2, out: '' });
    expect(result.err).toContain(message);
    expect(result.err).toMatch(/^thimble: [^\n]+\n$/);
  });

  test('an -o that is a file', async () => {
    const file = folderNamed('a-file');
    writeFileSync(file, 'precious');
    expect(await bench().run(...int8, '-o', file)).toMatchObject({ code: 2 });
  });

  test('--package and --main lay out a folder that later commands take', async () => {
    const file = path.join(files.folder, 'twelve.onnx');
    writeFileSync(file, twelve);
    const out = folderNamed('component');
    const { run } = bench();
    const made = await run('compile', file, '--type', 'float32', '--package', 'esp-idf', '--main', '-o', out);
    expect(made).toMatchObject({ code: 0, err: '' });
    expect(made.out).toContain(`wrote ${out}/src/twelve.c (`);
    expect(readdirSync(out).sort()).toEqual([
      'CMakeLists.txt',
      'Kconfig',
      'README.md',
      'extras',
      'idf_component.yml',
      'manifest.json',
      'report.md',
      'src',
      'twelve.program.json',
    ]);
    expect(readdirSync(path.join(out, 'extras'))).toContain('twelve_main.c');
    expect(await run('verify', out, '--targets', 'host')).toMatchObject({ code: 0, err: '' });
    const wrong = await run('compile', file, '--type', 'float32', '--package', 'arduno', '-o', out);
    expect(wrong).toMatchObject({ code: 2 });
    expect(wrong.err).toContain('arduino');
  });
});
