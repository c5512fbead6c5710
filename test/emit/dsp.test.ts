/** The sums with DSP instructions are those of plain C, on the chips that have them, and C takes them by itself. */
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dspMacro, dspSites, noDspMacro, usesDsp } from '../../src/emit/dsp.ts';
import { emitC } from '../../src/emit/package.ts';
import type { RowSum } from '../../src/ir/kernel/kernel.ts';
import { rewritten } from '../../src/ir/kernel/walk.ts';
import { type BatchItem, runNativeBatch } from '../../src/targets/batch.ts';
import { runNative } from '../../src/targets/native.ts';
import { setsOn, type TargetName, targets } from '../../src/targets/targets.ts';
import {
  inMemory,
  type LayerRecipe,
  layerOf,
  layerRecipes,
  plainImage,
  programOf,
} from '../support/stored-layers.ts';
import { testWith } from '../support/toolchain.ts';

/** In place of the headers of a C library, which clang has not for chips. */
const declared = '#include <stddef.h>\nvoid *memcpy(void *, const void *, size_t);\n';
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
const hasBoth = ({ item: { program, files } }: (typeof items)[number]): boolean =>
  files.get(`${program.name}.c`)!.includes(`#ifdef ${dspMacro(program)}\n`);

test('runs of four and more neighbours are summed two products at a time, in every kind of convolution', () => {
  expect(items.slice(0, fixed.length).map(hasBoth)).toEqual([true, true, true, true]);
  expect(items.filter(hasBoth).length).toBeGreaterThan(20);
  expect(items.map(({ item: { program } }) => usesDsp(program))).toEqual(items.map(hasBoth));
});

test('weights of several rows that lie between each other are no neighbours', () => {
  const { weights } = layerOf({ seed: 5, density: 1, bits: 8, inputs: 24, outputs: 8 }).kernel({});
  expect(weights).toMatchObject({ layout: { lanes: 4, run: 24 }, format: { kind: 'dense', bits: 8 } });
  const kernels = [8, 6, 4, 3].map((outputs) =>
    layerOf({ seed: 5, density: 1, bits: 8, inputs: 24, outputs }).kernel({}),
  );
  for (const kernel of kernels) expect(dspSites(kernel, (name) => name)).toEqual([]);
});

test('sums that begin in front of the first stay plain', () => {
  const kernel = layerOf(fixed[0]!).kernel({});
  const sitesWhen = (by: number) => {
    const moved = ({ sums, ...rest }: RowSum): RowSum => ({
      ...rest,
      sums: sums.map((term, i) => (i === 0 ? term : { ...term, offset: by })),
    });
    const body = rewritten(kernel.body, (s) => (s.kind === 'rowSum' ? [moved(s)] : undefined));
    return dspSites({ ...kernel, body }, (name) => name).length;
  };
  expect(sitesWhen(0)).toBe(1);
  expect(sitesWhen(1)).toBe(1);
  expect(sitesWhen(-1)).toBe(0);
});

for (const chip of ['cortex-m4', 'cortex-m33'] satisfies TargetName[])
  testWith(['arm-none-eabi-gcc', 'qemu-system-arm'])(
    `${chip}: the integer model's bytes, and the same of plain C`,
    async () => {
      for (const form of ['DSP', 'plain'] as const) {
        const batch = items.map(({ item }) => item);
        const ran = await runNativeBatch(batch, chip, { form, checksums: true });
        expect(ran.map(([outcome]) => [...outcome!.output])).toEqual(items.map(({ output }) => output));
      }
    },
    120_000,
  );

testWith(['arm-none-eabi-gcc', 'qemu-system-arm'])(
  'it pays, unasked: a dense 5x5 convolution of 6 channels',
  async () => {
    const [{ item }] = items as [(typeof items)[number]];
    const instructions = async (form: 'DSP' | 'plain'): Promise<number> => {
      const ran = await runNative(item.program, item.files, 'cortex-m4', item.inputs, { form });
      return ran.kind === 'ran' ? ran.measures!.instructions!.total : Number.NaN;
    };
    expect(await instructions('DSP')).toBeLessThan(0.72 * (await instructions('plain')));
  },
);

/** How often the assembly of the first layer's C has the instruction that sums two products. */
function dualSums(
  compiler: string,
  flags: readonly string[],
  edited = (text: string): string => text,
): number {
  const [{ item }] = items as [(typeof items)[number]];
  const { name } = item.program;
  const text = `${item.files.get(`${name}.h`)!}${item.files.get(`${name}.c`)!}`
    .replace(`#include "${name}.h"`, '')
    .replaceAll('#include <string.h>', declared);
  const ran = spawnSync(compiler, [...flags, '-std=c99', '-O2', '-xc', '-S', '-o', '-', '-'], {
    input: edited(text),
    encoding: 'utf8',
  });
  expect(ran.stderr).toBe('');
  return [...ran.stdout.matchAll(/^\s*smlad\s/gm)].length;
}

testWith(['arm-none-eabi-gcc'])('the compiler decides by the chip, and the macro against it', () => {
  const [{ item }] = items as [(typeof items)[number]];
  const sums = (...flags: readonly string[]) => dualSums('arm-none-eabi-gcc', flags);
  for (const chip of ['m4', 'm7', 'm33', 'm55'])
    expect(sums(`-mcpu=cortex-${chip}`, '-mthumb', '-mfloat-abi=soft')).toBeGreaterThan(0);
  const m4 = ['-mcpu=cortex-m4', '-mthumb', '-mfloat-abi=soft'];
  for (const plain of [
    [...m4, `-D${noDspMacro(item.program)}`],
    [...m4, '-mno-unaligned-access'],
    [...m4, '-mbig-endian'],
    ['-mcpu=cortex-m3', '-mthumb'],
    ['-mcpu=cortex-m0', '-mthumb'],
    ['-mcpu=cortex-m33+nodsp', '-mthumb', '-mfloat-abi=soft'],
    // The old DSP multiplications, none of two products.
    ['-march=armv5te', '-marm', '-mfloat-abi=soft'],
  ])
    expect(sums(...plain)).toBe(0);
  expect(setsOn(targets['cortex-m0'])).toEqual([]);
  expect(setsOn(targets['cortex-m7'])).toEqual(['dsp']);
  expect(setsOn(targets['cortex-m55'])).toEqual(['mve', 'dsp']);
});

testWith(['arm-none-eabi-gcc'])('older compilers, and headers that are missing, do not matter', () => {
  const old = (text: string) => text.replaceAll('__has_builtin', '__had_builtin');
  expect(dualSums('arm-none-eabi-gcc', ['-mcpu=cortex-m4', '-mthumb', '-mfloat-abi=soft'], old)).toBe(0);
  for (const { item } of items)
    expect(item.files.get(`${item.program.name}.c`)).not.toMatch(/#include <(?!stddef|stdint|string)/);
});

testWith(['clang'])('clang has them where it may load words from any address', () => {
  const clang = (flag: string) => {
    const m4 = ['--target=arm-none-eabi', '-ffreestanding', '-mcpu=cortex-m4', '-mfloat-abi=soft'];
    return dualSums('clang', [...m4, flag]);
  };
  expect(clang('-munaligned-access')).toBeGreaterThan(0);
  expect(clang('-mno-unaligned-access')).toBe(0);
});
