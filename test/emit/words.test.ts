/** Copies into patches in words, on chips whose C libraries copy bytes. */
import { expect, test } from 'vitest';
import { emitC } from '../../src/emit/package.ts';
import type { Program } from '../../src/program/program.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { runNative } from '../../src/targets/native.ts';
import { add, copy, fill, for_, int, kernel, load, local, mul, param, single, store } from '../support/ir.ts';
import { testWith } from '../support/toolchain.ts';

/** For i of 0..8: out = 4 (3 i) bytes of in from 5 i on, behind `first` bytes; all before and behind is 7. */
const moving = (first: number): Program =>
  single(
    kernel(
      `moves${first}`,
      [param('in', 'in', 'u8', 160), param('out', 'out', 'u8', 9 * 128 + first)],
      [
        fill('u8', 'out', int(0), int(7), int(9 * 128 + first)),
        for_('i', 0, 9, [
          fill('u8', 'out', add(mul(local('i'), 128), first), int(201), mul(local('i'), 8)),
          copy(
            'u8',
            'out',
            add(mul(local('i'), 128), first + 4),
            'in',
            mul(local('i'), 4),
            mul(local('i'), 12),
          ),
        ]),
        store('out', 'u8', int(first), load('in', 'u8', int(1))),
      ],
    ),
  );

const textOf = (program: Program): string =>
  [...emitC(program, { command: '', version: '', hash: '', golden: [] }).values()].join('\n');

test('what is to be small calls memcpy and memset', () => {
  expect(textOf(moving(0))).toContain('_COPY(');
  expect(textOf({ ...moving(0), aim: 'flash' })).not.toMatch(/_COPY|_FILL/);
});

testWith(['arm-none-eabi-gcc', 'riscv64-unknown-elf-gcc'])('bytes are those of the definition', async () => {
  const input = Uint8Array.from({ length: 160 }, (_, i) => (37 * i + 11) & 255);
  for (const target of ['rv32imc', 'cortex-m0'] as const)
    for (const first of [0, 1]) {
      const program = moving(first);
      const { output } = createSimulator(program, { mode: 'checked' }).run(input);
      const files = emitC(program, { command: '', version: '', hash: '', golden: [] });
      const ran = await runNative(program, files, target, [input], {});
      expect(ran.kind === 'ran' && [...ran.outcomes[0]!.output], `${target} ${first}`).toEqual([...output]);
    }
});
