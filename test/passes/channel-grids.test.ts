/** Activations inside of networks with a scale and a zero point for each channel. */
import { expect, test } from 'vitest';
import { createSimulator } from '../../src/index.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { avgPool } from '../../src/ir/ops/avg-pool.ts';
import { maxPool } from '../../src/ir/ops/max-pool.ts';
import { layerErrors, measure } from '../../src/judge/layer-errors.ts';
import { type Calibration, calibrate } from '../../src/passes/calibrate.ts';
import { quantize } from '../../src/passes/quantize.ts';
import { encodeInput } from '../../src/program/values.ts';
import { prove } from '../../src/prove/prove.ts';
import { oracle } from '../oracles/network.ts';
import { convolution } from '../support/affine-layers.ts';
import { Draw } from '../support/draw.ts';
import { floatGraph, layer } from '../support/float-graph.ts';
import { int8Error } from '../support/int8-error.ts';
import { encodeModel, floatTensor, int, ints, type NodeSpec, valueInfo } from '../support/onnx-model.ts';
import { integerStages } from '../support/pipeline.ts';
import { recipesOf } from '../support/property.ts';

const window = {
  kernel: [2, 2],
  strides: [2, 2],
  pads: [0, 0, 0, 0],
  autoPad: 'NOTSET',
  dilations: [1, 1],
  ceilMode: false,
  countIncludePad: false,
};

/** Every channel as if it had seen what the tensor has. */
function alike(calibration: Calibration): Calibration {
  const channels = new Map(
    [...calibration.channels].map(([name, seen]) => {
      const { lo, hi } = calibration.ranges.get(name)!;
      return [name, seen.map((one) => ({ ...one, lo, hi, timesLo: 2, timesHi: 2 }))];
    }),
  );
  return { ...calibration, channels };
}

const numbersOf = (graph: Graph<'int8'>): unknown =>
  graph.nodes.map(({ quantized }) => {
    // The same, weight by weight.
    const { steps: _, ...q } = { steps: undefined, ...(quantized as object) };
    return q;
  });

test.each([true, false])(
  'equal grids for all channels are one grid, byte for byte; bias correction %s',
  (biasCorrection) => {
    const draw = new Draw(5);
    const weights = (count: number): number[] => [...draw.floats(count, -1, 1)];
    const padded = convolution([3, 2, 3, 3], weights(54), { pad: 1 });
    const graph = floatGraph(
      [1, 2, 8, 8],
      [
        padded,
        convolution([3, 1, 3, 3], weights(27), { groups: 3, pad: 1 }),
        layer(maxPool, window),
        layer(avgPool, window),
        convolution([4, 3, 1, 1], weights(12)),
      ],
    );
    const samples = Array.from({ length: 12 }, () => draw.floats(128, -1, 3));
    const calibration = alike(calibrate(graph, samples, 'minmax'));
    const options = { mode: 'single', weightBits: 8, biasCorrection } as const;
    const [one, own] = [options, { ...options, channelGrids: 'all' } as const].map((o) =>
      quantize(calibration, o).run(graph),
    );
    const made = [...own!.tensors].filter(([, { quant }]) => quant?.channels !== undefined);
    expect(made.map(([name]) => name)).toEqual(['y0', 'y1', 'y2', 'y3']);
    expect(numbersOf(own!)).toEqual(numbersOf(one!));
  },
);

/**
 * Two layers of which each second channel is a thousandth as large, summed or side by side, and a batch normalization
 * that makes all alike.
 */
