/** Top-1 of the float model and of the int8 program on the test images. */
import { test } from 'vitest';
import { indexOfLargest } from '../src/base/extremes.ts';
import { evaluate } from '../src/ir/graph/evaluate.ts';
import { floats } from '../src/ir/tensor.ts';
import { arrangeInput, decodeOutput } from '../src/program/values.ts';
import { createSimulator } from '../src/sim/simulate.ts';
import { formatPercent } from '../src/text/numbers.ts';
import { wilson } from '../src/text/wilson.ts';
import { compiledOf, labelsOf, type Net, nets, samplesOf } from './models.ts';
import { count, markdown, writeSection } from './page.ts';

function row(net: Net): readonly string[] {
  const test = samplesOf(net, 'test');
  const labels = labelsOf(test);
  const { program, floatGraph } = compiledOf(net);
  const simulator = createSimulator(program, { mode: 'fast' });
  const [input = '', output = ''] = [floatGraph.inputs[0], floatGraph.outputs[0]];
  const shape = [1, ...net.sampleShape];
  let [float, int8, same] = [0, 0, 0];
  for (let i = 0; i < test.count; i++) {
    const real = evaluate(floatGraph, new Map([[input, floats(shape, test.real(i))]])).get(output);
    const f = indexOfLargest(Float32Array.from(real!.data));
    const bytes = arrangeInput(program, test.pixels!.raw(i));
    const q = indexOfLargest(decodeOutput(program, simulator.run(bytes).output));
    float += Number(f === labels[i]);
    int8 += Number(q === labels[i]);
    same += Number(f === q);
  }
  const shown = (hits: number): string => {
    const { low, high } = wilson({ hits, total: test.count });
    return `${formatPercent(hits / test.count)} (${formatPercent(low)} to ${formatPercent(high)})`;
  };
  return [
    net.title,
    count(test.count),
    shown(float),
    shown(int8),
    (((int8 - float) * 100) / test.count).toFixed(2),
    formatPercent(same / test.count),
  ];
}

test('accuracy', () => {
  const head = [
    'net',
    'test images',
    'float top-1 (95 % interval)',
    'int8 top-1 (95 % interval)',
    'points',
    'same class',
  ];
  writeSection('accuracy', markdown(head, nets.map(row)));
});
