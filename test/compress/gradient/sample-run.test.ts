import { expect, test } from 'vitest';
import { must } from '../../../src/base/errors.ts';
import { macLayers } from '../../../src/compress/fit/layers.ts';
import { withWeights } from '../../../src/compress/fit/refit.ts';
import { SampleRun } from '../../../src/compress/gradient/sample-run.ts';
import { evaluate } from '../../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../../src/ir/graph/graph.ts';
import { floats } from '../../../src/ir/tensor.ts';
import { outputsOf, prunableInputs, prunableNet } from '../../support/prunable.ts';

const net = prunableNet(3);
const direction = Float64Array.of(1, -1, 1, 1);

const along = (graph: Graph<'float'>, input: Float32Array): number =>
  outputsOf(graph, input).reduce((sum, y, i) => sum + y * direction[i]!, 0);

/** The network with one bias moved. */
function moved(graph: Graph<'float'>, node: string, row: number, by: number): Graph<'float'> {
  const layer = must(
    macLayers(graph).find((l) => l.node.name === node),
    node,
  );
  const bias = layer.bias.map((b, i) => (i === row ? b + by : b));
  return withWeights(graph, new Map([[layer, { weights: layer.weights, bias }]]));
}

/*
 * A bias is added to the sums at every position, so its derivative is the sum of theirs. The network is piecewise
 * linear: but for a kink within 1e-3, differences are exact up to float32's rounding of sums near 1, 1e-7 / 2e-3.
 */
test.each(macLayers(net).map((layer, l) => [layer.node.name, layer.rows, l] as const))(
  'gradients of the sums of %s are differences by its biases',
  (name, rows, l) => {
    const [input] = prunableInputs(1, 11);
    const run = new SampleRun(net);
    run.forward(input!);
    const gradient = run.backward(direction)[l]!;
    const positions = gradient.length / rows;
    for (let row = 0; row < rows; row++) {
      const sum = gradient.subarray(row * positions, (row + 1) * positions).reduce((s, g) => s + g, 0);
      const step = 1e-3;
      const [up, down] = [moved(net, name, row, step), moved(net, name, row, -step)];
      const difference = (along(up, input!) - along(down, input!)) / (2 * step);
      expect(Math.abs(sum - difference)).toBeLessThan(2e-3);
    }
  },
);

test('values are the bits of the references', () => {
  const [input] = prunableInputs(1, 12);
  const run = new SampleRun(net);
  run.forward(input!);
  const { shape } = net.tensors.get(net.inputs[0]!)!;
  evaluate(net, new Map([[net.inputs[0]!, floats(shape, input!)]]), (name, tensor) => {
    expect(run.value(name), name).toEqual(tensor);
  });
});
