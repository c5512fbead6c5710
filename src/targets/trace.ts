/** Runs a network with its trace on, and captures what a real serial port would carry. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { DefectError, InputError } from '../base/errors.ts';
import { arenaFill, type Program } from '../program/program.ts';
import { driverFiles, readInputs } from './drivers.ts';
import { execute } from './execute.ts';
import { type Build, compileNetwork, labObject, link, sourcesOf } from './link.ts';
import { flagsFor, inFolder, writeAll } from './native.ts';
import { joinInputs } from './results.ts';
import { isHost, type MemoryMap, type Target, type TargetName, targets } from './targets.ts';

/** How a tracing program is built and run. */
export interface TraceRunOptions {
  /** 1: checksums; 2: all bytes. */
  readonly level: 1 | 2;
  /** As `NativeOptions`. */
  readonly opt?: string;
  readonly timeoutMs?: number;
  /** C of a whole program instead of `traceFirmware`. */
  readonly firmware?: string;
}

/** What uart.c writes where there is no serial port, and the file of QEMU's. */
const serialFile = 'serial.log';

/** Firmware as users have it: it says that it boots, and that it goes on, and prints traces in between. */
export function traceFirmware(program: Program, inputs: number): string {
  const { name } = program;
  return `#include "test-lab.h"
#include "uart.h"
#include "${name}.h"
#include <string.h>

static struct ${name} net;

void ${name}_trace_putc(char c);
void ${name}_trace_putc(char c) { uart_putc(c); }

int main(void)
{
    lab_file in = lab_open("${driverFiles.input}", 0);
    uart_start();
    uart_puts("\\r\\n*** boot ***\\r\\nclock 48 MHz ~ok\\r\\n");
    for (int i = 0; i < ${inputs}; i++) {
        memset(&net, ${arenaFill}, sizeof net);
${readInputs(program, '&net')}
        uart_puts("inference: ");
        ${name}_run(&net);
        uart_puts("done\\r\\n");
    }
    lab_close(in);
    return 0;
}
`;
}

const uartFlags = ({ machine }: Target): string[] =>
  machine?.kind !== 'qemu' || machine.uart === undefined
    ? []
    : [`-DUART_${machine.uart.driver}=0x${machine.uart.address.toString(16)}u`];

/** On the chip as it is, or with more memory where it needs that. */
async function linked(build: Build, objects: readonly string[]): Promise<MemoryMap | undefined> {
  const { machine } = build.target;
  const overflow = await link(build, 'run', ['the-driver.c', ...objects], machine?.memory);
  if (overflow === undefined) return machine?.memory;
  const again =
    machine?.enlarged && (await link(build, 'run', ['the-driver.c', ...objects], machine.enlarged));
  if (machine?.enlarged !== undefined && again === undefined) return machine.enlarged;
  throw new DefectError(`the traced program needs ${overflow.needed} bytes of ${overflow.region}`);
}

/**
 * Compiles what `emitC` printed with the trace on, and runs it on every input.
 * @returns all that came out of the serial port (of a board, by QEMU's model of its UART), other text included.
 * @throws as `runNative`, DefectError when it does not fit, and InputError for big-endian targets.
 */
export async function traceNative(
  program: Program,
  files: ReadonlyMap<string, string>,
  targetName: TargetName,
  inputs: readonly Uint8Array[],
  { level, opt = '-O1', timeoutMs = 120_000, firmware }: TraceRunOptions,
): Promise<Uint8Array> {
  const target: Target = targets[targetName];
  if (target.bigEndian)
    throw new InputError({
      where: targetName,
      found: 'a big-endian target',
      supported: 'traces of little-endian devices',
      todo: `compare every byte with 'thimble verify --targets ${targetName}'`,
    });
  return inFolder(async (folder) => {
    const build: Build = { target, folder, opt, sanitize: isHost(target) };
    const driver = firmware ?? traceFirmware(program, inputs.length);
    await writeAll(folder, [
      ...files,
      ['the-driver.c', driver],
      [driverFiles.input, joinInputs(program, inputs)],
    ]);
    const trace = `-D${program.name.toUpperCase()}_TRACE=${level}`;
    const flags = [...flagsFor(program, target), trace];
    const objects = await compileNetwork(build, sourcesOf(files, program), flags);
    const memory = await linked(build, [...objects, await labObject(build, 'uart.c', uartFlags(target))]);
    await execute(build, 'run', { memory, timeoutMs, counted: false, serial: serialFile });
    return readFile(path.join(folder, serialFile));
  });
}
