/** Kernels with vectors are kernels like any other: simulated with traps, proved, and run by WebAssembly. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fits } from '../../src/ir/formats/index.ts';
import type { Expr, Kernel, RowSum, Stmt, StmtOf } from '../../src/ir/kernel/kernel.ts';
import { primitivesUsed, rewritten, rowSumsIn } from '../../src/ir/kernel/walk.ts';
import { vectors, withVectors } from '../../src/lower/simd.ts';
import { prove } from '../../src/prove/prove.ts';
import { inference } from '../../src/runtime/engines.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { createEngine } from '../../src/sim/wasm/engine.ts';
import * as ir from '../support/ir.ts';
import { runs } from '../support/kernels.ts';
import { Reached } from '../support/reached.ts';
import { partRecipes, type SumRecipe, sumCase, sumInput, sumRecipes } from '../support/row-sums.ts';
import {
  allFormats,
  codebookFor,
  inMemory,
  type LayerRecipe,
  layerOf,
  layerRecipes,
  plainImage,
  programOf,
} from '../support/stored-layers.ts';

/**
 * Places that lie a tap apart: four of them, or pairs beside each other, or one pair a segment below the other; or four
 * two taps apart.
 */
const pairRecipes: fc.Arbitrary<SumRecipe> = fc
  .tuple(
    sumRecipes,
    fc.constantFrom(3, 5),
    fc.constantFrom(1, 3, 6, 8, 10, 12, 13, 16, 17, 20),
    fc.constantFrom('one', 'beside', 'below', 'four', 'four', 'other', 'other'),
  )
  .map(([r, some, depth, how]): SumRecipe => {
    const isFour = how === 'four' || how === 'other';
    const isOne = how === 'one';
    const run = (isFour ? 3 : some) * depth;
    const apart = how === 'other' ? 2 * depth : depth;
    const below = run + r.gaps[0] + r.gaps[1];
    return {
      ...r,
      segments: Math.min(3, r.segments),
      pieces: 1,
      rows: isOne ? r.rows : 2 * r.rows + 4,
      places: isFour ? 2 * r.places - 1 : r.places,
      walk: 'runs',
      skip: 0,
      run,
      apart,
      sums: isOne ? 2 : 4,
      pairs: how === 'below' ? below : how === 'beside' ? 2 * apart + 1 : 2 * apart,
    };
  });

/** Rows of which each has inputs of its own. */
const ownRecipes: fc.Arbitrary<SumRecipe> = partRecipes.map((r) => ({
  ...r,
  walk: 'straight',
  run: 1,
  skip: 1,
}));

const statements = fc.oneof(
  { arbitrary: partRecipes, weight: 4 },
  { arbitrary: pairRecipes, weight: 6 },
  { arbitrary: ownRecipes, weight: 2 },
);

test('random statements: the same sums by vectors, in the simulator with traps and in WebAssembly, and proved', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(statements, (recipe) => {
      const { kernel, inputs, answer } = sumCase(recipe);
      const lowered = vectors(kernel);
      if (lowered === undefined) {
        reached.add('own');
        return;
      }
      const input = sumInput(recipe, inputs);
      const expected = answer(input);
      const program = withVectors(ir.single(kernel));
      expect(createSimulator(program, { mode: 'checked' }).run(input).output).toEqual(expected);
      expect(createEngine(program).run(input).output).toEqual(expected);
      expect(prove(lowered).unproven).toEqual([]);
      const has = (param: string) => lowered.params.some(({ name }) => name === param);
      const isFewer = has('products');
      reached.add(isFewer ? 'fewer' : has('wide') ? 'shared' : 'neighbours');
      if (isFewer && (recipe.pairs ?? 0) > 2 * recipe.apart + 1) reached.add('below');
      if (says(lowered, '4 sums of 3 taps with 6')) reached.add('four');
      if (says(lowered, '4 sums of 3 taps with 9')) reached.add('other');
      if (isFewer && lowered.body.some((s) => s.kind === 'for' && s.name.startsWith('pass')))
        reached.add('line');
      if (recipe.parts && !isFewer && !has('wide')) reached.add('parts');
      if (recipe.places > 1) reached.add('several');
      if (recipe.run % 2 === 1) reached.add('odd');
    }),
    runs(120),
  );
  reached.atLeast({
    shared: 13,
    neighbours: 5,
    parts: 1,
    fewer: 4,
    below: 2,
    four: 2,
    other: 1,
    line: 1,
    own: 2,
    several: 15,
    odd: 15,
  });
});

