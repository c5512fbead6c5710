/** What stands around an image: one value per channel, and tiles that reach beyond it by one pixel. */
import { expect, test } from 'vitest';
import { conv, type QuantizedConv } from '../../../../src/ir/ops/conv.ts';
import { countOf, floats, type Shape } from '../../../../src/ir/tensor.ts';
import { calibrate } from '../../../../src/passes/calibrate.ts';
import { quantize } from '../../../../src/passes/quantize.ts';
import { assemble } from '../../../../src/plan/assemble.ts';
import { arrangeInput } from '../../../../src/program/values.ts';
import { oracle } from '../../../oracles/network.ts';
import { Draw } from '../../../support/draw.ts';
import { floatGraph, layer } from '../../../support/float-graph.ts';
import { factsOf, outputSlot, rowMajor, simulated } from '../../../support/kernel-laws.ts';

/** A convolution whose stored padding is these bytes, by input channel. */
function convolved(shape: Shape, kernel: readonly number[], padding: readonly number[]) {
  const draw = new Draw(8);
  const weights: Shape = [4, padding.length, ...kernel];
  const attrs = {
    kernel,
    strides: kernel.map(() => 1),
    pads: [...kernel, ...kernel].map((k) => (k - 1) / 2),
    dilations: kernel.map(() => 1),
    autoPad: 'NOTSET',
    groups: 1,
  };
  const constants = [floats(weights, draw.floats(countOf(weights), -1, 1))];
  const graph = floatGraph(shape, [layer(conv, attrs, { constants })]);
  const samples = [draw.floats(countOf(shape), -1, 3)];
  const options = { mode: 'single', weightBits: 8, biasCorrection: false } as const;
  const integers = quantize(calibrate(graph, samples, 'minmax'), options).run(graph);
  const nodes = integers.nodes.map((node) => {
    const quantized: QuantizedConv = { ...(node.quantized as QuantizedConv), padding };
    return { ...node, quantized };
  });
  return { ...integers, nodes };
}

test.each([
  ['one value per channel', [1, 3, 6, 7], [3, 3], [10, 250, 30]],
  ['one value for all channels', [1, 3, 6, 7], [3, 3], [77, 77, 77]],
  ['only the last channel differs', [1, 3, 6, 7], [3, 3], [77, 77, 78]],
  ['one pixel of padding in the first tile, one in the last', [1, 1, 16], [3], [200]],
  ['one pixel of padding, two channels', [1, 2, 5], [3], [200, 3]],
] as const)('%s', (_, shape, kernel, padding) => {
  const graph = convolved(shape, kernel, padding);
  const { program } = assemble(graph, { name: 'net', strategy: 'separate' });
  const draw = new Draw(9);
  for (const bytes of [draw.bytes(countOf(shape)), new Uint8Array(countOf(shape)).fill(255)]) {
    const [outcome] = simulated(program, [arrangeInput(program, bytes)], factsOf(program));
    const stored = rowMajor(outputSlot(program, 0), outcome!.arenas[0]!);
    expect([...stored]).toEqual([...oracle(graph, bytes).get('y0')!]);
  }
});
