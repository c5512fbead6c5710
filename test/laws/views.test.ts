/** Outputs that are parts of other tensors, or made of them, beside those tensors themselves. */

import { expect, test } from 'vitest';
import { emitC } from '../../src/emit/package.ts';
import { evaluate, inputTensors } from '../../src/ir/graph/evaluate.ts';
import { variantsOf } from '../../src/lower/variants.ts';
import { canonicalize } from '../../src/passes/canonicalize.ts';
import { decodeOutputs, encodeInput } from '../../src/program/values.ts';
import { inference, simulate } from '../../src/runtime/engines.ts';
import { compareOutcomes } from '../../src/sim/difference.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { runNative } from '../../src/targets/native.ts';
import { hostTools, testWith } from '../support/toolchain.ts';
import { viewNames, viewSamples, viewsBuilt, viewsModel } from '../support/views.ts';

const choices = [
  viewNames,
  ['both', 'a'],
  ['middle', 'last'],
  ['front', 'last'],
  ['given', 'a'],
  ['inputs', 'given'],
  ['last', 'b', 'given'],
];

test.each(choices.map((outputs) => [outputs.join(', '), outputs] as const))('%s', (_, outputs) => {
  const float = canonicalize.run(viewsModel(outputs));
  for (const arith of ['int8', 'float32'] as const) {
    const { program } = viewsBuilt(outputs, arith);
    expect(program.outputs.map(({ name }) => name)).toEqual(outputs);
    for (const sample of viewSamples.slice(0, 3)) {
      const bytes = encodeInput(program, sample);
      const { output } = simulate(program, bytes);
      expect(inference(program, 'wasm-simd')(bytes).output).toEqual(output);
      const wanted = evaluate(float, inputTensors(float, sample));
      decodeOutputs(program, output).forEach((numbers, o) => {
        const { data } = wanted.get(outputs[o]!)!;
        expect(numbers).toHaveLength(data.length);
        numbers.forEach((x, k) => {
          expect(Math.abs(x - data[k]!)).toBeLessThan(arith === 'int8' ? 0.02 : 1e-6);
        });
      });
    }
  }
});

testWith(hostTools).each(['int8', 'float32'] as const)('%s: their C has the same bytes', async (arith) => {
  const { program, examples } = viewsBuilt(viewNames, arith);
  const files = emitC(program, {
    ...{ command: '', version: '', hash: '', golden: [] },
    variants: variantsOf(program),
  });
  const ran = await runNative(program, files, 'host-gcc', examples, { keepArenas: true, opt: '-O0' });
  if (ran.kind !== 'ran') throw new Error('the host has memory enough');
  const simulator = createSimulator(program, { mode: 'fast' });
  examples.forEach((input, i) => {
    const here = simulator.run(input, { keepArenas: true });
    expect(compareOutcomes(program, here, ran.outcomes[i]!)).toBeUndefined();
  });
});
