/** What a trace costs: code, stack, instructions on chips, bytes on the wire. Writes a section of docs/trace.md. */
import { test } from 'vitest';
import { artifactOf } from '../src/artifact/make.ts';
import type { Program } from '../src/program/program.ts';
import { createSimulator } from '../src/sim/simulate.ts';
import { driverFiles, readInputs } from '../src/targets/drivers.ts';
import { execute } from '../src/targets/execute.ts';
import { type Build, compileC99, framesOf, link, sectionsOf } from '../src/targets/link.ts';
import { inFolder, writeAll } from '../src/targets/native.ts';
import { type TargetName, targets } from '../src/targets/targets.ts';
import { createTrace } from '../src/trace/write.ts';
import { compiledOf, modelBytes, type Net, nets } from './models.ts';
import { count, markdown, writeSection } from './page.ts';

const levels = [0, 1, 2] as const;

/** Marks around one inference, and a console that costs one call per character. */
const driver = (program: Program): string => `#include "test-lab.h"
#include "${program.name}.h"

static struct ${program.name} net;
static volatile char last;

void ${program.name}_trace_putc(char c) { last = c; }

int main(void)
{
    lab_file in = lab_open("${driverFiles.input}", 0);
${readInputs(program, '&net')}
    lab_mark(0);
    ${program.name}_run(&net);
    lab_mark(1);
    return 0;
}
`;

interface Cost {
  readonly bytes: number;
  readonly frame: number;
  readonly instructions: number;
}

async function costOf(
  program: Program,
  files: ReadonlyMap<string, string>,
  input: Uint8Array,
  name: TargetName,
  level: number,
): Promise<Cost> {
  return inFolder(async (folder) => {
    const build: Build = { target: targets[name], folder, opt: '-Os', sanitize: false };
    await writeAll(folder, [...files, ['driver.c', driver(program)], [driverFiles.input, input]]);
    await compileC99(
      build,
      [`${program.name}.c`],
      ['-o', 'net.o', `-D${program.name.toUpperCase()}_TRACE=${level}`],
    );
    const { machine } = build.target;
    const memory = machine!.memory;
    await link(build, 'run', ['driver.c', 'net.o'], memory);
    const { totals } = await execute(build, 'run', { memory, timeoutMs: 60_000, counted: true });
    const [from = 0, to = 0] = totals;
    const { code, constants } = await sectionsOf(build, ['net.o']);
    const frames = [...(await framesOf(build, 'net.su'))].filter(([f]) => /_trace_|_run$/.test(f));
    const frame = frames.reduce((sum, [, bytes]) => sum + bytes, 0);
    return { bytes: code + constants, frame, instructions: to - from };
  });
}

async function chipRows(net: Net): Promise<readonly (readonly string[])[]> {
  const compiled = compiledOf(net);
  const made = { command: 'bench', version: '0', model: modelBytes(net), preprocessing: {} };
  const files = artifactOf(compiled, made);
  const rows: (readonly string[])[] = [];
  for (const target of ['cortex-m0', 'cortex-m4', 'rv32imc'] as const) {
    const costs: Cost[] = [];
    for (const level of levels)
      costs.push(await costOf(compiled.program, files, compiled.examples[0]!, target, level));
    const [off, one, two] = costs as [Cost, Cost, Cost];
    const more = ({ bytes }: Cost): string => `${count(bytes - off.bytes)} B`;
    const stack = ({ frame }: Cost): string => `${count(frame - off.frame)} B`;
    const work = [off, one, two].map(({ instructions }) => count(instructions));
    rows.push([target, more(one), more(two), stack(one), stack(two), ...work]);
  }
  return rows;
}

/** 8 data bits, start and stop. */
const bitsPerCharacter = 10;

function wireRow(net: Net): readonly string[] {
  const { program, examples } = compiledOf(net);
  const input = examples[0]!;
  const outcome = createSimulator(program, { mode: 'fast' }).run(input, { keepArenas: true });
  const sizes = ([1, 2] as const).map((level) => createTrace(program, { input, outcome }, { level }).length);
  const seconds = (bytes: number, baud: number): string =>
    `${((bytes * bitsPerCharacter) / baud).toFixed(2)} s`;
  return [
    net.title,
    ...sizes.map((bytes) => `${count(bytes)} B`),
    ...sizes.map((bytes) => seconds(bytes, 115_200)),
    seconds(sizes[1]!, 921_600),
  ];
}

test('traces', async () => {
  const [lenet] = nets;
  const chips = markdown(
    ['LeNet-5', 'flash, 1', 'flash, 2', 'stack, 1', 'stack, 2', 'instructions, off', '1', '2'],
    await chipRows(lenet!),
  );
  const wire = markdown(
    ['one inference', 'sent, 1', 'sent, 2', '1 at 115,200', '2 at 115,200', '2 at 921,600'],
    nets.map(wireRow),
  );
  writeSection('cost', `${chips}\n\n${wire}`, 'trace.md');
});
