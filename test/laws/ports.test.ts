/** Laws of programs with several inputs and outputs, on pairs of random networks. */

import { expect, test } from 'vitest';
import { compile } from '../../src/compile.ts';
import { emitC } from '../../src/emit/package.ts';
import { evaluate, inputTensors } from '../../src/ir/graph/evaluate.ts';
import { variantsOf } from '../../src/lower/variants.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { decodeOutputs, encodeInput } from '../../src/program/values.ts';
import { inference, simulate } from '../../src/runtime/engines.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { arenaChecksum, runNativeBatch } from '../../src/targets/batch.ts';
import { optionsOf } from '../support/laws.ts';
import { networkOf } from '../support/networks.ts';
import { type Pair, pairBuilt, pairNetwork, pairOf, pairSamples } from '../support/port-networks.ts';
import { recipesOf } from '../support/property.ts';
import { fixedSeed, freshSeed, runsOf } from '../support/seeds.ts';
import { hostTools, testWith } from '../support/toolchain.ts';

/** Half of the pairs are the same in every run, half are this commit's. */
const pairs = (count: number, taps: (i: number) => number): readonly Pair[] =>
  [fixedSeed, freshSeed()].flatMap((seed) => {
    const recipes = recipesOf(seed + 77, 2 * Math.ceil(runsOf(count) / 2));
    return recipes.flatMap((first, i) => (i % 2 === 0 ? [pairOf(first, recipes[i + 1]!, taps(i / 2))] : []));
  });

/** With the pair, for the message of a failure. */
function eachOf(all: readonly Pair[], law: (pair: Pair) => void): void {
  for (const pair of all)
    try {
      law(pair);
    } catch (error) {
      throw new Error(`${(error as Error).stack}\n\npair: ${JSON.stringify(pair)}`);
    }
}

test('two networks in one program each leave the bytes that they leave alone', () => {
  let compared = 0;
  eachOf(
    pairs(16, () => 0),
    (pair) => {
      const alone = pair.recipes.map((recipe) => compile(networkOf(recipe), optionsOf(recipe)).program);
      // One input may have a grid per channel, where several have one each.
      if (alone.some(({ inputGrids }) => inputGrids !== undefined)) return;
      const { program } = pairBuilt(pair);
      for (const sample of pairSamples(pair)) {
        const outputs = decodeOutputs(program, simulate(program, encodeInput(program, sample)).output);
        let from = 0;
        alone.forEach((one, i) => {
          const { length } = one.slots[one.inputs[0]!.slot]!;
          const bytes = encodeInput(one, sample.subarray(from, from + length));
          from += length;
          expect(outputs[i]).toEqual(decodeOutputs(one, simulate(one, bytes).output)[0]);
        });
      }
      compared++;
    },
  );
  expect(compared).toBeGreaterThan(0);
}, 120_000);

test('outputs that are read further are what the model makes there, on every engine', () => {
  eachOf(
    pairs(30, (i) => 1 + (i % 4)),
    (pair) => {
      const { program } = pairBuilt(pair);
      const float = canonicalize.run(pairNetwork(pair));
      for (const sample of pairSamples(pair)) {
        const bytes = encodeInput(program, sample);
        const { output } = simulate(program, bytes);
        for (const engine of ['wasm-simd', 'js'] as const)
          expect(inference(program, engine)(bytes).output).toEqual(output);
        if (program.arith === 'int8') continue;
        let largest = 0;
        const wanted = evaluate(float, inputTensors(float, sample), (_, { data }) => {
          for (const x of data) largest = Math.max(largest, Math.abs(x));
        });
        decodeOutputs(program, output).forEach((numbers, i) => {
          const { data } = wanted.get(float.outputs[i]!)!;
          expect(numbers).toHaveLength(data.length);
          numbers.forEach((x, k) => {
            expect(Math.abs(x - data[k]!)).toBeLessThanOrEqual(1e-4 * largest);
          });
        });
      }
    },
  );
}, 120_000);

testWith(hostTools)(
  'their C leaves the same bytes after every layer',
  async () => {
    const built = pairs(10, (i) => i % 4).map((pair, i) => {
      const name = `pair${i}`;
      const program = { ...pairBuilt(pair).program, name };
      const inputs = pairSamples(pair).map((sample) => encodeInput(program, sample));
      return {
        program,
        inputs,
        files: emitC(program, {
          ...{ command: '', version: '', hash: '', golden: [] },
          variants: variantsOf(program),
        }),
      };
    });
    const ran = await runNativeBatch(built, 'host-gcc', { checksums: true, opt: '-O1' });
    built.forEach(({ program, inputs }, b) => {
      const simulator = createSimulator(program, { mode: 'fast' });
      inputs.forEach((input, i) => {
        const wanted = simulator.run(input, { keepArenas: true });
        const found = ran[b]![i]!;
        expect(found.output).toEqual(wanted.output);
        expect(found.arenas).toEqual(wanted.arenas.map(arenaChecksum));
      });
    });
  },
  120_000,
);
