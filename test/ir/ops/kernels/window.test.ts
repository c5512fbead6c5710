/** What stands around an image: one value per channel, and tiles that reach beyond it by one pixel. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { emitC } from '../../../../src/emit/package.ts';
import { rowSumsIn } from '../../../../src/ir/kernel/walk.ts';
import { conv, type QuantizedConv } from '../../../../src/ir/ops/conv.ts';
import { countOf, floats, type Shape } from '../../../../src/ir/tensor.ts';
import { helium } from '../../../../src/lower/helium.ts';
import { calibrate } from '../../../../src/passes/calibrate.ts';
import { quantize } from '../../../../src/passes/quantize.ts';
import { assemble } from '../../../../src/plan/assemble.ts';
import { arrangeInput } from '../../../../src/program/values.ts';
import { prove } from '../../../../src/prove/prove.ts';
import { inference } from '../../../../src/runtime/engines.ts';
import { createSimulator } from '../../../../src/sim/simulate.ts';
import { type BatchItem, runNativeBatch } from '../../../../src/targets/batch.ts';
import { oracle } from '../../../oracles/network.ts';
import { Draw } from '../../../support/draw.ts';
import { floatGraph, layer } from '../../../support/float-graph.ts';
import { factsOf, outputSlot, rowMajor, simulated } from '../../../support/kernel-laws.ts';
import { runs } from '../../../support/kernels.ts';
import { Reached } from '../../../support/reached.ts';
import {
  inMemory,
  type Layer,
  type LayerRecipe,
  layerOf,
  programOf,
} from '../../../support/stored-layers.ts';
import { hostTools, testWith } from '../../../support/toolchain.ts';

/** A convolution whose stored padding is these bytes, by input channel. */
function convolved(shape: Shape, kernel: readonly number[], padding: readonly number[]) {
  const draw = new Draw(8);
  const weights: Shape = [4, padding.length, ...kernel];
  const attrs = {
    kernel,
    strides: kernel.map(() => 1),
    pads: [...kernel, ...kernel].map((k) => (k - 1) / 2),
    dilations: kernel.map(() => 1),
    autoPad: 'NOTSET',
    groups: 1,
  };
  const constants = [floats(weights, draw.floats(countOf(weights), -1, 1))];
  const graph = floatGraph(shape, [layer(conv, attrs, { constants })]);
  const samples = [draw.floats(countOf(shape), -1, 3)];
  const options = { mode: 'single', weightBits: 8, biasCorrection: false } as const;
  const integers = quantize(calibrate(graph, samples, 'minmax'), options).run(graph);
  const nodes = integers.nodes.map((node) => {
    const quantized: QuantizedConv = { ...(node.quantized as QuantizedConv), padding };
    return { ...node, quantized };
  });
  return { ...integers, nodes };
}

test.each([
  ['one value per channel', [1, 3, 6, 7], [3, 3], [10, 250, 30]],
  ['one value for all channels', [1, 3, 6, 7], [3, 3], [77, 77, 77]],
  ['only the last channel differs', [1, 3, 6, 7], [3, 3], [77, 77, 78]],
  ['one pixel of padding in the first tile, one in the last', [1, 1, 16], [3], [200]],
  ['one pixel of padding, two channels', [1, 2, 5], [3], [200, 3]],
] as const)('%s', (_, shape, kernel, padding) => {
  const graph = convolved(shape, kernel, padding);
  const { program } = assemble(graph, { name: 'net', strategy: 'separate' });
  const draw = new Draw(9);
  for (const bytes of [draw.bytes(countOf(shape)), new Uint8Array(countOf(shape)).fill(255)]) {
    const [outcome] = simulated(program, [arrangeInput(program, bytes)], factsOf(program));
    const stored = rowMajor(outputSlot(program, 0), outcome!.arenas[0]!);
    expect([...stored]).toEqual([...oracle(graph, bytes).get('y0')!]);
  }
});

