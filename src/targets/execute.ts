/** Runs a linked test program: a process of the host or of QEMU, a board of QEMU's, simavr. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DefectError } from '../base/errors.ts';
import { avrSimulator, counterPlugin, type Marks, marksIn } from './counter.ts';
import { costsOf, costsText, disassembled } from './cycle-model.ts';
import { type Build, listingOf, markAddress } from './link.ts';
import { type Ran, runProcess } from './process.ts';
import type { AvrMachine, MemoryMap, QemuMachine } from './targets.ts';
import { requireTool } from './tools.ts';

const console_ = ['-chardev', 'stdio,id=con', '-semihosting-config', 'enable=on,target=native,chardev=con'];
const board = ['-nographic', '-monitor', 'none', '-no-reboot', ...console_];

/** `-icount` makes the time that devices see follow the instructions too. */
function qemuArgs(
  machine: QemuMachine,
  plugin: readonly string[],
  program: string,
  how: Execution,
): string[] {
  if (machine.user) return [...machine.args, ...plugin, program];
  const icount = plugin.length > 0 ? ['-icount', 'shift=0'] : [];
  const serial = ['-serial', how.serial === undefined ? 'none' : `file:${how.serial}`];
  const more = [...(how.memory?.qemu ?? []), ...board, ...serial, ...icount, ...plugin];
  return [...machine.args, ...more, '-kernel', program];
}

function ended(name: string, ran: Ran): void {
  if (ran.status === 0) return;
  const how = ran.timedOut
    ? 'did not end in time'
    : (ran.notStarted ?? ran.signal ?? `ended with status ${ran.status}`);
  const said = `${ran.stdout}${ran.stderr}`.trim().slice(0, 4000);
  throw new DefectError(`${name}: the program ${how}${said === '' ? '' : `: ${said}`}`);
}

const none: Marks = { totals: [], cycles: [] };

const sanitizer = 'detect_leaks=0:redzone=2048:max_redzone=2048';

/** No leak check: it needs rights that containers withhold, and the generated C has no heap. */
async function asProcess({ target, folder }: Build, program: string, timeoutMs: number): Promise<void> {
  const options = { cwd: folder, timeoutMs, env: { ASAN_OPTIONS: sanitizer } };
  const file = path.join(folder, program);
  if (target.emulator !== undefined) await requireTool(target.emulator);
  const [command, args] = target.emulator === undefined ? [file, []] : [target.emulator, [file]];
  ended(target.title, await runProcess(command, args, options));
}

export interface Execution {
  /** Where the program was linked to; undefined on the host. */
  readonly memory: MemoryMap | undefined;
  readonly timeoutMs: number;
  /** Count instructions; on machines only. */
  readonly counted: boolean;
  /** The file in the build's folder that gets what a board's first serial port sends. */
  readonly serial?: string;
}

/** The plugin's option for cycles, of targets that have a model of them. */
async function costsOption(build: Build, program: string): Promise<string> {
  const { core } = build.target;
  if (core === undefined) return '';
  const costs = costsOf(disassembled(await listingOf(build, program)), core);
  await writeFile(path.join(build.folder, `${program}.costs`), costsText(costs));
  return `,costs=${program}.costs`;
}

async function countingArgs(build: Build, program: string): Promise<string[]> {
  const costs = await costsOption(build, program);
  const options = `mark=${await markAddress(build, program)},pcs=off,out=${program}.counts${costs}`;
  return ['-plugin', `${await counterPlugin()},${options}`];
}

async function onQemu(build: Build, machine: QemuMachine, program: string, how: Execution) {
  await requireTool(machine.qemu);
  const plugin = how.counted ? await countingArgs(build, program) : [];
  const args = qemuArgs(machine, plugin, program, how);
  const options = { cwd: build.folder, timeoutMs: how.timeoutMs };
  ended(build.target.title, await runProcess(machine.qemu, args, options));
}

async function onAvr(build: Build, { mcu, memory }: AvrMachine, program: string, how: Execution) {
  const { origin, bytes } = (how.memory ?? memory).ram;
  const args = [mcu, String(origin + bytes - 1), program, ...(how.counted ? [`${program}.counts`] : [])];
  const options = { cwd: build.folder, timeoutMs: how.timeoutMs };
  ended(build.target.title, await runProcess(await avrSimulator(), args, options));
}

/**
 * Runs a program in its folder, and returns what was counted at its marks, if it is.
 * @throws DefectError when it ends otherwise than with status 0, with what it printed.
 */
export async function execute(build: Build, program: string, how: Execution): Promise<Marks> {
  const { machine } = build.target;
  if (machine === undefined || how.memory === undefined) {
    await asProcess(build, program, how.timeoutMs);
    return none;
  }
  if (machine.kind === 'simavr') await onAvr(build, machine, program, how);
  else await onQemu(build, machine, program, how);
  if (!how.counted) return none;
  return marksIn(await readFile(path.join(build.folder, `${program}.counts`), 'utf8'));
}
