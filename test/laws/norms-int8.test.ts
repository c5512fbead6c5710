/**
 * Int8 follows float: 30 dB about the mean of the signal. On the samples that calibrated: what a range misses
 * that too few samples told is another matter.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Compiled, compile } from '../../src/compile.ts';
import { floats, type Tensor } from '../../src/ir/tensor.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { inference } from '../../src/runtime/engines.ts';
import { valuesOf } from '../support/float64.ts';
import {
  featureNetwork,
  featureRecipes,
  type Normed,
  type NormedRecipe,
  normedNetwork,
  normedRecipes,
} from '../support/normed-networks.ts';
import { runsOf } from '../support/seeds.ts';

const count = 32;
const least = 30;

/** 10 log10(sum (real - mean)^2 / sum (real - made)^2); Infinity where nothing differs. */
function decibels(real: readonly number[], made: readonly number[]): number {
  const mean = real.reduce((sum, y) => sum + y, 0) / real.length;
  const energy = (of: (y: number, i: number) => number): number =>
    real.reduce((sum, y, i) => sum + of(y, i) ** 2, 0);
  return 10 * Math.log10(energy((y) => y - mean) / energy((y, i) => y - made[i]!));
}

const outputsOf = (samples: readonly Float32Array[], of: (x: Float32Array) => ArrayLike<number>): number[] =>
  samples.flatMap((x) => Array.from(of(x)));

/** The network with its weights as they are, and each activation on the nearest step of its 8-bit grid. */
function roundedActivations({ fused, assembled }: Compiled, x: Float32Array): ArrayLike<number> {
  const values = new Map<string, Tensor>();
  const keep = (name: string, { shape, data }: Tensor): void => {
    const { scale, zeroPoint } = assembled.tensors.get(name)!.quant!;
    const step = (y: number): number => Math.max(0, Math.min(255, Math.round(y / scale) + zeroPoint));
    values.set(
      name,
      floats(
        shape,
        Float32Array.from(data, (y) => (step(y) - zeroPoint) * scale),
      ),
    );
  };
  const [input] = fused.inputs;
  keep(input!, floats(fused.tensors.get(input!)!.shape, x));
  for (const { op, attrs, inputs, outputs } of fused.nodes)
    keep(
      outputs[0]!,
      op.reference(
        attrs,
        inputs.map((name) => values.get(name) ?? fused.tensors.get(name)?.constant),
      )[0]!,
    );
  return values.get(fused.outputs[0]!)!.data as Float64Array;
}

/**
 * Int8 follows float within 30 dB. Where 8-bit activations alone leave less (a sum of many that nearly cancels), its
 * own weights and roundings cost no more than 2 dB besides.
 */
function requireNear({ graph, samples }: Normed, limit = least): void {
  const compiled = compile(
    { ...graph, stage: 'imported' },
    { name: 'net', arith: 'int8', activationBits: 8, calibration: { inputs: samples, heldBack: samples } },
  );
  const { program } = compiled;
  const run = inference(program);
  const real = outputsOf(samples, (x) => valuesOf(graph, x).get(graph.outputs[0]!)!.data as Float64Array);
  const stored = outputsOf(samples, (x) => decodeOutput(program, run(encodeInput(program, x)).output));
  const reached = decibels(real, stored);
  if (reached >= limit || program.inputGrids !== undefined) {
    expect(reached).toBeGreaterThanOrEqual(limit);
    return;
  }
  const possible = decibels(
    real,
    outputsOf(samples, (x) => roundedActivations(compiled, x)),
  );
  bounded.push(possible);
  expect(reached).toBeGreaterThanOrEqual(Math.min(limit, possible - 2));
}

/** What 8-bit activations alone leave, of networks where that was asked. */
const bounded: number[] = [];

/** Trained, gains of 0.1 to 1 of either sign, every shift and variance; an image has 0 in its range. */
const normed = normedRecipes.map(
  (r): NormedRecipe => ({ ...r, trained: true, inputs: 'signed', gains: [-1, 0] }),
);
const places = ['input', 'conv', 'conv and ReLU', 'ReLU'] as const;
const readers = ['conv', 'depthwise conv', 'grouped conv', 'pruned conv', 'linear'] as const;

test.each(places.flatMap((place) => readers.map((reader) => [place, reader] as const)))(
  'a norm behind %s, before %s',
  (place, reader) =>
    fc.assert(
      fc.property(normed, (recipe) => {
        requireNear(normedNetwork({ ...recipe, place, reader }, count));
      }),
      { numRuns: runsOf(6) },
    ),
);

test.each(['signed', 'kelvin', 'pascal', 'unlike'] as const)('features: %s', (inputs) =>
  fc.assert(
    fc.property(featureRecipes, (recipe) => {
      requireNear(featureNetwork({ ...recipe, inputs }, count));
    }),
    { numRuns: runsOf(6) },
  ),
);

test('a sum that nearly cancels is below the limit by its activations alone, and within 2 dB of them', () => {
  const recipe: NormedRecipe = {
    ...{ place: 'conv', reader: 'linear', inputs: 'signed', pairs: 4, size: 4, pad: 0, shift: 2, seed: 9994 },
    ...{ variances: [-9, 0], gains: [-1, 0], odd: 'none', trained: true },
  };
  const before = bounded.length;
  requireNear(normedNetwork(recipe, count), 40);
  expect(bounded.slice(before)).toEqual([expect.closeTo(30, -1)]);
});
