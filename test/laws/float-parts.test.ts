/** Random networks of 8 bits, random nodes of which stay float32. */
import { expect, test } from 'vitest';
import { compile } from '../../src/compile.ts';
import { emitC } from '../../src/emit/package.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { Draw } from '../support/draw.ts';
import { factsOf, requireProved, simulated } from '../support/kernel-laws.ts';
import { compareOn, type Ran } from '../support/native-laws.ts';
import { networkOf, samplesOf } from '../support/networks.ts';
import { recipesOf } from '../support/property.ts';
import type { Recipe } from '../support/recipes.ts';
import { fixedSeed, freshSeed } from '../support/seeds.ts';
import { hostTools, testWith } from '../support/toolchain.ts';

const each = 5;

/** A network with some of its nodes in float32; what is drawn is named by the seed and its number. */
function mixed(drawn: Recipe, share: number, name: string) {
  const recipe: Recipe = { ...drawn, arith: 'int8', raw: 'no', tweak: 'none', bits: 8 };
  const model = networkOf(recipe);
  const draw = new Draw(recipe.seed + 29);
  const samples = samplesOf(recipe, 10);
  const nodes = model.nodes.map((node) => node.name).filter(() => draw.unit() < share);
  const compiled = compile(model, {
    name,
    arith: 'int8',
    requant: recipe.mode,
    calibration: { inputs: samples },
    float: { nodes },
  });
  return { compiled, model, inputs: compiled.examples };
}

const drawn = [fixedSeed, freshSeed()].flatMap((seed) =>
  recipesOf(seed, each).map((recipe, i) => ({ recipe, seed, where: `seed ${seed}, network ${i}` })),
);

/** In the networks that are the same in every run. */
const counts = { parts: 0, islands: 0 };

testWith(hostTools)('some nodes: proofs are complete, and engines and C leave the same bytes', async () => {
  const batch = drawn.map(({ recipe, seed, where }, i): Ran => {
    const { compiled, inputs } = mixed(recipe, 0.4, `n${i}`);
    const { program, assembled } = compiled;
    const facts = factsOf(program);
    try {
      requireProved(program, facts);
      simulated(program, inputs, facts);
    } catch (error) {
      throw new Error(`${where}: ${error}`);
    }
    if (seed === fixedSeed) {
      counts.parts += assembled.floatParts?.length ?? 0;
      counts.islands += program.steps.filter(({ kernel }) => kernel.name.startsWith('to_stored')).length;
    }
    const files = emitC(program, { command: '', version: '', hash: '', golden: [] });
    const simulator = createSimulator(program, { mode: 'fast' });
    const outcomes = inputs.map((input) => simulator.run(input, { keepArenas: true }));
    return { built: { program, inputs }, files, outcomes };
  });
  const { differences } = await compareOn(batch, 'host-gcc', '-O0');
  expect(differences).toEqual([]);
  expect(counts.parts).toBeGreaterThan(4);
  expect(counts.islands).toBeGreaterThan(1);
});

test('all nodes: the bytes of the float32 program', () => {
  for (const { recipe, where } of drawn) {
    const { compiled, model } = mixed(recipe, 2, 'net');
    const float = compile(model, { name: 'net', arith: 'float32' });
    const run = createSimulator(compiled.program, { mode: 'fast' });
    const other = createSimulator(float.program, { mode: 'fast' });
    for (const input of float.examples) expect(run.run(input).output, where).toEqual(other.run(input).output);
  }
});
