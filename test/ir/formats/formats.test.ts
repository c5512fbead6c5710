import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatName } from '../../../src/ir/formats/format.ts';
import { fits } from '../../../src/ir/formats/index.ts';
import { prove } from '../../../src/passes/prove.ts';
import { createSimulator } from '../../../src/sim/simulate.ts';
import { allFormats, inMemory, layerOf, layerRecipes, programOf } from '../../support/stored-layers.ts';

const cases = fc.record({ recipe: layerRecipes, format: fc.constantFrom(...allFormats) });

test('every format computes what the dense weights say, proven free of traps and reads beyond its tables', () => {
  fc.assert(
    fc.property(cases, ({ recipe, format }) => {
      const layer = layerOf(recipe);
      const dense = layer.kernel({});
      fc.pre(fits(dense.weights!.layout, 2 ** (recipe.bits - 1) - 1, format, false));
      const kernel = layer.kernel({ format });
      const simulator = createSimulator(programOf(layer, kernel), { mode: 'checked' });
      const { output } = simulator.run(inMemory(layer.inputPlace, layer.input));
      expect([...output], formatName(format)).toEqual([...inMemory(layer.outputPlace, layer.expected)]);
      expect(prove(kernel).unproven.map(({ why }) => why)).toEqual([]);
    }),
    { numRuns: 400 },
  );
});
