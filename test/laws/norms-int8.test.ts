/**
 * Int8 follows float: 30 dB about the mean of the signal. On the samples that calibrated: what a range misses
 * that too few samples told is another matter.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compile } from '../../src/compile.ts';
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

/** 10 log10(sum (real - mean)^2 / sum (real - stored)^2) of the output; Infinity where nothing differs. */
function decibels({ graph, samples }: Normed): number {
  const { program } = compile(
    { ...graph, stage: 'imported' },
    { name: 'net', arith: 'int8', calibration: { inputs: samples, heldBack: samples } },
  );
  const run = inference(program);
  const real = samples.flatMap((x) => [...valuesOf(graph, x).get(graph.outputs[0]!)!.data]).map(Number);
  const stored = samples.flatMap((x) => [...decodeOutput(program, run(encodeInput(program, x)).output)]);
  const mean = real.reduce((sum, y) => sum + y, 0) / real.length;
  const energy = (of: (y: number, i: number) => number): number =>
    real.reduce((sum, y, i) => sum + of(y, i) ** 2, 0);
  return 10 * Math.log10(energy((y) => y - mean) / energy((y, i) => y - stored[i]!));
}

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
        const network = normedNetwork({ ...recipe, place, reader }, count);
        expect(decibels(network)).toBeGreaterThanOrEqual(least);
      }),
      { numRuns: runsOf(20) },
    ),
);

test.each(['signed', 'kelvin', 'pascal', 'unlike'] as const)('features: %s', (inputs) =>
  fc.assert(
    fc.property(featureRecipes, (recipe) => {
      expect(decibels(featureNetwork({ ...recipe, inputs }, count))).toBeGreaterThanOrEqual(least);
    }),
    { numRuns: runsOf(20) },
  ),
);
