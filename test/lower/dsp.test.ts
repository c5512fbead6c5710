/** Sums with DSP instructions are those of plain C, for all rows and on the chips that have them, and C takes them by itself. */
import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { must } from '../../src/base/errors.ts';
import { formFlags, usesMacro } from '../../src/emit/instruction-sets.ts';
import { emitC } from '../../src/emit/package.ts';
import { hull, type Interval } from '../../src/ir/kernel/interval.ts';
import { rowSumsIn, takesAll } from '../../src/ir/kernel/walk.ts';
import { termsOf } from '../../src/ir/kernel/weight-format.ts';
import { dspForm } from '../../src/lower/dsp.ts';
import { packed } from '../../src/lower/packed.ts';
import { variantsOf } from '../../src/lower/variants.ts';
import type { Program } from '../../src/program/program.ts';
import { decodeRows } from '../../src/program/rows.ts';
import { programOn, setsOf } from '../../src/program/variants.ts';
import { readWords } from '../../src/program/word-rows.ts';
import { type KernelFacts, prove } from '../../src/prove/prove.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { type BatchItem, runNativeBatch } from '../../src/targets/batch.ts';
import { runNative } from '../../src/targets/native.ts';
import { setsOn, type TargetName, targets } from '../../src/targets/targets.ts';
import { single } from '../support/ir.ts';
import { runs } from '../support/kernels.ts';
import { Reached } from '../support/reached.ts';
import { type SumRecipe, sumCase, sumInput, sumRecipes } from '../support/row-sums.ts';
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
const plainInfo = { command: '', version: '', hash: '', golden: [] } as const;
const infoOf = (program: Program) => ({ ...plainInfo, variants: variantsOf(program) });

/** Dense weights of 8 bits, mostly with the inputs of all rows in one place. */
const denseSums: fc.Arbitrary<SumRecipe> = fc
  .tuple(sumRecipes, fc.constantFrom(0, 0, 0, 0, 1))
  .map(([recipe, skip]) => ({
    ...recipe,
    ...{ bits: 8, kind: 'dense', shared: false, format: 0, skip },
    walk: recipe.walk === 'straight' ? 'runs' : recipe.walk,
    // Rare otherwise.
    ...(recipe.seed % 8 === 0
      ? { apart: 1, run: 5 + 4 * (recipe.run % 9), sums: 3, walk: 'runs', skip: 0 }
      : {}),
    ...(recipe.seed % 16 === 1 ? { run: 3 } : {}),
  }));

const aims = ['speed', 'balanced', 'tables'] as const;

/** What of the code a recipe reaches. */
function pathsOf(recipe: SumRecipe): readonly string[] {
  const { layout } = sumCase(recipe).stored;
  const places = layout.lanes > 1 || recipe.apart === 0 ? 1 : recipe.sums;
  return [
    layout.run % 4 === 0 ? 'whole words' : layout.run < 4 ? 'three inputs' : `${layout.run % 4} left`,
    places === 1 ? 'one place' : places % 2 === 0 ? 'pairs of places' : 'a place left',
    termsOf(layout) > 48 ? (layout.run > 32 ? 'loop along runs' : 'loop of runs') : 'straight',
    layout.lanes > 1 ? 'rows in turns' : `rows ${layout.rows % 3}`,
    ...(places > 1 && recipe.apart === 1 && layout.run % 4 === 1 ? ['neighbouring places'] : []),
  ];
}

/** Of all accumulators. */
function rangeOf({ ranges }: KernelFacts): Interval {
  const all = [...ranges].filter(([name]) => name.startsWith('acc')).map(([, range]) => range);
  return hull(all.flatMap(({ lo, hi }) => [lo, hi]));
}

test('random statements add what their definition says, without a trap, and are proved', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(denseSums, (recipe) => {
      const { kernel, stored, inputs, answer } = sumCase(recipe);
      const [aim, macs] = [aims[recipe.seed % 3], recipe.seed % 2 === 0 ? 0 : 1_000_000];
      const form = dspForm({ ...kernel, macs }, aim);
      expect(form !== undefined).toBe(
        recipe.run >= 3 && (recipe.skip === 0 || recipe.rows === 1 || recipe.walk === 'turns'),
      );
      if (form === undefined) {
        reached.add('plain');
        return;
      }
      const input = sumInput(recipe, inputs);
      expect(createSimulator(single(form.kernel), { mode: 'checked' }).run(input).output).toEqual(
        answer(input),
      );
      const facts = prove(form.kernel);
      expect(facts.unproven).toEqual([]);
      expect(readWords(form.kernel, stored.layout, form.words)).toEqual(decodeRows(kernel));
      // No order of the same sums goes farther.
      expect(rangeOf(facts)).toEqual(rangeOf(prove(kernel)));
      const isWide = recipe.seed % 2 === 1 && aim !== 'tables';
      reached.add(...pathsOf(recipe), isWide ? 'pairs of 16 bits' : 'bytes');
    }),
    runs(90),
  );
  reached.atLeast({
    ...{ plain: 1, 'whole words': 2, 'three inputs': 1, '1 left': 3, '2 left': 1, '3 left': 1 },
    ...{ 'pairs of 16 bits': 5, bytes: 10, 'neighbouring places': 1 },
    ...{ 'one place': 3, 'pairs of places': 2, 'a place left': 2 },
    ...{ 'loop along runs': 2, 'loop of runs': 2, straight: 2 },
    ...{ 'rows in turns': 2, 'rows 0': 1, 'rows 1': 1, 'rows 2': 1 },
  });
});

