/** No network ends far from the float one without a word. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { compile } from '../../src/compile.ts';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import { floats } from '../../src/ir/tensor.ts';
import { decodeOutput, encodeInput } from '../../src/program/values.ts';
import { inference } from '../../src/runtime/engines.ts';
import { networkOf, samplesOf } from '../support/networks.ts';
import { recipesOf, replayCommand } from '../support/property.ts';
import type { Recipe } from '../support/recipes.ts';

const limit = 20;

/** Of the output about its mean, from scratch: the simulator's bytes against the network as it was imported. */
function outputSqnr(recipe: Recipe, compiled: ReturnType<typeof compile>): number {
  const graph = networkOf(recipe);
  const run = inference(compiled.program, 'js');
  const { inputGrids: grids = [{ scale: 1, zeroPoint: 0 }] } = compiled.program;
  const pairs = compiled.judging!.samples.flatMap((kept) => {
    // Inputs with a grid for each channel are kept in its steps.
    const sample = kept.map((x, i) => {
      const { scale, zeroPoint } = grids[Math.floor((i * grids.length) / kept.length)]!;
      return (x - zeroPoint) * scale;
    });
    const input = new Map([['x', floats([1, ...recipe.input], sample)]]);
    const real = evaluate(graph, input).get(graph.outputs[0]!)!.data as ArrayLike<number>;
    const { output } = run(encodeInput(compiled.program, sample));
    return Array.from(decodeOutput(compiled.program, output), (y, i) => [real[i]!, y] as const);
  });
  const mean = pairs.reduce((sum, [x]) => sum + x, 0) / pairs.length;
  const power = (of: (x: number, y: number) => number): number =>
    pairs.reduce((sum, [x, y]) => sum + of(x, y) ** 2, 0);
  const [signal, noise] = [power((x) => x - mean), power((x, y) => x - y)];
  const largest = Math.max(...pairs.map(([x]) => Math.abs(x)));
  return signal <= pairs.length * (2 ** -23 * largest) ** 2 ? Infinity : 10 * Math.log10(signal / noise);
}

test('random networks: an output below 20 dB has its warning, and many others have none', () => {
  const seed = fc.readConfigureGlobal()?.seed ?? 1;
  const counts = { low: 0, warned: 0, silent: 0, kinds: new Map<string, number>() };
  recipesOf(seed, 110).forEach((drawn, i) => {
    const recipe: Recipe = { ...drawn, arith: 'int8', raw: 'no', tweak: 'none', bits: 8 };
    const compiled = compile(networkOf(recipe), {
      name: 'net',
      arith: 'int8',
      requant: recipe.mode,
      calibrationMethod: recipe.method,
      calibration: { inputs: samplesOf(recipe, 20) },
    });
    const { warnings, layers } = compiled.agreement!;
    const where = `replay: ${replayCommand(seed, String(i))}`;
    const low = outputSqnr(recipe, compiled) < limit || layers.some(({ sqnr }) => sqnr < limit);
    if (low) expect(Math.min(...warnings.map(({ sqnr = Infinity }) => sqnr)), where).toBeLessThan(limit);
    counts.low += Number(low);
    counts.warned += Number(warnings.length > 0);
    counts.silent += Number(warnings.length === 0);
    for (const { kind } of warnings) counts.kinds.set(kind, (counts.kinds.get(kind) ?? 0) + 1);
  });
  expect(counts.low).toBeGreaterThan(5);
  expect(counts.silent).toBeGreaterThan(30);
});
