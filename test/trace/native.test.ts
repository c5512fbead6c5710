/** What C prints through serial ports is what `createTrace` says that it prints, and the reader gets it back. */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import fc from 'fast-check';
import { expect } from 'vitest';
import { crc32 } from '../../src/base/crc32.ts';
import { must } from '../../src/base/errors.ts';
import { emitC } from '../../src/emit/package.ts';
import { tableBytes } from '../../src/ir/kernel/table-bytes.ts';
import { variantsOf } from '../../src/lower/variants.ts';
import type { Program } from '../../src/program/program.ts';
import { tracedRows, tracedTables } from '../../src/program/traced.ts';
import { createSimulator } from '../../src/sim/simulate.ts';
import { type Build, compileC99, type Sections, sectionsOf } from '../../src/targets/link.ts';
import { inFolder, writeAll } from '../../src/targets/native.ts';
import { type Target, type TargetName, targets } from '../../src/targets/targets.ts';
import { traceNative } from '../../src/targets/trace.ts';
import { readTrace } from '../../src/trace/read.ts';
import type { DeviceTrace } from '../../src/trace/trace.ts';
import { createTrace } from '../../src/trace/write.ts';
import { lenet, numbers } from '../support/lenet.ts';
import { built } from '../support/pipeline.ts';
import { portsBuilt } from '../support/port-ops.ts';
import { recipesOf } from '../support/property.ts';
import { int8Sample } from '../support/sample-programs.ts';
import { crossTools, hostTools, testWith } from '../support/toolchain.ts';
import { viewNames, viewsBuilt } from '../support/views.ts';

const build = '0123456789abcdef';
const filesOf = (program: Program) =>
  emitC(program, {
    ...{ command: '', version: '', hash: '', build, golden: [] },
    variants: variantsOf(program),
  });

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
  const { length } = must(program.slots[program.inputs[0]!.slot], 'an input');
  return Array.from({ length: count }, () => Uint8Array.from({ length }, () => next(0, 255)));
}

const everywhere = testWith([...hostTools, ...crossTools]);

