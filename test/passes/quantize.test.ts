/** The scales of a network's activations, in order, and what its layers make of them. */
import { expect, test } from 'vitest';
import type { Graph } from '../../src/ir/graph/graph.ts';
import type { QuantizedMac } from '../../src/ir/integers/mac.ts';
import { maxPool } from '../../src/ir/ops/max-pool.ts';
import type { Calibration } from '../../src/passes/calibrate.ts';
import { calibrate } from '../../src/passes/calibrate.ts';
import { type QuantizeOptions, quantize } from '../../src/passes/quantize.ts';
import { convolution, relu } from '../support/affine-layers.ts';
import { floatGraph, layer } from '../support/float-graph.ts';

const pool = layer(maxPool, {
  ...{
    kernel: [2, 2],
    strides: [2, 2],
    pads: [0, 0, 0, 0],
    autoPad: 'NOTSET',
    dilations: [1, 1],
    ceil: false,
  },
});
const pointwise = (weight: number) => convolution([1, 1, 1, 1], [weight]);
/** -2..2, then times 3, then ReLU, then the largest, then times -1. */
const graph = floatGraph([1, 1, 2, 2], [pointwise(3), relu, pool, pointwise(-1)]);
const calibration: Calibration = calibrate(graph, [Float32Array.of(-2, -1, 1, 2)], 'minmax');
const plain: QuantizeOptions = { mode: 'single', weightBits: 8, biasCorrection: false };
const quantized = (options: Partial<QuantizeOptions> = {}): Graph<'int8'> =>
  quantize(calibration, { ...plain, ...options }).run(graph);
const macs = (g: Graph<'int8'>): readonly QuantizedMac[] =>
  g.nodes.filter(({ op }) => op.kind === 'conv').map((node) => node.quantized as QuantizedMac);
const scaleOf = (g: Graph<'int8'>, name: string): number => g.tensors.get(name)!.quant!.scale;

test('an activation that padding or ReLU may read has its calibrated range, and 0 a byte of its own', () => {
  const g = quantized();
  expect(scaleOf(g, 'y0')).toBeCloseTo(12 / 255, 9);
  expect(g.tensors.get('y0')!.quant!.zeroPoint).toBe(128);
  expect(g.tensors.get('y1')!.quant).toEqual({ scale: 6 / 255, zeroPoint: 0 });
});

test('what only moves values keeps the scale of what it moves', () => {
  const g = quantized();
  expect(g.tensors.get('y2')!.quant).toEqual(g.tensors.get('y1')!.quant);
});

test('raw bytes come on the scale that is given', () =>
  expect(quantized({ input: { scale: 1, zeroPoint: 0 } }).tensors.get('x')!.quant).toEqual({
    scale: 1,
    zeroPoint: 0,
  }));

test('bits are for all layers, or by name; 8 where none are named', () => {
  expect(macs(quantized({ weightBits: 4 })).map(({ weights }) => weights[0])).toEqual([7, -7]);
  const named = quantized({ weightBits: new Map([['node3', 2]]) });
  expect(macs(named).map(({ weights }) => weights[0])).toEqual([127, -1]);
});

test('steps that are given are kept', () => {
  const [first] = macs(quantized({ weightSteps: new Map([['node0', Float64Array.of(0.25)]]) }));
  expect([first!.weights[0], first!.weightScales[0]]).toEqual([12, 0.25]);
});
