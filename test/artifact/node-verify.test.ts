/** On chips with DSP instructions both forms of the C are compared, each with what it did. */
import { expect, test } from 'vitest';
import { verifyArtifact } from '../../src/artifact/node-verify.ts';
import { emitC } from '../../src/emit/package.ts';
import { variantsOf } from '../../src/lower/variants.ts';
import { inMemory, layerOf, plainImage, programOf } from '../support/stored-layers.ts';
import { testWith } from '../support/toolchain.ts';

const info = { command: '', version: '', hash: '', golden: [] } as const;
const image = { ...plainImage, channels: 6, kernel: [5, 5] } as const;
const layer = layerOf({ seed: 1, density: 1, bits: 8, inputs: 1, outputs: 16, image });
const program = programOf(layer, layer.kernel({}));
const withForms = { ...info, variants: variantsOf(program) };
const sources = emitC(program, withForms);
const inputs = [inMemory(layer.inputPlace, layer.input)];
const arm = ['gcc', 'arm-none-eabi-gcc', 'qemu-system-arm'];

const edited = (from: string, to: string): ReadonlyMap<string, string> =>
  new Map([...sources, ['net.c', sources.get('net.c')!.replaceAll(from, to)]]);

testWith(arm)('a row for each form, where the chip has two', async () => {
  const targets = ['host-gcc', 'cortex-m3', 'cortex-m4', 'cortex-m33'] as const;
  const apart = emitC(program, { ...withForms, weightsFile: true });
  const { rows } = await verifyArtifact({ program, sources: apart }, { inputs, targets });
  expect(rows.map(({ target, form, status }) => [target, form, status])).toEqual([
    ['host-gcc', undefined, 'equal'],
    ['cortex-m3', undefined, 'equal'],
    ['cortex-m4', 'DSP', 'equal'],
    ['cortex-m4', 'plain', 'equal'],
    ['cortex-m33', 'DSP', 'equal'],
    ['cortex-m33', 'plain', 'equal'],
  ]);
  const [, , dsp, plain] = rows.map(({ instructions }) => instructions ?? Number.NaN);
  expect(dsp).toBeLessThan(plain!);
});

testWith(arm)('a fault of one form is found in that form', async () => {
  const statuses = async (text: ReadonlyMap<string, string>) => {
    const { rows } = await verifyArtifact({ program, sources: text }, { inputs, targets: ['cortex-m4'] });
    return rows.map(({ form, status }) => `${form}: ${status}`);
  };
  expect(await statuses(edited('smlad', 'smladx'))).toEqual(['DSP: differs', 'plain: equal']);
  expect(await statuses(edited('px[2] * w2', 'px[2] * w1'))).toEqual(['DSP: equal', 'plain: differs']);
});

test('where nothing is summed two products at a time there is one form', async () => {
  const linear = layerOf({ seed: 1, density: 1, bits: 8, inputs: 2, outputs: 4 });
  const p = programOf(linear, linear.kernel({}));
  const { rows } = await verifyArtifact(
    { program: p, sources: emitC(p, { ...info, variants: variantsOf(p) }) },
    { inputs: [inMemory(linear.inputPlace, linear.input)], targets: ['cortex-m4'] },
  );
  expect(rows.map(({ form }) => form)).toEqual([undefined]);
});

testWith(arm)('a form that is asked for is the only one', async () => {
  const only = { inputs, targets: ['cortex-m4'], form: 'plain' } as const;
  const { rows } = await verifyArtifact({ program, sources }, only);
  expect(rows.map(({ form, status }) => [form, status])).toEqual([['plain', 'equal']]);
});