test('statements that take parts of rows are left as they are', () => {
  for (const recipe of fc.sample(denseSums, { numRuns: 20, seed: 4 })) {
    const { kernel } = sumCase({ ...recipe, parts: true });
    const isWhole = rowSumsIn(kernel.body).every(({ sum }) => takesAll(sum));
    const lowered = [dspForm(kernel), packed(kernel, { pixels: 1, pairs: 1, terms: 3 })];
    if (!isWhole) expect(lowered).toEqual([undefined, undefined]);
  }
});

test('the weights in words are read back, and none is anywhere else', () => {
  for (const [i, aim] of aims.entries()) {
    const { kernel, stored } = sumCase({
      ...must(fc.sample(denseSums, { numRuns: 1, seed: i })[0], 'one'),
      ...{ run: 6, skip: 0 },
    });
    const form = must(dspForm({ ...kernel, macs: 1_000_000 }, aim), 'a form');
    const table = must(
      form.kernel.tables.find(({ name }) => name === form.words.table),
      'its table',
    );
    const changed = (data: Int32Array) => ({
      ...form.kernel,
      tables: form.kernel.tables.map((one) => (one === table ? { ...table, data } : one)),
    });
    const read = (data: Int32Array) => readWords(changed(data), stored.layout, form.words);
    const data = Int32Array.from(table.data);
    for (let place = 0; place < data.length; place++) {
      const flipped = data.map((word, j) => (j === place ? word ^ 0x01000100 : word));
      let same = false;
      try {
        same = JSON.stringify(read(flipped)) === JSON.stringify(decodeRows(kernel));
      } catch (error) {
        expect(String(error)).toContain('where there is no weight');
      }
      expect(same).toBe(false);
    }
    expect(() => read(Int32Array.from([...data, 0]))).toThrow('words');
    expect(() => read(data.slice(1))).toThrow();
  }
});

/** One dense layer, with what the integer model gives for it. */
function itemOf(
  recipe: LayerRecipe,
  i: number,
): { readonly item: BatchItem; readonly output: readonly number[] } {
  const layer = layerOf(recipe);
  const program = programOf(layer, layer.kernel({}), `net${i}`);
  const files = emitC(program, infoOf(program));
  return {
    item: { program, files, inputs: [inMemory(layer.inputPlace, layer.input)] },
    output: [...inMemory(layer.outputPlace, layer.expected)],
  };
}

const image = { ...plainImage, channels: 6, kernel: [5, 5] } as const;
const fixed: readonly LayerRecipe[] = [
  { seed: 1, density: 1, bits: 8, inputs: 1, outputs: 16, image },
  { seed: 2, density: 1, bits: 8, inputs: 1, outputs: 8, image: { ...image, kernel: [1, 1], pooled: false } },
  { seed: 3, density: 1, bits: 8, inputs: 1, outputs: 8, image: { ...image, pad: 2, dilation: 2 } },
  { seed: 4, density: 1, bits: 8, inputs: 1, outputs: 12, image: { ...image, channels: 12, groups: 2 } },
  { seed: 5, density: 1, bits: 8, inputs: 47, outputs: 14 },
];
const items = [...fixed, ...fc.sample(layerRecipes, { numRuns: 40, seed: 20_261_121 })].map(itemOf);
const hasBoth = ({ item: { program } }: (typeof items)[number]): boolean =>
  setsOf(variantsOf(program)).has('dsp');

test('layers of every kind have a form with DSP instructions, whose bytes are those of the integer model', () => {
  expect(items.slice(0, fixed.length).map(hasBoth)).toEqual(fixed.map(() => true));
  expect(items.filter(hasBoth).length).toBeGreaterThan(20);
  for (const { item, output } of items) {
    const lowered = programOn(item.program, variantsOf(item.program), new Set(['dsp']));
    const ran = createSimulator(lowered, { mode: 'checked' }).run(item.inputs[0]!);
    expect([...ran.output]).toEqual(output);
  }
});

