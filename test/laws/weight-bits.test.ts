/** Weights of 2 to 8 bits: on their grid, stored in the smallest width that holds them, and run as they are meant. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { certify } from '../../src/artifact/certify.ts';
import { type Compiled, compile } from '../../src/compile.ts';
import type { Graph, Node } from '../../src/ir/graph/graph.ts';
import { largestWeight, type WeightBits, weightBits } from '../../src/ir/graph/op.ts';
import type { QuantizedMac } from '../../src/ir/integers/mac.ts';
import { arrangeInput } from '../../src/program/values.ts';
import { oracle } from '../oracles/network.ts';
import { factsOf, simulated } from '../support/kernel-laws.ts';
import { optionsOf, requireTensor } from '../support/laws.ts';
import { networkOf } from '../support/networks.ts';
import { byteInputs } from '../support/pipeline.ts';
import { type Recipe, recipes } from '../support/recipes.ts';
import { fixedSeed, freshSeed, runsOf } from '../support/seeds.ts';

const built = (recipe: Recipe, bits: WeightBits): Compiled =>
  compile(networkOf(recipe), {
    ...optionsOf(recipe),
    weightBits: bits,
    formats: { objective: 'tables', target: 'cortex-m4' },
  });

const macOf = ({ quantized }: Node): QuantizedMac | undefined =>
  quantized !== undefined && 'weightScales' in (quantized as object)
    ? (quantized as QuantizedMac)
    : undefined;

/** Each is at most half a step from a point of its grid: none lies beyond the ends. */
function requireOnGrid({ assembled, fused }: Compiled, bits: WeightBits): void {
  for (const node of assembled.nodes) {
    const mac = macOf(node);
    if (mac === undefined) continue;
    const terms = mac.weights.length / mac.weightScales.length;
    const real = fused.tensors.get(node.inputs[1]!)!.constant!.data;
    mac.weights.forEach((q, i) => {
      expect(Math.abs(q)).toBeLessThanOrEqual(largestWeight(bits));
      const steps = Number(real[i]) / mac.weightScales[Math.floor(i / terms)]!;
      expect(Math.abs(steps - q)).toBeLessThanOrEqual(0.5 + 1e-6);
    });
  }
}

/** Bytes of the tables, and of one that holds every weight in 2, 4 or 8 bits. */
function requireNarrow(compiled: Compiled, bits: WeightBits): void {
  const width = bits === 2 ? 2 : bits <= 4 ? 4 : 8;
  for (const { candidates, chosen } of compiled.formats ?? []) {
    const dense = candidates.find(({ format }) => format.kind === 'dense' && format.bits === width);
    expect(chosen.bytes).toBeLessThanOrEqual(dense!.bytes);
  }
}

function requireOracle(compiled: Compiled, recipe: Recipe): void {
  const { program } = compiled;
  const graph = compiled.assembled as Graph<'int8'>;
  const logical = byteInputs(recipe);
  const inputs = logical.map((bytes) => arrangeInput(program, bytes));
  simulated(program, inputs, factsOf(program)).forEach(({ arenas }, i) => {
    const wanted = oracle(graph, logical[i]!);
    arenas.forEach((arena, step) => {
      requireTensor(program, graph, step, arena, wanted);
    });
  });
}

test('on their grid, certified, and the simulator has the bytes of the integer model', () => {
  const half = Math.ceil(runsOf(48) / 2);
  for (const seed of [fixedSeed, freshSeed()])
    fc.assert(
      fc.property(recipes({ arith: 'int8' }), fc.constantFrom(...weightBits), (drawn, bits) => {
        // Few bits are rounded with gradients, which what mixes elements does not have.
        const recipe = { ...drawn, layers: drawn.layers.filter(({ kind }) => kind !== 'mix') };
        const compiled = built(recipe, bits);
        requireOnGrid(compiled, bits);
        requireNarrow(compiled, bits);
        expect(certify(compiled.program, compiled.assembled as Graph<'int8'>).holds).toBe(true);
        requireOracle(compiled, recipe);
      }),
      { numRuns: half, seed },
    );
});
