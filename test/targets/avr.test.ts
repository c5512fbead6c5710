/** AVR, where int has 16 bits and constants lie in another address space: the bytes are the simulator's. */
import { expect } from 'vitest';
import { runNative } from '../../src/targets/native.ts';
import { evaluate } from '../oracles/kernel-evaluator.ts';
import { filesOf } from '../support/golden.ts';
import { samples } from '../support/sample-programs.ts';
import { testWith } from '../support/toolchain.ts';

testWith(['avr-gcc']).each(samples.map((sample) => [sample.program.name, sample] as const))(
  '%s on an ATmega328P: every byte, cycles, stack, constants in flash',
  async (_, sample) => {
    const { program, inputs } = sample;
    const options = { opt: '-Os', keepArenas: true };
    const ran = await runNative(program, filesOf(sample), 'atmega328p', inputs, options);
    if (ran.kind !== 'ran') throw new Error(JSON.stringify(ran));
    expect(ran.outcomes).toEqual(inputs.map((input) => evaluate(program, input)));
    const { instructions, cycles, stackBytes, sections } = ran.measures!;
    expect(instructions).toBeUndefined();
    const { by, perStep, total } = cycles!;
    expect(by).toBe('simulator');
    const sum = perStep.reduce((a, b) => a + b, 0);
    // The run itself calls each step.
    expect(total).toBeGreaterThan(sum);
    expect(total).toBeLessThan(sum + 40 * (program.steps.length + 1));
    expect(stackBytes).toBeLessThan(100);
    expect(sections.data).toBe(0);
    expect(sections.constants).toBeGreaterThan(20);
  },
);

testWith(['avr-gcc'])('what does not fit an ATmega328P is said in bytes', async () => {
  const [sample] = samples;
  const large = { ...sample!.program, arenaBytes: 3000 };
  const files = filesOf({ ...sample!, program: large });
  const ran = await runNative(large, files, 'atmega328p', sample!.inputs, { opt: '-Os' });
  expect(ran).toMatchObject({ kind: 'does not fit', overflow: { region: 'RAM', available: 2048 } });
});