// One chip for each kind of serial port, and the host.
everywhere.each<[TargetName, 1 | 2]>([
  ['host-gcc', 2],
  ['cortex-m0', 1],
  ['cortex-m4', 2],
  ['cortex-m33', 1],
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

// There constants, and tables of the trace itself, lie in program memory, and an int has 16 bits.
testWith(['avr-gcc'])('an ATmega328P', async () => {
  await checkOn(int8Sample, randomInputs(int8Sample, 2), 'atmega328p', 2);
});

everywhere(
  'several inputs and outputs',
  async () => {
    for (const [arith, target, level] of [
      ['int8', 'host-gcc', 2],
      ['int8', 'cortex-m0', 2],
      ['float32', 'rv32imc', 1],
    ] as const) {
      for (const { program, examples } of [portsBuilt(arith), viewsBuilt(viewNames, arith)])
        await checkOn(program, examples, target, level);
    }
  },
  120_000,
);

everywhere(
  'random networks',
  async () => {
    const places: [TargetName, 1 | 2][] = [
      ['host-gcc', 1],
      ['cortex-m3', 2],
      ['rv32imc', 2],
    ];
    const seed = fc.readConfigureGlobal().seed ?? 0;
    for (const [i, recipe] of recipesOf(seed, places.length).entries()) {
      const { program, inputs } = built(recipe, `net${i}`);
      await checkOn(program, inputs, ...places[i]!);
    }
  },
  120_000,
);

/** Some other code writes into the arena while the trace is printed, after the line of the given number. */
const intruder = (line: number, byte: number): string => `#include "test-lab.h"
#include "uart.h"
#include "sample_int8.h"
#include <string.h>

static struct sample_int8 net;

void sample_int8_trace_putc(char c)
{
    static int lines;
    uart_putc(c);
    if (c == '\\n' && lines++ == ${line}) net.arena[${byte}] ^= 255;
}

int main(void)
{
    uart_start();
    memset(&net, 7, sizeof net);
    sample_int8_run(&net);
    return 0;
}
`;

/** After the first or the last of the lines that say what step 0 wrote. */
async function intruded(byte: number, level: 1 | 2, at: 0 | -1): Promise<DeviceTrace> {
  const lines = createTraceOf(level).split('\n');
  const written = lines.flatMap((line, i) => (/^~[Oo] \S+ \S+ 0 /.test(line) ? [i] : []));
  const firmware = intruder(must(written.at(at), 'step 0 writes'), byte);
  return readTrace(await traceNative(int8Sample, filesOf(int8Sample), 'host-gcc', [], { level, firmware }));
}

/** Of the sample, for the numbers of its lines. */
function createTraceOf(level: 1 | 2): string {
  const input = new Uint8Array(64).fill(7);
  const outcome = createSimulator(int8Sample, { mode: 'fast' }).run(input, { keepArenas: true });
  return createTrace(int8Sample, { input, outcome }, { level, build });
}

testWith(hostTools)(
  'what changes between the layer that writes it and the layer that reads it is seen',
  async () => {
    const { address } = must(int8Sample.slots[1], 'padded');
    for (const level of [1, 2] as const) {
      const { runs, problems } = await intruded(address + 99, level, -1);
      expect(problems).toEqual([]);
      const [input] = must(
        runs[0]?.layers.find(({ step }) => step === 1),
        'step 1',
      ).inputs;
      expect(input).toMatchObject({ slot: 1, changed: true, missing: [] });
      const unchanged = runs[0]!.layers
        .flatMap(({ inputs }) => inputs)
        .filter(({ changed }) => changed === false);
      expect(unchanged).toHaveLength(3);
      if (level === 1) expect(input!.bytes).toBeUndefined();
      else expect(input!.bytes![99]).toBe(7 ^ 255);
    }
  },
);

testWith(hostTools)('what changes while it is printed is seen', async () => {
  const { address } = must(int8Sample.slots[1], 'padded');
  const { problems, runs } = await intruded(address + 1, 2, 0);
  expect(problems.map(({ kind }) => kind)).toEqual(['inconsistent']);
  expect(
    must(
      runs[0]?.layers.find(({ step }) => step === 1),
      'step 1',
    ).inputs[0],
  ).toMatchObject({ changed: true });
});

/** The C as it would be if there were no traces. */
function withoutTraces(files: ReadonlyMap<string, string>, name: string): Map<string, string> {
  const upper = name.toUpperCase();
  const block = new RegExp(`#if defined\\(${upper}_TRACE\\)[^]*?#endif\\n`);
  const source = must(files.get(`${name}.c`), 'source');
  const header = must(files.get(`${name}.h`), 'header');
  const plain = source
    .replace(block, '')
    .replaceAll(`${upper}_BEGIN()`, '((void)0)')
    .replaceAll(/\w+_AFTER\(\d+\)/g, '((void)0)');
  expect(plain).not.toMatch(/trace|_AFTER|_BEGIN/i);
  const lines = header.split('\n').filter((line) => !/_BUILD|_trace_putc/.test(line));
  return new Map([
    [`${name}.c`, plain],
    [`${name}.h`, lines.join('\n')],
  ]);
}

async function objectOf(
  files: ReadonlyMap<string, string>,
  name: string,
  target: Target,
  more: string[] = [],
): Promise<{ readonly object: Buffer; readonly sections: Sections }> {
  return inFolder(async (folder) => {
    const build: Build = { target, folder, opt: '-Os', sanitize: false };
    await writeAll(folder, files);
    await compileC99(build, [`${name}.c`], ['-o', 'net.o', ...more]);
    return {
      object: await readFile(path.join(folder, 'net.o')),
      sections: await sectionsOf(build, ['net.o']),
    };
  });
}

testWith(crossTools)('without the macro there is not one byte of it', async () => {
  for (const name of ['cortex-m0', 'cortex-m4', 'rv32imc'] as const) {
    const target: Target = targets[name];
    const files = filesOf(int8Sample);
    const off = await objectOf(files, 'sample_int8', target);
    const zero = await objectOf(files, 'sample_int8', target, ['-DSAMPLE_INT8_TRACE=0']);
    const never = await objectOf(withoutTraces(files, 'sample_int8'), 'sample_int8', target);
    expect(off.object.equals(never.object)).toBe(true);
    expect(zero.object.equals(never.object)).toBe(true);
    const on = await objectOf(files, 'sample_int8', target, ['-DSAMPLE_INT8_TRACE=2']);
    expect(on.object.equals(never.object)).toBe(false);
    expect(on.sections.data).toBe(0);
  }
});
