import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ViewData } from '../../../src/view/data.ts';
import { viewDataFrom } from '../../../src/view/data.ts';
import { bench, type CliHarness } from '../../support/cli.ts';
import { sampleFiles } from '../../support/sample-files.ts';

const files = sampleFiles();
afterAll(files.remove);
const model = 'models/lenet5.onnx';
const at = (name: string): string => path.join(files.folder, name);
const out = at('out');
const cli: CliHarness = bench();

beforeAll(async () => {
  const made = await cli.run('compile', model, '--calibrate', files.images, '--pad', '2', '-o', out, '-q');
  expect(made.code).toBe(0);
});

function dataOf(file: string): ViewData {
  const page = readFileSync(file, 'utf8');
  return viewDataFrom(/id="data">(.*)<\/script>/.exec(page)?.[1] ?? '');
}

test('an artifact: the page holds its program, its C and digits to begin with', async () => {
  const page = at('view.html');
  const result = await cli.run('view', out, '-o', page, '--json');
  expect({ code: result.code, err: result.err }).toEqual({ code: 0, err: '' });
  const bytes = readFileSync(page).length;
  const fields = {
    command: 'view',
    name: 'lenet5',
    arith: 'int8',
    float: true,
    examples: 10,
    file: page,
    bytes,
  };
  expect(JSON.parse(result.out)).toEqual(fields);
  const data = dataOf(page);
  expect(data.preprocessing).toEqual({ pad: 2 });
  expect(data.sources.conv1).toContain('void lenet5_conv1(');
  expect(data.examples.map(({ numbers }) => numbers.length)).toEqual(new Array(10).fill(1024));
  expect(data.float).toMatchObject({ kind: 'program', program: { arith: 'float32' } });
  expect(readFileSync(page, 'utf8')).toContain('<script>script();</script>');
});

test('a model is compiled in memory and gives the same page as its artifact', async () => {
  const [a, b] = [at('a.html'), at('b.html')];
  const names = ['--classes', 'zero,one,two,three,four,five,six,seven,eight,nine', '--input', files.images];
  const options = ['--calibrate', files.images, '--pad', '2', '-o', a, ...names];
  expect((await cli.run('view', model, ...options)).code).toBe(0);
  expect((await cli.run('view', out, '--model', model, '-o', b, ...names)).code).toBe(0);
  expect(readFileSync(a, 'utf8')).toBe(readFileSync(b, 'utf8'));
  const { classes, examples } = dataOf(a);
  expect(classes?.[3]).toBe('three');
  expect(examples.map(({ name }) => name).slice(0, 2)).toEqual([
    'images.npy, sample 0',
    'images.npy, sample 1',
  ]);
  expect(examples.length).toBe(12);
});

test('a float32 artifact has no other side, and says why', async () => {
  const float = at('float');
  expect((await cli.run('compile', model, '--type', 'float32', '-o', float, '-q')).code).toBe(0);
  const result = await cli.run('view', float, '-o', at('float.html'));
  expect(result.code).toBe(0);
  expect(result.out).toContain('This program is the float network');
  expect(dataOf(at('float.html')).float.kind).toBe('none');
});

test('without its model, float is off; what cannot be used leaves no file', async () => {
  const manifest = path.join(out, 'manifest.json');
  const text = readFileSync(manifest, 'utf8');
  writeFileSync(manifest, text.replace(model, 'models/gone.onnx'));
  const alone = await cli.run('view', out, '-o', at('alone.html'));
  writeFileSync(manifest, text);
  expect(alone.out).toContain('make this page with --model MODEL.onnx');
  copyFileSync(model, at('other.onnx'));
  writeFileSync(at('other.onnx'), readFileSync(model).subarray(0, 1000));
  const bad = at('bad.html');
  const cases: readonly (readonly [readonly string[], RegExp])[] = [
    [
      ['--model', at('other.onnx')],
      /--model .*other\.onnx: not the model that the artifact was compiled from/,
    ],
    [['--classes', 'a,b'], /--classes: 2 names; supported: 10 names/],
    [['--input', at('none.npy')], /there is no such file/],
  ];
  for (const [options, message] of cases) {
    const result = await cli.run('view', out, '-o', bad, ...options);
    expect(result.code).toBe(2);
    expect(result.err).toMatch(message);
    expect(existsSync(bad)).toBe(false);
  }
  const uncalibrated = await cli.run('view', model, '-o', bad);
  expect(uncalibrated.code).toBe(2);
  expect(uncalibrated.err).toContain('--calibrate');
});