testWith(['gcc'])('the same kernels as plain C on the host, with sanitizers', async () => {
  const batch = items
    .filter(hasBoth)
    .slice(0, 12)
    .map(({ item: { program, inputs } }): BatchItem => {
      const lowered = programOn(program, variantsOf(program), new Set(['dsp']));
      return { program: lowered, files: emitC(lowered, plainInfo), inputs };
    });
  const ran = await runNativeBatch(batch, 'host-gcc', {});
  const both = items.filter(hasBoth);
  expect(ran.map(([outcome]) => [...outcome!.output])).toEqual(
    both.slice(0, ran.length).map(({ output }) => output),
  );
});

for (const chip of ['cortex-m4'] satisfies TargetName[])
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
  'it pays, unasked: a dense 5x5 convolution of 6 channels, and a linear layer',
  async () => {
    const instructions = async ({ item }: (typeof items)[number], form: 'DSP' | 'plain'): Promise<number> => {
      const ran = await runNative(item.program, item.files, 'cortex-m4', item.inputs, { form });
      return ran.kind === 'ran' ? ran.measures!.instructions!.total : Number.NaN;
    };
    for (const [i, share] of [
      [0, 0.55],
      [4, 0.7],
    ] as const)
      expect(await instructions(items[i]!, 'DSP')).toBeLessThan(
        share * (await instructions(items[i]!, 'plain')),
      );
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
    [...m4, ...formFlags(item.program, 'plain')],
    [...m4, '-mno-unaligned-access'],
    [...m4, '-mbig-endian'],
    ['-mcpu=cortex-m3', '-mthumb'],
    ['-mcpu=cortex-m0', '-mthumb'],
    ['-mcpu=cortex-m33+nodsp', '-mthumb', '-mfloat-abi=soft'],
    // The old DSP multiplications, none of two products.
    ['-march=armv5te', '-marm', '-mfloat-abi=soft'],
  ])
    expect(sums(...plain)).toBe(0);
  expect(setsOn(targets['cortex-m0'])).not.toContain('dsp');
  expect(setsOn(targets['cortex-m7'])).toEqual(['dsp']);
  expect(setsOn(targets['cortex-m55'])).toEqual(['mve', 'dsp']);
});

testWith(['arm-none-eabi-gcc'])('older compilers, and headers that are missing, do not matter', () => {
  const old = (text: string) => text.replaceAll('__has_builtin', '__had_builtin');
  expect(dualSums('arm-none-eabi-gcc', ['-mcpu=cortex-m4', '-mthumb', '-mfloat-abi=soft'], old)).toBe(0);
  for (const { item } of items) {
    const text = item.files.get(`${item.program.name}.c`)!;
    expect(text).not.toMatch(/#include <(?!stddef|stdint|string|arm_mve)/);
    expect(text.includes(usesMacro(item.program, 'dsp'))).toBe(setsOf(variantsOf(item.program)).has('dsp'));
  }
});

testWith(['arm-none-eabi-gcc'])(
  'four neighbouring bytes are one load, and are taken apart once for all rows',
  () => {
    const [{ item }] = items as [(typeof items)[number]];
    const text = spawnSync(
      'arm-none-eabi-gcc',
      ['-mcpu=cortex-m4', '-mthumb', '-O3', '-fno-schedule-insns', '-xc', '-S', '-o', '-', '-'],
      {
        input:
          `${item.files.get(`${item.program.name}.h`)!}${item.files.get(`${item.program.name}.c`)!}`.replace(
            `#include "${item.program.name}.h"`,
            '',
          ),
        encoding: 'utf8',
      },
    ).stdout;
    const count = (instruction: string) =>
      [...text.matchAll(new RegExp(`^\\s*${instruction}\\s`, 'gm'))].length;
    expect(count('smlad') / count('uxtb16')).toBeGreaterThan(1.8);
    expect(count('ldrb')).toBeLessThan(0.2 * count('smlad'));
  },
);

testWith(['clang'])('clang has them where it may load words from any address', () => {
  const clang = (flag: string) => {
    const m4 = ['--target=arm-none-eabi', '-ffreestanding', '-mcpu=cortex-m4', '-mfloat-abi=soft'];
    return dualSums('clang', [...m4, flag]);
  };
  expect(clang('-munaligned-access')).toBeGreaterThan(0);
  expect(clang('-mno-unaligned-access')).toBe(0);
});
