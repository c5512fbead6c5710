/** What C prints through serial ports is what `createTrace` says that it prints, and the reader gets it back. */
import { expect } from 'vitest';
import { emitC } from '../../src/emit/emit.ts';
import type { TargetName } from '../../src/emit/native-targets.ts';
import { traceNative } from '../../src/emit/native-trace.ts';
import { tracedRows, tracedTables } from '../../src/emit/traced.ts';
import { must } from '../../src/ir/errors.ts';
import type { Program } from '../../src/ir/program.ts';
import { tableBytes } from '../../src/ir/table-bytes.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { crc32 } from '../../src/trace/crc32.ts';
import { readTrace } from '../../src/trace/read.ts';
import type { DeviceTrace } from '../../src/trace/trace.ts';
import { createTrace } from '../../src/trace/write.ts';
import { lenet, numbers } from '../support/lenet.ts';
import { crossTools, hostTools, testWith } from '../support/toolchain.ts';

const build = '0123456789abcdef';
const filesOf = (program: Program) =>
  emitC(program, { command: '', version: '', hash: '', build, golden: [] });

/** The whole serial log of `traceFirmware`, with the addresses that the device said. */
function expectedLog(
  program: Program,
  inputs: readonly Uint8Array[],
  level: 1 | 2,
  trace: DeviceTrace,
): string {
  const simulator = createSimulator(program, { mode: 'fast' });
  const runs = inputs.map((input, i) => {
    const run = must(trace.runs[i], `run ${i} of ${inputs.length}`);
    const outcome = simulator.run(input, { keepArenas: true });
    const { arena = -1, stack = -1, tables } = run;
    const tableAddresses = tables.map(({ address }) => address);
    const text = createTrace(program, { input, outcome }, { level, build, arena, stack, tableAddresses });
    return `inference: ${text}done\r\n`;
  });
  return `\r\n*** boot ***\r\nclock 48 MHz ~ok\r\n${runs.join('')}`;
}

/** The trace of a target is the simulator's byte for byte, and says what the program says. */
async function checkOn(
  program: Program,
  inputs: readonly Uint8Array[],
  target: TargetName,
  level: 1 | 2,
): Promise<void> {
  const log = await traceNative(program, filesOf(program), target, inputs, { level });
  const trace = readTrace(log);
  expect(trace).toMatchObject({ name: program.name, build });
  expect(trace.runs.map(({ complete }) => complete)).toEqual(inputs.map(() => true));
  expect(new Set(trace.problems.map(({ kind }) => kind))).toEqual(new Set(['noise']));
  expect(Buffer.from(log).toString('latin1')).toBe(expectedLog(program, inputs, level, trace));
  for (const run of trace.runs) {
    expect(run.tables.map(({ length, crc }) => ({ length, crc }))).toEqual(
      tracedTables(program)
        .map(tableBytes)
        .map((bytes) => ({ length: bytes.length, crc: crc32(bytes) })),
    );
    expect(run.layers.length).toBe(program.steps.length + 2);
    const all = run.layers.flatMap(({ inputs: read, outputs }) => [...read, ...outputs]);
    expect(all.length).toBe(tracedRows(program).length);
    expect(
      all.every(({ bytes, missing }) => (bytes !== undefined) === (level === 2) && missing.length === 0),
    ).toBe(true);
    expect(run.layers.flatMap(({ inputs: read }) => read).every(({ changed }) => changed === false)).toBe(
      true,
    );
  }
}

function randomInputs(program: Program, count: number): Uint8Array[] {
  const next = numbers(77);
  const { length } = must(program.slots[program.input], 'an input');
  return Array.from({ length: count }, () => Uint8Array.from({ length }, () => next(0, 255)));
}

testWith([...hostTools, ...crossTools]).each<[TargetName, 1 | 2]>([
  ['host-gcc', 2],
  ['cortex-m0', 1],
  ['cortex-m3', 2],
  ['cortex-m4', 1],
  ['cortex-m33', 2],
  ['cortex-m55', 1],
  ['fe310', 2],
  ['rv32imc', 1],
])(
  'LeNet-5 on %s, level %i',
  async (target, level) => {
    const program = lenet();
    await checkOn(program, randomInputs(program, 2), target, level);
  },
  120_000,
);
