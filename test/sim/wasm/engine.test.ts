/** The engine's bytes are the simulator's: here for any Kernel IR; for networks it is one of the laws. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import { fits } from '../../../src/ir/formats/index.ts';
import type { RowSum } from '../../../src/ir/kernel/kernel.ts';
import { rewritten } from '../../../src/ir/kernel/walk.ts';
import type { Program } from '../../../src/program/program.ts';
import { createSimulator } from '../../../src/sim/simulate.ts';
import { Trap } from '../../../src/sim/trap.ts';
import { bestInstructions, createEngine } from '../../../src/sim/wasm/engine.ts';
import { vectorPlanOf } from '../../../src/sim/wasm/plan.ts';
import * as ir from '../../support/ir.ts';
import { inputs, kernels, runs } from '../../support/kernels.ts';
import {
  allFormats,
  codebookFor,
  inMemory,
  type LayerRecipe,
  layerOf,
  layerRecipes,
  plainImage,
  programOf,
} from '../../support/stored-layers.ts';

/** The outcome under C's rules, or undefined where C does not say what happens. */
function defined(p: Program, input: Uint8Array) {
  try {
    return createSimulator(p, { mode: 'checked' }).run(input, { keepArenas: true });
  } catch (error) {
    if (error instanceof Trap) return undefined;
    throw error;
  }
}

test('random kernels leave the same arenas', () => {
  let compared = 0;
  fc.assert(
    fc.property(kernels(), inputs(), (k, input) => {
      const p = ir.single(k);
      const outcome = defined(p, input);
      if (outcome === undefined) return;
      compared++;
      expect(createEngine(p, 'wasm').run(input, { keepArenas: true })).toEqual(outcome);
      expect(createEngine(p, 'wasm-simd').run(input, { keepArenas: true })).toEqual(outcome);
    }),
    runs(1000),
  );
  expect(compared).toBeGreaterThan(200);
});

const layers = fc.record({
  recipe: fc.tuple(layerRecipes, fc.integer({ min: 1, max: 80 })).map(([r, outputs]) => ({ ...r, outputs })),
  format: fc.constantFrom(...allFormats),
  lanes: fc.constantFrom(4 as const, 8 as const),
  coded: fc.boolean(),
});

test('layers in every format: vectors give what the integer model gives, wherever rows share their inputs', () => {
  let replaced = 0;
  fc.assert(
    fc.property(layers, ({ recipe, format, lanes, coded }) => {
      const layer = layerOf(recipe);
      const codebook = coded ? codebookFor(layer.mac.weights) : undefined;
      const largest = layer.mac.weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
      const { layout } = layer.kernel({}).weights!;
      fc.pre(fits(layout, largest, format, codebook));
      const kernel = layer.kernel({ format, lanes, ...(codebook === undefined ? {} : { codebook }) });
      const { output } = createEngine(programOf(layer, kernel), 'wasm-simd').run(
        inMemory(layer.inputPlace, layer.input),
      );
      expect([...output]).toEqual([...inMemory(layer.outputPlace, layer.expected)]);
      // A loop over fewer rows than a vector has is not entered, but planned.
      const { groups = 1, channels = 1 } = recipe.image ?? {};
      const apart = groups > 1 && groups < channels;
      expect(vectorPlanOf(kernel) === undefined).toBe(apart);
      replaced += apart ? 0 : 1;
    }),
    runs(150),
  );
  expect(replaced).toBeGreaterThan(50);
});

test('dense depthwise layers: the rows left over after whole vectors have their own weights', () => {
  const isDepthwise = ({ image }: LayerRecipe) => image !== undefined && image.groups === image.channels;
  const dense = fc.constantFrom(8 as const, 4 as const, 2 as const);
  let leftOver = 0;
  fc.assert(
    fc.property(layerRecipes.filter(isDepthwise), dense, (drawn, bits) => {
      const recipe = { ...drawn, density: 1, bits };
      const layer = layerOf(recipe);
      const program = programOf(layer, layer.kernel({ format: { kind: 'dense', bits } }));
      const { output } = createEngine(program, 'wasm-simd').run(inMemory(layer.inputPlace, layer.input));
      expect([...output]).toEqual([...inMemory(layer.outputPlace, layer.expected)]);
      leftOver += (recipe.image?.channels ?? 0) % 4 > 0 ? 1 : 0;
    }),
    runs(100),
  );
  expect(leftOver).toBeGreaterThan(30);
});

test('sums whose place or row is read from what the kernel may write are left to its own statements', () => {
  const kernels = [plainImage, { ...plainImage, groups: plainImage.channels }].map((image) =>
    layerOf({ seed: 3, density: 1, bits: 8, inputs: 1, outputs: 8, image }).kernel({}),
  );
  for (const kernel of kernels) {
    const [from] = kernel.params;
    const read = ir.load(from!.name, from!.elem, 0);
    const planned = (change: (sum: RowSum) => RowSum) => {
      const body = rewritten(kernel.body, (s) => (s.kind === 'rowSum' ? [change(s)] : undefined));
      return vectorPlanOf({ ...kernel, body }) !== undefined;
    };
    expect(planned((sum) => sum)).toBe(true);
    expect(planned((sum) => ({ ...sum, first: ir.add(sum.first, read) }))).toBe(false);
    expect(planned((sum) => ({ ...sum, row: ir.add(sum.row, read) }))).toBe(false);
  }
});

test('the layers of networks are made by vectors: sums of rows, and the loop that puts their bytes down', () => {
  const images = [
    plainImage,
    { ...plainImage, pooled: false },
    { ...plainImage, pooled: false, kernel: [1, 1] as const, channels: 8 },
    { ...plainImage, pooled: false, channels: 8, groups: 8 },
  ];
  for (const image of images) {
    const layer = layerOf({ seed: 3, density: 1, bits: 8, inputs: 1, outputs: 8, image });
    const program = programOf(layer, layer.kernel({}));
    expect(createEngine(program, 'wasm').widened).toEqual({ loops: 0, sums: 0 });
    const { loops, sums } = createEngine(program, 'wasm-simd').widened;
    expect(sums).toBe(1);
    expect(loops).toBeGreaterThan(0);
  }
});

test('an input of another size is refused, and the machine says what it can', () => {
  const layer = layerOf({ seed: 1, density: 1, bits: 8, inputs: 5, outputs: 3 });
  const engine = createEngine(programOf(layer, layer.kernel({})), 'wasm');
  expect(() => engine.run(new Uint8Array(4))).toThrow(InputError);
  expect(() => engine.run(new Uint8Array(4))).toThrow(/4 bytes.*5 bytes: 5 elements of u8/s);
  expect(bestInstructions()).toBe('wasm-simd');
});
