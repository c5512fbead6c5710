/** The model of machine code against its laws, and against the compiler on chips. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { modelledCode } from '../../src/cost/size.ts';
import { costTargets } from '../../src/cost/speed.ts';
import { gccFlags } from '../../src/emit/flags.ts';
import { formFlags } from '../../src/emit/instruction-sets.ts';
import { emitC } from '../../src/emit/package.ts';
import { fits } from '../../src/ir/formats/index.ts';
import { compileC99, functionsOf } from '../../src/targets/link.ts';
import { inFolder, writeAll } from '../../src/targets/native.ts';
import { targets } from '../../src/targets/targets.ts';
import { allFormats, layerOf, layerRecipes, plainImage, programOf } from '../support/stored-layers.ts';
import { crossTools, testWith } from '../support/toolchain.ts';

test('a statement more is never fewer bytes, and how often it runs does not count', () => {
  fc.assert(
    fc.property(layerRecipes, fc.constantFrom(...costTargets), (recipe, target) => {
      const kernel = layerOf(recipe).kernel({});
      const bytes = modelledCode(kernel, target);
      expect(bytes).toBeGreaterThan(20);
      const twice = { ...kernel, body: [...kernel.body, ...kernel.body] };
      expect(modelledCode(twice, target)).toBeGreaterThan(bytes);
      const often = kernel.body.map((s) => (s.kind === 'for' ? { ...s, to: { ...s.to, value: 200 } } : s));
      if (kernel.body.every((s) => s.kind !== 'for' || s.to.kind === 'int'))
        expect(modelledCode({ ...kernel, body: often as typeof kernel.body }, target)).toBe(bytes);
    }),
    { numRuns: 60 },
  );
});

const image = { ...plainImage, channels: 4, height: 9 } as const;

for (const target of ['cortex-m0', 'cortex-m4', 'rv32imc'] as const)
  testWith(crossTools)(`${target}: within a third of gcc's code at -Os, in a spread of formats`, async () => {
    const layers = [
      layerOf({ seed: 1, density: 0.3, bits: 2, inputs: 64, outputs: 9 }),
      layerOf({ seed: 2, density: 0.3, bits: 2, inputs: 1, outputs: 6, image }),
    ];
    const programs = layers.flatMap((layer, l) => {
      const { layout } = layer.kernel({}).weights!;
      return allFormats
        .filter((format, f) => f % 4 === 0 && fits(layout, 1, format, undefined))
        .map((format, f) => programOf(layer, layer.kernel({ format }), `net${l}_${f}`));
    });
    await inFolder(async (folder) => {
      const build = { target: targets[target], folder, opt: '-Os', sanitize: false };
      for (const program of programs)
        await writeAll(folder, [...emitC(program, { command: '', version: '', hash: '', golden: [] })]);
      // One unit: most of a small file's time is the compiler's start.
      await writeAll(folder, [['all.c', programs.map(({ name }) => `#include "${name}.c"\n`).join('')]]);
      await compileC99(
        build,
        ['all.c'],
        [...gccFlags(programs[0]!), ...programs.flatMap((program) => formFlags(program, 'plain'))], // the model is of plain C
      );
      const sizes = await functionsOf(build, 'all.o');
      for (const { name, steps } of programs) {
        const { kernel } = steps[0]!;
        const real = sizes.get(`${name}_${kernel.name}`)!;
        // Measured on these: 28 % at most.
        expect(Math.abs(modelledCode(kernel, target) / real - 1), `${name}: ${real}`).toBeLessThan(0.33);
      }
    });
  });
