/** The sums with DSP instructions are those of the portable C, on the chips that have them. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dspMacro } from '../../src/emit/dsp.ts';
import { emitC } from '../../src/emit/emit.ts';
import { runNative } from '../../src/emit/native.ts';
import { type BatchItem, runNativeBatch } from '../../src/emit/native-batch.ts';
import { hasDsp, type TargetName, targets } from '../../src/emit/native-targets.ts';
import {
  inMemory,
  type LayerRecipe,
  layerOf,
  layerRecipes,
  plainImage,
  programOf,
} from '../support/stored-layers.ts';
import { testWith } from '../support/toolchain.ts';

const info = { command: '', version: '', hash: '', golden: [] } as const;

/** One dense layer, with what the integer model gives for it. */
function itemOf(
  recipe: LayerRecipe,
  i: number,
): { readonly item: BatchItem; readonly output: readonly number[] } {
  const layer = layerOf(recipe);
  const program = programOf(layer, layer.kernel({}), `net${i}`);
  return {
    item: { program, files: emitC(program, info), inputs: [inMemory(layer.inputPlace, layer.input)] },
    output: [...inMemory(layer.outputPlace, layer.expected)],
  };
}

const image = { ...plainImage, channels: 6, kernel: [5, 5] } as const;
const fixed: readonly LayerRecipe[] = [
  { seed: 1, density: 1, bits: 8, inputs: 1, outputs: 16, image },
  { seed: 2, density: 1, bits: 8, inputs: 1, outputs: 8, image: { ...image, kernel: [1, 1], pooled: false } },
  { seed: 3, density: 1, bits: 8, inputs: 1, outputs: 8, image: { ...image, pad: 2, dilation: 2 } },
  { seed: 4, density: 1, bits: 8, inputs: 1, outputs: 12, image: { ...image, channels: 12, groups: 2 } },
];
const convolutions = layerRecipes.filter(({ image: i }) => i !== undefined);
const items = [...fixed, ...fc.sample(convolutions, { numRuns: 60, seed: 20_261_121 })].map(itemOf);
const isFaster = ({ item: { program, files } }: (typeof items)[number]): boolean =>
  files.get(`${program.name}.c`)!.includes(`#ifdef ${dspMacro(program)}\n`);

test('runs of four and more neighbours are summed two products at a time, in every kind of convolution', () => {
  expect(items.slice(0, fixed.length).map(isFaster)).toEqual([true, true, true, true]);
  expect(items.filter(isFaster).length).toBeGreaterThan(20);
});

for (const chip of ['cortex-m4', 'cortex-m33'] satisfies TargetName[])
  testWith(['arm-none-eabi-gcc', 'qemu-system-arm'])(
    `${chip}: the integer model's bytes`,
    async () => {
      const ran = await runNativeBatch(
        items.map(({ item }) => item),
        chip,
        { dsp: true, checksums: true },
      );
      expect(ran.map(([outcome]) => [...outcome!.output])).toEqual(items.map(({ output }) => output));
    },
    120_000,
  );

testWith(['arm-none-eabi-gcc', 'qemu-system-arm'])(
  'it pays: a dense 5x5 convolution of 6 channels',
  async () => {
    const [{ item }] = items as [(typeof items)[number]];
    const instructions = async (dsp: boolean): Promise<number> => {
      const ran = await runNative(item.program, item.files, 'cortex-m4', item.inputs, { dsp });
      return ran.kind === 'ran' ? ran.measures!.instructions.total : Number.NaN;
    };
    expect(await instructions(true)).toBeLessThan(0.72 * (await instructions(false)));
  },
);

testWith(['arm-none-eabi-gcc'])('a chip without them refuses the macro, and is not given it', async () => {
  expect(hasDsp(targets['cortex-m0'])).toBe(false);
  expect(hasDsp(targets['cortex-m55'])).toBe(true);
  const [{ item }] = items as [(typeof items)[number]];
  const source = `${item.program.name}.c`;
  const defined = `#define ${dspMacro(item.program)}\n${item.files.get(source)!}`;
  const files = new Map([...item.files, [source, defined]]);
  await expect(runNative(item.program, files, 'cortex-m3', item.inputs)).rejects.toThrow(
    /this chip has no DSP instructions/,
  );
});