const says = ({ doc }: Kernel, words: string): boolean => doc.some((line) => line.includes(words));

/** Whether patches are windows onto an image that the kernel makes. */
const seesImage = ({ params }: Kernel): boolean => params.some(({ name }) => name === 'image');

const layers = fc.record({
  recipe: fc.tuple(layerRecipes, fc.integer({ min: 1, max: 80 })).map(([r, outputs]) => ({ ...r, outputs })),
  format: fc.constantFrom(...allFormats),
  lanes: fc.constantFrom(4 as const, 8 as const),
  coded: fc.boolean(),
});

test('layers in every format: vectors give what the integer model gives, wherever rows share their inputs', () => {
  const reached = new Reached();
  let windows = 0;
  fc.assert(
    fc.property(layers, ({ recipe, format, lanes, coded }) => {
      const layer = layerOf(recipe);
      const codebook = coded ? codebookFor(layer.mac.weights) : undefined;
      const largest = layer.mac.weights.reduce((most, w) => Math.max(most, Math.abs(w)), 0);
      const { layout } = layer.kernel({}).weights!;
      fc.pre(fits(layout, largest, format, codebook));
      const kernel = layer.kernel({ format, lanes, ...(codebook === undefined ? {} : { codebook }) });
      const program = programOf(layer, kernel);
      const input = inMemory(layer.inputPlace, layer.input);
      const expected = [...inMemory(layer.outputPlace, layer.expected)];
      expect([...inference(program, 'wasm-simd')(input).output]).toEqual(expected);
      // A loop over fewer rows than a vector has is not entered, but planned.
      const { groups = 1, channels = 1 } = recipe.image ?? {};
      const apart = groups > 1 && groups < channels;
      const lowered = vectors(kernel);
      expect(lowered === undefined).toBe(apart);
      if (!apart) reached.add('replaced');
      if (lowered === undefined || !seesImage(lowered) || windows++ > 8) return;
      const checked = createSimulator(withVectors(program), { mode: 'checked' });
      expect([...checked.run(input).output]).toEqual(expected);
      expect(prove(lowered).unproven).toEqual([]);
    }),
    runs(110),
  );
  reached.atLeast({ replaced: 20 });
  expect(windows).toBeGreaterThan(6);
});

test('padded convolutions: inputs are mixed once for the whole image, for every scheme', () => {
  const shapes = [
    { kernel: [3, 3], stride: 1, pooled: false, says: '4 sums of 3 taps with 6' },
    { kernel: [3, 3], stride: 2, pooled: false, says: '4 sums of 3 taps with 9' },
    { kernel: [3, 3], stride: 1, pooled: true, says: '2 sums of 3 taps with 4' },
    { kernel: [5, 5], stride: 1, pooled: true, says: '2 sums of 5 taps with 6' },
  ] as const;
  for (const [seed, { says: words, ...shape }] of shapes.entries())
    for (const channels of [shape.stride === 2 ? 13 : 3, 16]) {
      const image = { ...plainImage, ...shape, channels, height: 8, width: 16, pad: 1 };
      const layer = layerOf({ seed, density: 1, bits: 8, inputs: 1, outputs: 24, image });
      const program = programOf(layer, layer.kernel({}));
      const lowered = withVectors(program);
      const input = inMemory(layer.inputPlace, layer.input);
      const expected = inMemory(layer.outputPlace, layer.expected);
      const kernel = vectors(layer.kernel({}))!;
      expect([words, channels, says(kernel, words), seesImage(kernel)]).toEqual([
        words,
        channels,
        true,
        true,
      ]);
      expect(kernel.body.some((s) => s.kind === 'for' && s.name.startsWith('pass'))).toBe(true);
      expect(createEngine(lowered).run(input).output).toEqual(expected);
      expect(createSimulator(lowered, { mode: 'checked' }).run(input).output).toEqual(expected);
      expect(prove(kernel).unproven).toEqual([]);
    }
});

