/** Every command that takes a model takes every kind of file. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { unzipSync, zipSync } from 'fflate';
import { afterAll, describe, expect, test } from 'vitest';
import { writeNpy } from '../../../src/data/npy.ts';
import { load } from '../../../src/net/node-load.ts';
import { bench } from '../../support/cli.ts';
import { root } from '../../support/shared.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-kinds-'));
afterAll(() => rmSync(folder, { recursive: true }));

const fixture = (name: string): string => path.join(root, 'test/fixtures', name);
const own = (name: string): string => fixture(`torch/kinds/${name}`);

/** An archive with the program of another once more, under another name. */
function twice(file: string): string {
  const files = Object.entries(unzipSync(new Uint8Array(readFileSync(file))));
  const more = files.map(([name, bytes]) => [name.replace(/model(?=[^/]*\.json$)/, 'other'), bytes] as const);
  const made = path.join(folder, 'two.pt2');
  writeFileSync(made, zipSync(Object.fromEntries([...files, ...more]), { level: 0 }));
  return made;
}

function samples(name: string, shape: readonly number[]): string {
  const file = path.join(folder, `${name}.npy`);
  const count = shape.reduce((a, b) => a * b, 1);
  const data = Float32Array.from({ length: count }, (_, i) => Math.sin(1.3 * i));
  writeFileSync(file, writeNpy({ dtype: 'float32', shape, data }));
  return file;
}

interface Kind {
  readonly model: string;
  readonly options: readonly string[];
  readonly input: string;
  /** Whether it needs samples to be compiled. */
  readonly calibrated: boolean;
}

const flat = samples('flat', [40, 6]);
const plain = (name: string, ...options: readonly string[]): Kind => ({
  ...{ model: own(name), options, input: flat, calibrated: true },
});

const kinds: Readonly<Record<string, Kind>> = {
  onnx: plain('mlp.onnx'),
  pt2: plain('mlp.pt2'),
  'pt2 with several programs': { ...plain('', '--program', 'model'), model: twice(own('mlp.pt2')) },
  pt: plain('mlp.pt'),
  'pth in pt2': plain('mlp.pth', '--arch', own('mlp.pt2')),
  'safetensors in onnx': plain('mlp.safetensors', '--arch', own('mlp.onnx')),
  'quantized onnx': {
    model: fixture('quantized/qonnx-small.onnx'),
    options: [],
    input: samples('square', [40, 2, 4, 4]),
    calibrated: false,
  },
  'quantized pt2': {
    model: fixture('quantized/mlp_x86.pt2'),
    options: [],
    input: samples('line', [40, 20]),
    calibrated: false,
  },
};

describe.each(Object.entries(kinds))('%s', (name, { model, options, input, calibrated }) => {
  const out = path.join(folder, `out ${name}`.replaceAll(' ', '-'));
  const calibrate = calibrated ? ['--calibrate', input] : [];
  const commands: Readonly<Record<string, readonly string[]>> = {
    inspect: ['inspect', model, ...options],
    compile: ['compile', model, ...options, ...calibrate, '-o', out],
    'compile --type float32': ['compile', model, ...options, '--type', 'float32'],
    run: ['run', model, ...options, '--input', input],
    'run --engine int8': ['run', model, ...options, ...calibrate, '--input', input, '--engine', 'int8'],
    eval: ['eval', model, ...options, ...calibrate, '--input', input],
    view: ['view', model, ...options, ...calibrate, '--input', input, '-o', `${out}.html`],
    sweep: [
      ...['sweep', model, ...options, '--calibrate', input, '--samples', '20'],
      ...['--sparsities', '0.3', '--weight-bits', '4', '--json'],
    ],
    diff: ['diff', out, '--against', model, '--input', input],
    'eval of the artifact': ['eval', out, '--against', model, '--input', input],
    report: ['report', out, '--input', input, '-o', `${out}-report.html`],
    'view of the artifact': ['view', out, '--input', input, '-o', `${out}-artifact.html`],
    verify: ['verify', out],
  };
  test.each(Object.keys(commands))('%s', async (command) => {
    const { code, err } = await bench().run(...(commands[command] ?? []));
    expect({ code, err }).toEqual({ code: 0, err: '' });
  });

  test('the manifest knows all files that the network was made of', () => {
    const { arch } = JSON.parse(readFileSync(path.join(out, 'manifest.json'), 'utf8')) as { arch?: object };
    expect(arch !== undefined).toBe(options.includes('--arch'));
  });
});

test('in Node too', async () => {
  const arch = await load(own('mlp.pth'), { arch: own('mlp.pt2') });
  const program = await load(path.join(folder, 'two.pt2'), { program: 'other' });
  const x = Float32Array.of(1, -1, 0.5, 2, 0, -2);
  expect([...program.run(x).output.real]).toEqual([...arch.run(x).output.real]);
});

test('weights whose network has become another are not compared', async () => {
  const [arch, out] = [path.join(folder, 'arch.pt2'), path.join(folder, 'changed')];
  writeFileSync(arch, readFileSync(own('mlp.pt2')));
  const made = ['compile', own('mlp.pth'), '--arch', arch, '--calibrate', flat, '-o', out];
  expect(await bench().run(...made)).toMatchObject({ code: 0 });
  writeFileSync(arch, readFileSync(own('mlp.onnx')));
  const { code, err } = await bench().run('diff', out, '--against', own('mlp.pth'), '--input', flat);
  expect(code).toBe(2);
  expect(err).toContain('not the network that the artifact was compiled with');
});
