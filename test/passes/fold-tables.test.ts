/** A function behind a layer: the bytes of the two kernels, and better ones where the layer makes ten bits for it. */
import { expect, test } from 'vitest';
import type { QuantizedMac } from '../../src/ir/integers/mac.ts';
import { foldTables } from '../../src/passes/fold-tables.ts';
import { arrangeInput } from '../../src/program/values.ts';
import { oracle } from '../oracles/network.ts';
import { convOracle } from '../oracles/operators.ts';
import { valuesOf } from '../support/float64.ts';
import { gentleSamples } from '../support/functions.ts';
import {
  factsOf,
  outputSlot,
  requireProved,
  requireSound,
  rowMajor,
  simulated,
} from '../support/kernel-laws.ts';
import { assembled, byteInputs, integerStages } from '../support/pipeline.ts';
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

/** A convolution and a bent line of these slopes, one each for its channels; in integers, apart. */
function bentStages(mode: Recipe['mode'], slopes: readonly number[], behind: Recipe['layers'] = []) {
  const { integers, ...rest } = integerStages(recipe('leakyRelu', mode, behind));
  const nodes = integers.nodes.map((node) =>
    node.op.kind === 'leakyRelu' ? { ...node, op: { ...node.op, slopes: () => slopes } } : node,
  );
  return { ...rest, integers: { ...integers, nodes } };
}

const slopesOf = {
  'of both signs': [0.25, -0.1, 0, 1, -1.5, 2],
  'of one sign': [0.25, 0.1, 0, 1, 1.5, 2],
  'one for all': [0.1],
};

const modes = ['single', 'tfl-double', 'ort-float'] as const;

test.each(Object.entries(slopesOf))(
  'slopes %s meet the sums: kernel, oracle and the real line agree',
  (_, slopes) => {
    for (const mode of modes) {
      const one = recipe('leakyRelu', mode);
      const folded = foldTables.run(bentStages(mode, slopes).integers);
      expect(folded.nodes.map(({ op }) => op.kind)).toEqual(['conv']);
      const { program } = assembled(folded, 'bent', 'separate');
      const facts = factsOf(program);
      requireProved(program, facts);
      const inputs = byteInputs(one);
      const arranged = inputs.map((bytes) => arrangeInput(program, bytes));
      requireSound(program, arranged, facts);
      const outcomes = simulated(program, arranged, facts);
      inputs.forEach((bytes, i) => {
        const wanted = oracle(folded, bytes).get(folded.outputs[0]!)!;
        const found = rowMajor(outputSlot(program, 0), outcomes[i]!.arenas!.at(-1)!);
        expect(Array.from(found)).toEqual(Array.from(wanted));
        requireNear(folded, bytes, wanted);
      });
    }
  },
);

/** Within half a step, and what the multiplier's last bits and float32 add, of the line of the exact sum. */
function requireNear(
  folded: ReturnType<typeof foldTables.run>,
  bytes: Uint8Array,
  wanted: ArrayLike<number>,
): void {
  const [node] = folded.nodes;
  const q = node!.quantized as QuantizedMac;
  const [input, output] = [folded.tensors.get(folded.inputs[0]!)!, folded.tensors.get(folded.outputs[0]!)!];
  const wide = {
    ...q,
    up: 0,
    requant: unit(q),
    slopes: undefined,
    saturation: { zeroPoint: 0, lo: -(2 ** 31), hi: 2 ** 31 },
  };
  const sums = convOracle(node!.attrs as never, wide as never, { shape: input.shape, data: bytes }).data;
  const plane = sums.length / q.bias.length;
  sums.forEach((sum, i) => {
    const c = Math.floor(i / plane);
    const real = sum * q.weightScales[c]! * input.quant!.scale * (sum < 0 ? q.slopes![c]! : 1);
    const steps = Math.max(0, Math.min(255, real / output.quant!.scale + output.quant!.zeroPoint));
    expect(Math.abs(wanted[i]! - steps)).toBeLessThan(0.5001 + (q.requant.mode === 'tfl-double' ? 0.01 : 0));
  });
}

/** Sums as they are. */
const unit = ({ bias }: QuantizedMac) => ({
  mode: 'pow2' as const,
  multiplier: new Int32Array(bias.length),
  shift: new Uint8Array(bias.length),
  scale: new Float32Array(bias.length),
});

test('a leaky ReLU of the sums is nearer than one of bytes', () => {
  const stages = integerStages(recipe('leakyRelu', 'single'));
  expect(decibels(foldTables.run(stages.integers), stages)).toBeGreaterThan(
    decibels(stages.integers, stages) + 2,
  );
});

test('slopes stay apart where a falling one meets a maximum, and where multipliers are coarse', () => {
  const kindsOf = (graph: ReturnType<typeof foldTables.run>) =>
    graph.nodes.map(({ op, quantized }) => [op.kind, (quantized as QuantizedMac).slopes !== undefined]);
  const run = (mode: Recipe['mode'], slopes: readonly number[], behind: Recipe['layers']) =>
    kindsOf(foldTables.run(bentStages(mode, slopes, behind).integers));
  expect(run('single', slopesOf['of one sign'], [pool])).toEqual([['conv', true]]);
  expect(run('single', slopesOf['of both signs'], [pool])).toEqual([['conv', false]]);
  expect(run('pow2', [0.1], [])).toEqual([['conv', false]]);
  expect(run('compact', [0.1], [])).toEqual([['conv', false]]);
});