function branches(join: 'Add' | 'Concat') {
  const draw = new Draw(7);
  const [half, channels] = [6, join === 'Add' ? 6 : 12];
  const size = (c: number): number => (c % 2 === 0 ? 1 : 0.01);
  const rows = (depth: number, perRow: number, of: (row: number) => number) =>
    Array.from({ length: depth * perRow }, (_, i) => draw.between(-1, 1) * of(Math.floor(i / perRow)));
  const each = (of: (c: number) => number) => Array.from({ length: channels }, (_, c) => of(c));
  const nodes: NodeSpec[] = [
    { op: 'Conv', inputs: ['x', 'w0'], outputs: ['a'], attributes: [ints('pads', [1, 1, 1, 1])] },
    { op: 'Conv', inputs: ['x', 'w1'], outputs: ['b'], attributes: [ints('pads', [1, 1, 1, 1])] },
    {
      op: join,
      inputs: ['a', 'b'],
      outputs: ['j'],
      ...(join === 'Add' ? {} : { attributes: [int('axis', 1)] }),
    },
    { op: 'BatchNormalization', inputs: ['j', 'one', 'zero', 'zero', 'variance'], outputs: ['n'] },
    { op: 'Relu', inputs: ['n'], outputs: ['r'] },
    { op: 'Conv', inputs: ['r', 'w2'], outputs: ['y'], attributes: [ints('pads', [1, 1, 1, 1])] },
  ];
  const model = encodeModel({
    nodes,
    initializers: [
      floatTensor('w0', [half, 3, 3, 3], rows(half, 27, size)),
      floatTensor('w1', [half, 3, 3, 3], rows(half, 27, size)),
      floatTensor(
        'w2',
        [4, channels, 3, 3],
        rows(4, channels * 9, () => 1),
      ),
      floatTensor(
        'one',
        [channels],
        each(() => 1),
      ),
      floatTensor(
        'zero',
        [channels],
        each(() => 0),
      ),
      floatTensor(
        'variance',
        [channels],
        each((c) => size(c) ** 2),
      ),
    ],
    inputs: [valueInfo('x', [1, 3, 8, 8])],
  });
  const inputs = Array.from({ length: 64 }, () => draw.floats(192, -2, 2));
  return { model, inputs };
}

test.each(['Add', 'Concat'] as const)(
  'channels of very different size behind %s keep their decibels',
  (join) => {
    const { model, inputs } = branches(join);
    const { sqnr, compiled } = int8Error(model, inputs);
    const { assembled, program } = compiled;
    if (assembled.stage !== 'int8') throw new Error('an int8 graph');
    expect(assembled.tensors.get('j')!.quant!.channels).toHaveLength(join === 'Add' ? 6 : 12);
    expect(sqnr).toBeGreaterThan(30);
    // With one grid for all of them.
    expect(int8Error(model, inputs, { requant: 'ort-float', activationBits: 8 }).sqnr).toBeLessThan(20);
    // Where the numbers go in the wrong channel's unit, a layer is far from the float network's.
    const errors = layerErrors(compiled, measure(compiled, inputs.slice(32, 40)));
    for (const { sqnr: own, tensor } of errors) expect(own, tensor).toBeGreaterThan(30);
    for (const { kernel } of program.steps) expect(prove(kernel).unproven).toEqual([]);
    const bytes = encodeInput(program, inputs[0]!);
    const { output } = createSimulator(program, { mode: 'checked' }).run(bytes);
    const logical = Uint8Array.from(bytes, (_, i) => bytes[(i % 64) * 3 + Math.floor(i / 64)]!);
    const wanted = oracle(assembled, logical).get(assembled.outputs[0]!)!;
    expect(output).toEqual(Uint8Array.from(wanted, (_, i) => wanted[(i % 4) * 64 + Math.floor(i / 4)]!));
  },
);

test('what reads or makes no channels of its own, and roundings of other runtimes, keep one grid', () => {
  const { model, inputs } = branches('Add');
  const gridsOf = (options: object) =>
    [...int8Error(model, inputs, options).compiled.assembled.tensors.values()].filter(
      ({ quant }: { quant?: { channels?: unknown } }) => quant?.channels !== undefined,
    ).length;
  expect(gridsOf({ requant: 'compact' })).toBeGreaterThan(0);
  expect(gridsOf({ requant: 'ort-float' })).toBe(0);
  expect(gridsOf({ calibrationMethod: 'percentile' })).toBe(0);
});

test('random networks have them where operators of all kinds read and make them', () => {
  const found = new Map<string, number>();
  for (const recipe of recipesOf(1, 300)) {
    if (recipe.seed % 3 !== 0) continue;
    const { nodes, tensors } = integerStages({ ...recipe, arith: 'int8' }).integers;
    for (const { op, inputs, outputs } of nodes)
      if ([...inputs, ...outputs].some((name) => tensors.get(name)?.quant?.channels !== undefined))
        found.set(op.kind, (found.get(op.kind) ?? 0) + 1);
  }
  for (const kind of ['conv', 'linear', 'reshape', 'add'])
    expect(found.get(kind) ?? 0, kind).toBeGreaterThan(2);
});
