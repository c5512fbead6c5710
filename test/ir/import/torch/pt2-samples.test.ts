/** Example inputs of exported programs: the recorded inputs, which are what they were exported with. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { readNpy } from '../../../../src/data/npy.ts';
import { hasSample, sampleInputs } from '../../../../src/ir/import/torch/pt2-samples.ts';
import { readZip, type Zip } from '../../../../src/ir/import/torch/zip.ts';
import { root } from '../../../support/shared.ts';

const bytesOf = (name: string) => readFileSync(`${root}/test/fixtures/torch/programs/${name}`);
const archive = (name: string): Zip => readZip(bytesOf(name));

test.each([
  ['lenet', 'lenet.torch2.8', ['x']],
  ['mlp', 'mlp.torch2.5.1', ['x']],
  ['kwargs', 'kwargs.torch2.15', ['x', 'hc_0', 'bias']],
] as const)('%s', (folder, name, inputs) => {
  const zip = archive(`${folder}/${name}.pt2`);
  expect(hasSample(zip)).toBe(true);
  const recorded = inputs.map((_, i) => {
    const file = `input${i === 0 ? '' : i}.npy`;
    return readNpy(bytesOf(`${folder}/${file}`), file);
  });
  expect(sampleInputs(zip, inputs).map(({ shape }) => shape)).toEqual(recorded.map(({ shape }) => shape));
});

test('keyword arguments go by their names, wherever they stand among the inputs', () => {
  const zip = archive('kwargs/kwargs.torch2.15.pt2');
  const [x, h, bias] = sampleInputs(zip, ['x', 'h', 'bias']);
  expect(sampleInputs(zip, ['bias', 'x', 'h'])).toEqual([bias, x, h]);
});

test('examples of more or fewer inputs, or none at all: refused', () => {
  const zip = archive('kwargs/kwargs.torch2.15.pt2');
  for (const inputs of [
    ['x', 'bias'],
    ['x', 'h', 'bias', 'more'],
    ['x', 'h', 'c'],
  ])
    expect(() => sampleInputs(zip, inputs)).toThrow(/not those of 'x'.*give samples as \.npy/s);
  const without: Zip = { ...zip, has: (name) => !name.includes('sample_inputs') && zip.has(name) };
  expect(hasSample(without)).toBe(false);
  expect(() => sampleInputs(without, ['x'])).toThrow(/without sample inputs/);
});
