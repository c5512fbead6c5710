/** The engine's bytes are the simulator's: here for any Kernel IR; for networks it is one of the laws. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.ts';
import type { Program } from '../../../src/program/program.ts';
import { createSimulator } from '../../../src/sim/simulate.ts';
import { Trap } from '../../../src/sim/trap.ts';
import { bestInstructions, createEngine } from '../../../src/sim/wasm/engine.ts';
import * as ir from '../../support/ir.ts';
import { inputs, kernels, runs } from '../../support/kernels.ts';
import { Reached } from '../../support/reached.ts';
import { layerOf, programOf } from '../../support/stored-layers.ts';

/** The outcome under C's rules, or undefined where C does not say what happens. */
function defined(p: Program, input: Uint8Array) {
  try {
    return createSimulator(p, { mode: 'checked' }).run(input, { keepArenas: true });
  } catch (error) {
    if (error instanceof Trap) return undefined;
    throw error;
  }
}

test('random kernels leave the same arenas', () => {
  const reached = new Reached();
  fc.assert(
    fc.property(kernels(), inputs(), (k, input) => {
      const p = ir.single(k);
      const outcome = defined(p, input);
      if (outcome === undefined) return;
      reached.add('compared');
      expect(createEngine(p).run(input, { keepArenas: true })).toEqual(outcome);
    }),
    runs(1000),
  );
  reached.atLeast({ compared: 100 });
});

test('an input of another size is refused, and the machine says what it can', () => {
  const layer = layerOf({ seed: 1, density: 1, bits: 8, inputs: 5, outputs: 3 });
  const engine = createEngine(programOf(layer, layer.kernel({})));
  expect(() => engine.run(new Uint8Array(4))).toThrow(InputError);
  expect(() => engine.run(new Uint8Array(4))).toThrow(/4 bytes.*5 bytes: 5 elements of u8/s);
  expect(bestInstructions()).toBe('wasm-simd');
});
