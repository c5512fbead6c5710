import fc from 'fast-check';
import { expect, test } from 'vitest';
import { certify } from '../../src/artifact/certify.ts';
import { InputError } from '../../src/base/errors.ts';
import { costOn } from '../../src/cost/forms.ts';
import { mayPack, withPacking } from '../../src/cost/packing.ts';
import { type CostTarget, costTargets } from '../../src/cost/speed.ts';
import { verifyGraph } from '../../src/ir/graph/check.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { formatName } from '../../src/ir/kernel/weight-format.ts';
import { chooseFormats } from '../../src/passes/choose-formats.ts';
import { aimOf, type FormatObjective } from '../../src/passes/format-objective.ts';
import type { Cost } from '../../src/passes/format-pareto.ts';
import { assemble } from '../../src/plan/assemble.ts';
import type { Program } from '../../src/program/program.ts';
import { prove } from '../../src/prove/prove.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { recipes } from '../support/recipes.ts';
import { runsOf } from '../support/seeds.ts';
import { isMac, sparseNetwork } from '../support/sparse-networks.ts';

const programOf = (graph: Graph<'int8'>): Program =>
  assemble(graph, { name: 'net', strategy: 'overlap' }).program;

/** Networks with at least one layer of weights. */
const networks = recipes()
  .map((recipe) => sparseNetwork(recipe))
  .filter((graph) => graph.nodes.some(isMac));

/** Of what the chip runs, once the program is made for the objective. */
function costsOn(program: Program, objective: FormatObjective, target: CostTarget): Cost {
  const aim = aimOf(objective);
  const made = mayPack(aim) ? withPacking(program, aim, target) : program;
  const costs = made.steps.map(({ kernel }) => costOn(kernel, target, aim));
  return {
    bytes: costs.reduce((sum, { bytes }) => sum + bytes, 0),
    instructions: costs.reduce((sum, { instructions }) => sum + instructions, 0),
  };
}

test('the network computes the same, certified and proven, and its cost is what was promised', () => {
  const objectives = fc.constantFrom<FormatObjective[]>('flash', 'speed');
  fc.assert(
    fc.property(networks, objectives, fc.constantFrom(...costTargets), (graph, objective, target) => {
      const { graph: chosen, layers, total } = chooseFormats(graph, { objective, target });
      verifyGraph(chosen);
      const [dense, sparse] = [programOf(graph), programOf(chosen)];
      // As they are weighed: where buffers overlap, kernels may run backwards, which costs an addition here and there.
      const weighed = assemble(chosen, { name: 'net', strategy: 'separate' }).program;
      expect(costsOn(weighed, objective, target)).toEqual(total);
      expect(layers).toHaveLength(graph.nodes.filter(isMac).length);
      expect(certify(sparse, chosen).holds).toBe(true);
      for (const { kernel } of sparse.steps)
        if (kernel.weights !== undefined) expect(prove(kernel).unproven).toEqual([]);
      const input = Uint8Array.from(
        { length: dense.slots[dense.inputs[0]!.slot]!.length },
        (_, i) => (i * 89) & 255,
      );
      const run = (program: Program) => createSimulator(program, { mode: 'checked' }).run(input).output;
      expect(run(sparse)).toEqual(run(dense));
    }),
    { numRuns: runsOf(25) },
  );
});

test('nothing is larger, or slower, than dense', () => {
  fc.assert(
    fc.property(networks, fc.constantFrom(...costTargets), (graph, target) => {
      for (const { candidates, chosen } of chooseFormats(graph, { objective: 'flash', target }).layers) {
        const [dense] = candidates;
        expect(chosen.bytes).toBeLessThanOrEqual(dense!.bytes);
        const smaller = candidates.filter((c) => c.bytes <= dense!.bytes);
        expect(chosen.bytes + chosen.code).toBe(Math.min(...smaller.map((c) => c.bytes + c.code)));
      }
      for (const { candidates, chosen } of chooseFormats(graph, { objective: 'tables', target }).layers)
        expect(chosen.bytes).toBe(Math.min(...candidates.map((c) => c.bytes)));
      for (const { candidates, chosen } of chooseFormats(graph, { objective: 'speed', target }).layers) {
        expect(formatName(candidates[0]!.format)).toBe('dense8');
        expect(chosen.instructions).toBe(Math.min(...candidates.map((c) => c.instructions)));
      }
    }),
    { numRuns: runsOf(10) },
  );
});

test('code counts for flash: small layers keep simple formats though others have smaller tables', () => {
  const graphs = fc.sample(networks, { numRuns: 15, seed: 3 });
  const layers = graphs.flatMap(
    (graph) => chooseFormats(graph, { objective: 'flash', target: 'cortex-m4' }).layers,
  );
  const larger = layers.filter(({ chosen, candidates }) => candidates.some((c) => c.bytes < chosen.bytes));
  expect(larger.length).toBeGreaterThan(3);
  for (const { chosen, candidates, why } of larger) {
    const smallest = candidates.toSorted((a, b) => a.bytes - b.bytes)[0]!;
    expect(chosen.code).toBeLessThan(smallest.code);
    expect(why).toContain(`for flash ${chosen.bytes + chosen.code} bytes of tables and code`);
  }
});

test('a budget is kept, and met as well as can be', () => {
  fc.assert(
    fc.property(
      networks,
      fc.constantFrom(...costTargets),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (graph, target, f) => {
        const small = chooseFormats(graph, { objective: 'tables', target }).total;
        const fast = chooseFormats(graph, { objective: 'speed', target }).total;
        const flashBytes = Math.floor(small.bytes + f * (fast.bytes - small.bytes));
        const { total, layers } = chooseFormats(graph, { objective: { flashBytes }, target });
        expect(total.bytes).toBeLessThanOrEqual(flashBytes);
        expect(total.instructions).toBeGreaterThanOrEqual(fast.instructions);
        expect(total.instructions).toBeLessThanOrEqual(small.instructions);
        const { instructions } = total;
        const back = chooseFormats(graph, { objective: { instructions }, target });
        expect(back.total.instructions).toBeLessThanOrEqual(instructions);
        const flashOf = (choices: typeof layers): number =>
          choices.reduce((sum, { chosen }) => sum + chosen.bytes + chosen.code, 0);
        expect(flashOf(back.layers)).toBeLessThanOrEqual(flashOf(layers));
        const refuse = () => chooseFormats(graph, { objective: { flashBytes: small.bytes - 1 }, target });
        expect(refuse).toThrow(InputError);
        expect(refuse).toThrow(/a budget of .*supported: \d+ bytes/);
      },
    ),
    { numRuns: runsOf(4) },
  );
});

test('every layer says why', () => {
  const [graph] = fc.sample(networks, { numRuns: 1, seed: 1 });
  const { layers } = chooseFormats(graph!, { objective: 'flash', target: 'cortex-m4' });
  for (const { why, chosen, density, floor } of layers) {
    expect(why).toContain(formatName(chosen.format));
    expect(why).toContain(`${(100 * density).toFixed(1)} %`);
    expect(why).toContain(`${chosen.bytes} bytes`);
    expect(why).toContain(`floor ${floor.bytes}`);
  }
});
