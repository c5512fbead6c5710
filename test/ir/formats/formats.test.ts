/** Every storage format against the integer model, under C's rules, proven, and read back. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { DefectError } from '../../../src/base/errors.ts';
import { fits } from '../../../src/ir/formats/index.ts';
import { entriesOf } from '../../../src/ir/formats/nonzeros.ts';
import type { StoredWeights } from '../../../src/ir/kernel/kernel.ts';
import { dense8, formatName } from '../../../src/ir/kernel/weight-format.ts';
import { overlapOf } from '../../../src/plan/overlap.ts';
import { decodeRows } from '../../../src/program/rows.ts';
import { prove } from '../../../src/prove/prove.ts';
import { createSimulator } from '../../../src/sim/simulate.ts';
import { runsOf } from '../../support/seeds.ts';
import {
  allFormats,
  codebookFor,
  inMemory,
  type Layer,
  type LayerRecipe,
  layerOf,
  layerRecipes,
  programOf,
} from '../../support/stored-layers.ts';

const cases = fc.record({
  recipe: layerRecipes,
  format: fc.constantFrom(...allFormats),
  lanes: fc.constantFrom(4 as const, 8 as const),
  coded: fc.boolean(),
});

const changesOf = ({ format, lanes, coded }: ReturnType<typeof drawn>, layer: Layer) => {
  const codebook = coded ? codebookFor(layer.mac.weights) : undefined;
  return { format, lanes, ...(codebook === undefined ? {} : { codebook }) };
};
const drawn = (): typeof cases extends fc.Arbitrary<infer T> ? T : never => fc.sample(cases, 1)[0]!;

const layoutOf = (layer: Layer) => layer.kernel({}).weights!.layout;
const largest = (weights: Int8Array): number => weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);

function outputOf(layer: Layer, changes: Parameters<Layer['kernel']>[0]): number[] {
  const kernel = layer.kernel(changes);
  const simulator = createSimulator(programOf(layer, kernel), { mode: 'checked' });
  return [...simulator.run(inMemory(layer.inputPlace, layer.input)).output];
}

test('every format computes what its weights say, without a trap, proven, and in a known order', () => {
  fc.assert(
    fc.property(cases, (drawnCase) => {
      const layer = layerOf(drawnCase.recipe);
      const changes = changesOf(drawnCase, layer);
      const { weights } = layer.mac;
      fc.pre(fits(layoutOf(layer), largest(weights), changes.format, changes.codebook));
      expect(outputOf(layer, changes)).toEqual([...inMemory(layer.outputPlace, layer.expected)]);
      const kernel = layer.kernel(changes);
      const { unproven, complete } = prove(kernel);
      expect(unproven.map(({ why }) => why)).toEqual([]);
      expect(complete).toBe(true);
      expect(overlapOf(kernel)).toBeDefined();
    }),
    { numRuns: runsOf(150) },
  );
});

/** Rows in the order of memory, from the weights in their own. */
function rowsInMemory({ mac, inputPlace }: Layer, { layout }: StoredWeights): number[][] {
  const terms = mac.weights.length / layout.rows;
  const depth = (layout.pieces * layout.run) / kernelWidth(inputPlace.shape, layout);
  const taps = terms / depth;
  return Array.from({ length: layout.rows }, (_, row) =>
    Array.from({ length: terms }, (_, t) => {
      const own = inputPlace.shape.length === 2 ? t : (t % depth) * taps + Math.floor(t / depth);
      return mac.weights[row * terms + own]!;
    }),
  );
}
/** Columns of the window; a linear layer has one term at each. */
const kernelWidth = (shape: readonly number[], { pieces, run }: StoredWeights['layout']): number => {
  if (shape.length === 2) return run;
  return pieces > 1 ? pieces : run / Math.min(run, Math.max(1, shape[1]!));
};

test('what is stored can be read back, weight by weight', () => {
  fc.assert(
    fc.property(cases, (drawnCase) => {
      fc.pre((drawnCase.recipe.image?.groups ?? 1) === 1);
      const layer = layerOf(drawnCase.recipe);
      const changes = changesOf(drawnCase, layer);
      fc.pre(fits(layoutOf(layer), largest(layer.mac.weights), changes.format, changes.codebook));
      const kernel = layer.kernel(changes);
      expect(decodeRows(kernel).map((row) => [...row])).toEqual(rowsInMemory(layer, kernel.weights!));
    }),
    { numRuns: runsOf(300) },
  );
});