test('patches that are no windows onto one image with one border are filled as the kernel says', () => {
  const image = { ...plainImage, pad: 1, pooled: false };
  const layer = layerOf({ seed: 5, density: 1, bits: 8, inputs: 1, outputs: 8, image });
  const kernel = layer.kernel({});
  const input = inMemory(layer.inputPlace, layer.input);
  const outputs = (change: (s: Stmt) => readonly Stmt[] | undefined) => {
    const changed = { ...kernel, body: rewritten(kernel.body, change) };
    const program = programOf(layer, changed);
    const lowered = withVectors(program);
    const [engine, simulator] = [createEngine(lowered), createSimulator(program, { mode: 'checked' })];
    expect(engine.run(input).output).toEqual(simulator.run(input).output);
    return seesImage(lowered.steps[0]!.kernel);
  };
  const copies = (by: (s: StmtOf<'copy'>) => StmtOf<'copy'>) => (s: Stmt) =>
    s.kind === 'copy' ? [by(s)] : undefined;
  const fills = (value: Expr) => (s: Stmt) =>
    (s.kind === 'store' || s.kind === 'fill') && s.to === 'patch' ? [{ ...s, value }] : undefined;
  expect(outputs(() => undefined)).toBe(true);
  expect(outputs(fills(ir.int(7)))).toBe(true);
  expect(outputs(fills(ir.local('y')))).toBe(false);
  expect(outputs(copies((s) => ({ ...s, fromIndex: ir.int(0) })))).toBe(false);
  expect(outputs(copies((s) => ({ ...s, count: ir.div(s.count, 2) })))).toBe(false);
  expect(outputs(fills(ir.load('in', 'u8', 0)))).toBe(false);
});

test('dense depthwise layers: the rows left over after whole vectors have their own weights', () => {
  const isDepthwise = ({ image }: LayerRecipe) => image !== undefined && image.groups === image.channels;
  const dense = fc.constantFrom(8 as const, 4 as const, 2 as const);
  const reached = new Reached();
  fc.assert(
    fc.property(layerRecipes.filter(isDepthwise), dense, (drawn, bits) => {
      const recipe = { ...drawn, density: 1, bits };
      const layer = layerOf(recipe);
      const program = programOf(layer, layer.kernel({ format: { kind: 'dense', bits } }));
      const input = inMemory(layer.inputPlace, layer.input);
      const expected = inMemory(layer.outputPlace, layer.expected);
      if ((recipe.image?.channels ?? 0) % 4 > 0) reached.add('left over');
      const lowered = withVectors(program);
      expect(createEngine(lowered).run(input).output).toEqual(expected);
      if (!lowered.steps.every(({ kernel }) => primitivesUsed(kernel.body).has('requantize_byte_i32x4')))
        return;
      expect(createSimulator(lowered, { mode: 'checked' }).run(input).output).toEqual(expected);
      reached.add('simulated');
    }),
    runs(100),
  );
  reached.atLeast({ 'left over': 15, simulated: 6 });
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
      return vectors({ ...kernel, body }) !== undefined;
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
    const lowered = withVectors(program);
    expect(lowered.steps.some(({ kernel }) => rowSumsIn(kernel.body).length > 0)).toBe(false);
    const used = lowered.steps.map(({ kernel }) => primitivesUsed(kernel.body).has('requantize_byte_i32x4'));
    expect(used).toEqual([true]);
  }
});
