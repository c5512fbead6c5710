/** Averages in integers: where the step stays they are TensorFlow Lite's and CMSIS-NN's, else on a grid of their own. */
import { describe, expect, test } from 'vitest';
import type { RequantMode } from '../../../src/ir/graph/op.ts';
import { divideNearest } from '../../../src/ir/kernel/prims/divide.ts';
import { avgPool, type QuantizedAverage } from '../../../src/ir/ops/avg-pool.ts';
import type { PoolAttrs } from '../../../src/ir/ops/common/pool.ts';
import { countOf, type Shape } from '../../../src/ir/tensor.ts';
import { calibrate } from '../../../src/passes/calibrate.ts';
import { quantize } from '../../../src/passes/quantize.ts';
import { assemble } from '../../../src/plan/assemble.ts';
import { arrangeInput } from '../../../src/program/values.ts';
import { averageOf } from '../../oracles/cmsis-nn.ts';
import { oracle } from '../../oracles/network.ts';
import { Draw } from '../../support/draw.ts';
import { floatGraph, layer } from '../../support/float-graph.ts';
import { factsOf, outputSlot, requireProved, rowMajor, simulated } from '../../support/kernel-laws.ts';

test('every sum of up to 64 signed bytes goes to the nearest integer, halves away from 0', () => {
  const found = { sums: 0, wrong: 0 };
  for (let n = 1; n <= 64; n++)
    for (let sum = -128 * n; sum <= 127 * n; sum++) {
      const [down, rest] = [Math.floor(sum / n), sum - Math.floor(sum / n) * n];
      const wanted = 2 * rest > n || (2 * rest === n && sum > 0) ? down + 1 : down;
      found.sums++;
      if (divideNearest.js(sum, n) !== wanted) found.wrong++;
    }
  expect(found).toEqual({ sums: 530_464, wrong: 0 });
});

const window = (kernel: readonly number[], more: Partial<PoolAttrs> = {}): PoolAttrs => ({
  kernel,
  strides: kernel,
  pads: kernel.flatMap(() => [0, 0]),
  dilations: kernel.map(() => 1),
  autoPad: 'NOTSET',
  ceilMode: false,
  countIncludePad: false,
  ...more,
});

/** One average pool that reads the input of a network, calibrated on two noises from -1 to 3. */
function pooled(attrs: PoolAttrs, shape: Shape, mode: RequantMode) {
  const draw = new Draw(5);
  const samples = [0, 1].map(() => draw.floats(countOf(shape), -1, 3));
  const graph = floatGraph(shape, [layer(avgPool, attrs)]);
  const pass = quantize(calibrate(graph, samples, 'minmax'), { mode, weightBits: 8, biasCorrection: true });
  return pass.run(graph);
}

const cases: readonly (readonly [string, PoolAttrs, Shape])[] = [
  ['2x2', window([2, 2]), [1, 4, 40, 40]],
  ['3x3, overlapping, clipped', window([3, 3], { strides: [2, 2], pads: [1, 1, 1, 1] }), [1, 3, 21, 20]],
  [
    '3x3, padding counted',
    window([3, 3], { strides: [1, 1], pads: [1, 1, 1, 1], countIncludePad: true }),
    [1, 3, 19, 12],
  ],
  ['2 of a row, dilated', window([2], { strides: [1], dilations: [3] }), [1, 5, 200]],
  ['ceil mode', window([2, 2], { ceilMode: true }), [1, 2, 15, 13]],
  ['all of the image', window([7, 5]), [1, 150, 7, 5]],
];

describe.each(cases)('%s', (_, attrs, shape) => {
  test.each(['single', 'tfl-double', 'ort-float', 'pow2', 'compact'] as const)('%s', (mode) => {
    const graph = pooled(attrs, shape, mode);
    const { program } = assemble(graph, { name: 'net', strategy: 'separate' });
    const facts = factsOf(program);
    requireProved(program, facts);
    const bytes = new Draw(6).bytes(countOf(shape));
    const [outcome] = simulated(program, [arrangeInput(program, bytes)], facts);
    const last = program.steps.length - 1;
    const stored = rowMajor(outputSlot(program, last), outcome!.arenas[last]!);
    expect([...stored]).toEqual([...oracle(graph, bytes).get('y0')!]);
  });
});

test.each(['tfl-double', 'pow2'] as const)(
  '%s keeps scale and zero point, and the mean of the bytes',
  (mode) => {
    const graph = pooled(window([2, 2]), [1, 4, 40, 40], mode);
    const [x, y] = [graph.tensors.get('x')!.quant!, graph.tensors.get('y0')!.quant!];
    expect(y).toEqual(x);
    expect(x.zeroPoint).toBeGreaterThan(0);
    const bytes = new Draw(7).bytes(6400);
    const out = oracle(graph, bytes).get('y0')!;
    out.forEach((byte, i) => {
      const [c, row, column] = [Math.floor(i / 400), Math.floor((i % 400) / 20), i % 20];
      const first = c * 1600 + 80 * row + 2 * column;
      const four = [first, first + 1, first + 40, first + 41].map((at) => bytes[at]!);
      expect(byte).toBe(averageOf(four));
    });
  },
);

test('an average with the same step but another zero point needs no multiplier', () => {
  const graph = pooled(window([2, 2]), [1, 1, 8, 8], 'tfl-double');
  const [node] = graph.nodes;
  const q: QuantizedAverage = { input: { scale: 1, zeroPoint: 7 }, output: { scale: 1, zeroPoint: -300 } };
  const shifted = { ...graph, nodes: [{ ...node!, quantized: q }] };
  const { program } = assemble(shifted, { name: 'net', strategy: 'separate' });
  const bytes = new Uint8Array(64).fill(255);
  // 255 - 7 - 300 is below the grid.
  expect([...simulated(program, [bytes], factsOf(program))[0]!.output]).toEqual(new Array(16).fill(0));
});

test('means of many inputs have steps finer than their inputs', () => {
  const shape = [1, 16, 8, 8];
  const graph = pooled(window([8, 8]), shape, 'single');
  const [x, y] = [graph.tensors.get('x')!.quant!, graph.tensors.get('y0')!.quant!];
  // Of 64 numbers within -1..3 the mean deviates by about 0.14.
  expect(y.scale).toBeLessThan(x.scale / 2.5);
});