const image = {
  channels: 3,
  height: 9,
  width: 70,
  kernel: [3, 3],
  stride: 1,
  dilation: 1,
  pad: 1,
  pooled: true,
  groups: 1,
} as const;
const linear: LayerRecipe = { seed: 5, density: 0.3, bits: 2, inputs: 700, outputs: 7 };

test.each([
  ['a linear layer of zeros', { ...linear, density: 0 }],
  ['gaps beyond every distance', { ...linear, density: 0.002 }],
  ['full rows, of more entries than a byte can count', { ...linear, density: 1, inputs: 280 }],
  ['one input', { ...linear, density: 1, inputs: 1 }],
  ['one weight', { ...linear, density: 1, inputs: 1, outputs: 1 }],
  ['padding and pooling', { ...linear, image }],
  ['a convolution of zeros', { ...linear, density: 0, image }],
  [
    'rows of the image farther apart than 255',
    { ...linear, density: 0.2, image: { ...image, pad: 0, width: 200 } },
  ],
  ['1x1', { ...linear, image: { ...image, kernel: [1, 1], pooled: false, pad: 0 } }],
  ['depthwise', { ...linear, image: { ...image, groups: 3 } }],
  ['groups', { ...linear, image: { ...image, channels: 4, groups: 2, dilation: 2 } }],
] as const satisfies readonly (readonly [string, LayerRecipe])[])('%s, in every format', (_, recipe) => {
  const layer = layerOf(recipe);
  const expected = [...inMemory(layer.outputPlace, layer.expected)];
  for (const format of allFormats) {
    if (!fits(layoutOf(layer), largest(layer.mac.weights), format, undefined)) continue;
    for (const lanes of [4, 8] as const)
      expect(outputOf(layer, { format, lanes }), formatName(format)).toEqual(expected);
  }
});

test('entries hold every nonzero where it is, bridge long distances with zeros, and never go back', () => {
  const terms = fc.array(fc.constantFrom(0, 0, 0, 0, 5, -7), { minLength: 4, maxLength: 60 });
  const limits = fc.record({
    width: fc.constantFrom(1, 2, 4),
    largestDelta: fc.integer({ min: 1, max: 20 }),
  });
  fc.assert(
    fc.property(terms, limits, fc.integer({ min: 1, max: 9 }), (values, limit, stride) => {
      // Blocks need neighbours; single entries may lie anywhere.
      const offsets = values.map((_, i) => i * (limit.width === 1 ? stride : 1));
      const found = new Map<number, number>();
      let at = 0;
      for (const { delta, values: block } of entriesOf(values, offsets, limit)) {
        expect(delta).toBeGreaterThanOrEqual(0);
        expect(delta).toBeLessThanOrEqual(limit.largestDelta);
        expect(block).toHaveLength(limit.width);
        at += delta;
        block.forEach((value, i) => {
          if (value === 0) return;
          expect(found.has(at + i)).toBe(false);
          found.set(at + i, value);
        });
        expect(at + limit.width - 1).toBeLessThanOrEqual(offsets.at(-1)!);
      }
      expect([...found]).toEqual(values.flatMap((v, i) => (v === 0 ? [] : [[offsets[i], v]])));
    }),
  );
});

test('weights that a format cannot hold are a defect, never stored wrongly', () => {
  const layer = layerOf({ ...linear, bits: 8 });
  const rel4 = { kind: 'rel', bits: 4, unroll: 1, segmented: false } as const;
  expect(() => layer.kernel({ format: rel4 })).toThrow(DefectError);
  expect(() => layer.kernel({ format: rel4 })).toThrow(/does not fit 4 bits/);
  const book = new Int8Array(16).fill(1);
  expect(() => layer.kernel({ format: rel4, codebook: book })).toThrow(/is not in the codebook/);
  const block = { kind: 'block', width: 4, unroll: 1, segmented: true } as const;
  expect(() => layerOf({ ...linear, inputs: 3 }).kernel({ format: block })).toThrow(/blocks of 4/);
});

test('names tell all formats apart', () => {
  expect(new Set(allFormats.map((f) => formatName(f))).size).toBe(allFormats.length);
  expect(formatName(dense8)).toBe('dense8');
});
