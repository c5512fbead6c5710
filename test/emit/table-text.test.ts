/** A reader of the C finds every weight, by the comments above the tables and nothing else. */
import { expect, test } from 'vitest';
import { emitC } from '../../src/emit/package.ts';
import { isCoded } from '../../src/ir/formats/codes.ts';
import { fits } from '../../src/ir/formats/index.ts';
import { formatName } from '../../src/ir/kernel/weight-format.ts';
import { decodeRows } from '../../src/program/rows.ts';
import { readWeights, tablesIn, weightsTable } from '../oracles/c-weights.ts';
import {
  allFormats,
  codebookFor,
  type LayerRecipe,
  layerOf,
  plainImage,
  programOf,
} from '../support/stored-layers.ts';

const info = { command: '', version: '', hash: '', golden: [] };

const recipes: readonly LayerRecipe[] = [
  { seed: 1, density: 0.3, bits: 2, inputs: 70, outputs: 7 },
  { seed: 3, density: 0.4, bits: 2, inputs: 1, outputs: 6, image: plainImage },
  { seed: 4, density: 0.2, bits: 8, inputs: 1, outputs: 5, image: { ...plainImage, dilation: 2 } },
  { seed: 8, density: 0.4, bits: 8, inputs: 1, outputs: 6, image: { ...plainImage, channels: 4, groups: 2 } },
  { seed: 5, density: 0.3, bits: 8, shared: 16, inputs: 90, outputs: 6 },
];

test('every format, on layers of all kinds', () => {
  const read = new Set<string>();
  for (const recipe of recipes) {
    const layer = layerOf(recipe);
    const { layout } = layer.kernel({}).weights!;
    const codebook = recipe.shared === undefined ? undefined : codebookFor(layer.mac.weights)!;
    const largest = layer.mac.weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
    for (const format of allFormats) {
      if (!fits(layout, codebook === undefined ? largest : 127, format, codebook)) continue;
      if (codebook !== undefined && !('bits' in format && isCoded(format.bits, codebook))) continue;
      const kernel = layer.kernel({ format, ...(codebook === undefined ? {} : { codebook }) });
      const text = emitC(programOf(layer, kernel), info).get('net.c')!;
      const tables = tablesIn(text);
      const found = readWeights(tables, weightsTable(tables));
      const name = formatName(format, codebook !== undefined);
      expect(found, name).toEqual(decodeRows(kernel).map((row) => [...row]));
      read.add(name);
    }
  }
  expect(read.size).toBeGreaterThan(30);
});