/** Depthwise layers of 8-bit inputs whose padding is 0, of which a row of outputs is computed at a time. */
const short: fc.Arbitrary<LayerRecipe> = fc
  .record({
    seed: fc.nat({ max: 99_999 }).map((n) => 2 * n + 1),
    channels: fc.integer({ min: 2, max: 13 }),
    height: fc.integer({ min: 1, max: 7 }),
    width: fc.oneof(
      { arbitrary: fc.integer({ min: 1, max: 9 }), weight: 4 },
      fc.integer({ min: 15, max: 24 }),
    ),
    kernel: fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 1, max: 5 })),
    stride: fc.constantFrom(1, 1, 2, 3),
    dilation: fc.integer({ min: 1, max: 2 }),
    pad: fc.integer({ min: 1, max: 6 }),
  })
  .filter(({ height, width, kernel, dilation, pad }) => {
    const [rows, cols] = kernel.map((k) => (k - 1) * dilation) as [number, number];
    const around = 2 * Math.min(pad, rows, cols);
    return around > 0 && height + around > rows && width + around > cols;
  })
  .map(({ seed, channels, ...i }) => ({
    ...{ seed, density: 1, bits: 8, inputs: 1, outputs: 1 },
    image: { ...i, channels, groups: channels, pooled: false },
  }));

/** No column of its windows lies in the image. */
const outside: LayerRecipe = {
  ...{ seed: 1, density: 1, bits: 8, inputs: 1, outputs: 1 },
  image: {
    ...{ channels: 3, groups: 3, height: 3, width: 1, stride: 1, dilation: 2, pad: 1, pooled: false },
    kernel: [2, 2],
  },
};

const outputOf = (layer: Layer): readonly number[] => [...inMemory(layer.outputPlace, layer.expected)];

test('short rows of depthwise windows are read where they lie, and nothing outside', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(short, (recipe) => {
      const layer = layerOf(recipe);
      const kernel = layer.kernel({});
      const input = inMemory(layer.inputPlace, layer.input);
      const program = programOf(layer, kernel);
      expect([...createSimulator(program, { mode: 'checked' }).run(input).output]).toEqual(outputOf(layer));
      expect([...inference(program, 'wasm-simd')(input).output]).toEqual(outputOf(layer));
      expect(prove(kernel).unproven).toEqual([]);
      const lanes = helium(kernel);
      if (lanes !== undefined) {
        const { output } = createSimulator(programOf(layer, lanes), { mode: 'checked' }).run(input);
        expect([...output]).toEqual(outputOf(layer));
      }
      const isInPlace = kernel.params.every(({ role }) => role !== 'scratch');
      const sums = rowSumsIn(kernel.body).map(({ sum }) => sum);
      reached.add(isInPlace ? 'inPlace' : 'patch');
      if (sums.some(({ segments }) => segments !== undefined)) reached.add('rows');
      if (isInPlace && recipe.image?.dilation === 2) reached.add('apart');
      if (sums.some((s) => s.sums.some(({ pieces: p }) => p && p.from === p.to))) reached.add('none');
      if (lanes !== undefined && isInPlace) reached.add('helium');
    }),
    { ...runs(60), examples: [[outside]] },
  );
  reached.atLeast({ inPlace: 15, patch: 1, rows: 13, apart: 5, none: 1, helium: 10 });
});

testWith(hostTools)(
  'short rows of depthwise windows in C',
  async () => {
    const layers = fc.sample(short, { seed: 7, numRuns: 12 }).map((recipe) => layerOf(recipe));
    const items = layers.map((layer, i): BatchItem => {
      const program = programOf(layer, layer.kernel({}), `layer${i}`);
      const files = emitC(program, { command: '', version: '0', hash: '', golden: [] });
      return { program, files, inputs: [inMemory(layer.inputPlace, layer.input)] };
    });
    const all = await runNativeBatch(items, 'host-gcc');
    layers.forEach((layer, i) => {
      expect([...all[i]![0]!.output], `layer ${i}`).toEqual(outputOf(layer));
    });
  },
  120_000,
);
