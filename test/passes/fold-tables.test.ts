/** A function behind a layer: the bytes of the two kernels, and better ones where the layer makes ten bits for it. */
import { expect, test } from 'vitest';
import type { QuantizedMac } from '../../src/ir/integers/mac.ts';
import { foldTables } from '../../src/passes/fold-tables.ts';
import { oracle } from '../oracles/network.ts';
import { valuesOf } from '../support/float64.ts';
import { gentleSamples } from '../support/functions.ts';
import { byteInputs, integerStages } from '../support/pipeline.ts';
import { realOf } from '../support/quantization.ts';
import type { Recipe } from '../support/recipes.ts';

const indexOf = (kind: string): number => gentleSamples.findIndex(({ op }) => op.kind === kind);

/** A convolution, and a function of its sums. */
const recipe = (kind: string, mode: Recipe['mode'], behind: Recipe['layers'] = []): Recipe => ({
  input: [3, 9, 9],
  layers: [
    {
      kind: 'conv',
      window: { kernel: [3, 3], strides: [1, 1], dilations: [1, 1], pads: [1, 1, 1, 1] },
      out: 6,
      groups: 'one',
      weights: { kind: 'uniform', bias: 'uniform', seed: 4 },
    },
    ...behind,
    { kind: 'pointwise', of: indexOf(kind) },
  ],
  arith: 'int8',
  mode,
  bits: 8,
  format: { kind: 'dense', bits: 8 },
  correction: true,
  method: 'minmax',
  raw: 'no',
  tweak: 'none',
  plan: 'overlap',
  seed: 12,
});

const pool: Recipe['layers'][number] = {
  kind: 'pool',
  of: 'max',
  window: { kernel: [2, 2], strides: [2, 2], dilations: [1, 1], pads: [0, 0, 0, 0] },
  ceil: false,
  countPad: false,
};

const kinds = ['sigmoid', 'tanh', 'swish', 'gelu', 'hardSwish', 'elu'];

test.each(kinds)('%s of eight bits has the bytes of its own kernel', (kind) => {
  for (const behind of [[], [pool]]) {
    const one = recipe(kind, 'tfl-double', behind);
    const { integers } = integerStages(one);
    const folded = foldTables.run(integers);
    expect(folded.nodes.map(({ op }) => op.kind)).toEqual(['conv']);
    expect((folded.nodes[0]!.quantized as QuantizedMac).table).toHaveLength(256);
    const [output = ''] = folded.outputs;
    for (const input of byteInputs(one))
      expect(oracle(folded, input).get(output)).toEqual(oracle(integers, input).get(output));
  }
});

/** Signal to error, of the network's own samples. */
function decibels(
  graph: ReturnType<typeof foldTables.run>,
  stages: ReturnType<typeof integerStages>,
): number {
  const [input = ''] = graph.inputs;
  const [output = ''] = graph.outputs;
  const { scale, zeroPoint } = graph.tensors.get(input)!.quant!;
  let [error, signal] = [0, 0];
  for (const sample of stages.samples) {
    const bytes = Uint8Array.from(sample, (x) =>
      Math.max(0, Math.min(255, Math.round(x / scale) + zeroPoint)),
    );
    const real = Float64Array.from(bytes, (byte) => (byte - zeroPoint) * scale);
    const wanted = valuesOf(stages.fused, real).get(output)!;
    const found = realOf(graph, output, oracle(graph, bytes).get(output)!);
    wanted.data.forEach((y: number, i: number) => {
      error += (found.data[i]! - y) ** 2;
      signal += y ** 2;
    });
  }
  return 10 * Math.log10(signal / error);
}

test.each(['tanh', 'swish'])('%s of ten bits is nearer', (kind) => {
  const stages = integerStages(recipe(kind, 'single'));
  const folded = foldTables.run(stages.integers);
  expect((folded.nodes[0]!.quantized as QuantizedMac).table).toHaveLength(1024);
  expect(decibels(folded, stages)).toBeGreaterThan(decibels(stages.integers, stages) + 0.5);
});

test('what others read too stays apart', () => {
  const { integers } = integerStages(recipe('sigmoid', 'single', [{ kind: 'gate', squeezed: true }]));
  const kindsOf = (graph: typeof integers) => graph.nodes.map(({ op }) => op.kind);
  expect(kindsOf(integers)).toEqual(['conv', 'avgPool', 'sigmoid', 'product', 'sigmoid']);
  expect(kindsOf(foldTables.run(integers))).toEqual(['conv', 'avgPool', 'sigmoid', 'product', 'sigmoid']);
});
