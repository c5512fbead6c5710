/** Runs a linked test program: a process of the host, or QEMU. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { DefectError } from '../ir/errors.ts';
import { type Build, markAddress } from './native-build.ts';
import { counterPlugin, marksIn } from './native-counter.ts';
import { type Ran, runProcess } from './native-process.ts';
import type { Machine, MemoryMap } from './native-targets.ts';
import { requireTool } from './native-tools.ts';

const console_ = ['-chardev', 'stdio,id=con', '-semihosting-config', 'enable=on,target=native,chardev=con'];
const board = ['-nographic', '-monitor', 'none', '-serial', 'none', '-no-reboot', ...console_];

/** `-icount` makes the time that devices see follow the instructions too. */
function qemuArgs(machine: Machine, memory: MemoryMap, plugin: readonly string[], program: string): string[] {
  if (machine.user) return [...machine.args, ...plugin, program];
  const icount = ['-icount', 'shift=0'];
  return [...machine.args, ...(memory.qemu ?? []), ...board, ...icount, ...plugin, '-kernel', program];
}

function ended(name: string, ran: Ran): void {
  if (ran.status === 0) return;
  const how = ran.timedOut
    ? 'did not end in time'
    : (ran.notStarted ?? ran.signal ?? `ended with status ${ran.status}`);
  const said = `${ran.stdout}${ran.stderr}`.trim().slice(0, 4000);
  throw new DefectError(`${name}: the program ${how}${said === '' ? '' : `: ${said}`}`);
}

/** No leak check: it needs rights that containers withhold, and the generated C has no heap. */
async function onHost(build: Build, program: string, timeoutMs: number): Promise<void> {
  const command = path.join(build.folder, program);
  ended(
    program,
    await runProcess('env', ['ASAN_OPTIONS=detect_leaks=0', command], { cwd: build.folder, timeoutMs }),
  );
}

async function onMachine(
  build: Build,
  machine: Machine,
  memory: MemoryMap,
  program: string,
  timeoutMs: number,
): Promise<readonly number[]> {
  await requireTool(machine.qemu);
  const options = `mark=${await markAddress(build, program)},pcs=off,out=${program}.counts`;
  const plugin = ['-plugin', `${await counterPlugin()},${options}`];
  const args = qemuArgs(machine, memory, plugin, program);
  ended(build.target.title, await runProcess(machine.qemu, args, { cwd: build.folder, timeoutMs }));
  return marksIn(await readFile(path.join(build.folder, `${program}.counts`), 'utf8'));
}

/**
 * Runs a program in its folder, and returns the instruction totals at its marks (none on the host).
 * @throws DefectError when it ends otherwise than with status 0, with what it printed.
 */
export async function execute(
  build: Build,
  program: string,
  memory: MemoryMap | undefined,
  timeoutMs: number,
): Promise<readonly number[]> {
  const { machine } = build.target;
  if (machine && memory) return onMachine(build, machine, memory, program, timeoutMs);
  await onHost(build, program, timeoutMs);
  return [];
}
