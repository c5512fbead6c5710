/** Other computers, of 64 bits and big-endian, as processes under QEMU; and an ESP8266's core. */
import { expect } from 'vitest';
import { verifyArtifact } from '../../src/artifact/node-verify.ts';
import { onlyAlive } from '../../src/targets/byte-order.ts';
import { runNative } from '../../src/targets/native.ts';
import { traceNative } from '../../src/targets/trace.ts';
import { evaluate } from '../oracles/kernel-evaluator.ts';
import { filesOf } from '../support/golden.ts';
import { samples } from '../support/sample-programs.ts';
import { testWith } from '../support/toolchain.ts';

const machines = [
  ['aarch64', 'aarch64-linux-gnu-gcc', 'qemu-aarch64'],
  ['rv64', 'riscv64-linux-gnu-gcc', 'qemu-riscv64'],
  ['ppc', 'powerpc-linux-gnu-gcc', 'qemu-ppc'],
] as const;

for (const [target, ...tools] of machines)
  testWith(tools).each(samples.map((sample) => [sample.program.name, sample] as const))(
    `${target}: %s leaves the bytes that the kernels mean`,
    async (_, sample) => {
      const { program, inputs } = sample;
      const ran = await runNative(program, filesOf(sample), target, inputs, { keepArenas: true, opt: '-O1' });
      const expected = inputs.map((input) => evaluate(program, input));
      expect(ran).toEqual({
        kind: 'ran',
        outcomes: target === 'ppc' ? expected.map((one) => onlyAlive(program, one)) : expected,
      });
    },
  );

testWith(['powerpc-linux-gnu-gcc', 'qemu-ppc'])(
  'a wrong byte is found where numbers begin with the highest',
  async () => {
    const sample = samples.find(({ program }) => program.name === 'sample_words')!;
    const { program, inputs } = sample;
    const options = { inputs, targets: ['ppc'] } as const;
    const [right] = (await verifyArtifact({ program, sources: filesOf(sample) }, options)).rows;
    expect(right).toMatchObject({ status: 'equal', mismatches: 0 });
    const whole = inputs.length * program.arenaBytes * program.steps.length;
    expect(right!.bytesCompared).toBeGreaterThan(whole / 4);
    expect(right!.bytesCompared).toBeLessThan(whole);
    const sources = new Map(
      [...filesOf(sample)].map(([name, text]) => [name, text.replace('* -3 - 5', '* -3 - 4')]),
    );
    const [wrong] = (await verifyArtifact({ program, sources }, options)).rows;
    await expect(traceNative(program, sources, 'ppc', inputs, { level: 1 })).rejects.toThrow(
      'little-endian devices',
    );
    expect(wrong).toMatchObject({ status: 'differs' });
  },
);

testWith(['xtensa-lx106-elf-gcc', 'qemu-system-xtensa'])(
  'an ESP8266: every byte, instructions, stack',
  async () => {
    for (const sample of samples) {
      const { program, inputs } = sample;
      const running = runNative(program, filesOf(sample), 'esp8266', inputs, {
        keepArenas: true,
        opt: '-Os',
      });
      if (program.arith === 'float32') {
        await expect(running).rejects.toThrow(/esp8266: float arithmetic .* in the chip's ROM/);
        continue;
      }
      const ran = await running;
      if (ran.kind !== 'ran') throw new Error(JSON.stringify(ran));
      expect(ran.outcomes).toEqual(inputs.map((input) => evaluate(program, input)));
      const { instructions, stackBytes } = ran.measures!;
      const { perStep, total } = instructions!;
      const sum = perStep.reduce((a, b) => a + b, 0);
      expect(Math.abs(total - sum)).toBeLessThan(40 * (program.steps.length + 1));
      expect(stackBytes).toBeGreaterThan(0);
    }
  },
);
