/** The QEMU plugin that counts executed instructions, the AVR simulator that counts cycles, and their reports. */
import path from 'node:path';
import { DefectError, InputError } from '../base/errors.ts';
import { cached, targetsFolder } from './cache.ts';
import { runProcess } from './process.ts';
import { requireTool } from './tools.ts';

const source = 'insncount.c';

async function build(file: string): Promise<void> {
  await requireTool('gcc');
  const args = ['-O2', '-shared', '-fPIC', '-o', file, path.join(targetsFolder, source)];
  const ran = await runProcess('gcc', args, { timeoutMs: 60_000 });
  if (ran.status !== 0) throw new DefectError(`the counting plugin does not compile: ${ran.stderr}`);
}

/** The plugin's path. @throws InputError when gcc is missing. */
export const counterPlugin = (): Promise<string> =>
  cached({ name: 'insncount.so', sources: [source], how: [], build });

async function buildAvr(file: string): Promise<void> {
  await requireTool('gcc');
  const args = ['-O2', '-o', file, path.join(targetsFolder, 'avrsim.c'), '-lsimavr', '-lelf'];
  const ran = await runProcess('gcc', args, { timeoutMs: 60_000 });
  if (ran.status === 0) return;
  throw new InputError({
    where: 'simavr',
    found: ran.stderr.split('\n')[0] || 'it does not compile',
    todo: "install the Debian package 'libsimavr-dev', or everything at once with 'npm run toolchain'",
  });
}

/** The path of the program that runs AVR code. @throws InputError when gcc or simavr's library is missing. */
export const avrSimulator = (): Promise<string> =>
  cached({ name: 'avrsim', sources: ['avrsim.c'], how: [], build: buildAvr });

/** At each execution of `lab_mark`, in order. */
export interface Marks {
  /** Instructions so far; of simavr cycles. */
  readonly totals: readonly number[];
  /** Modelled; empty where there is no model. */
  readonly cycles: readonly number[];
}

export function marksIn(report: string): Marks {
  const found = [...report.matchAll(/^mark \d+ (\d+)(?: (\d+))?$/gm)];
  return {
    totals: found.map((m) => Number(m[1])),
    cycles: found.flatMap((m) => (m[2] === undefined ? [] : [Number(m[2])])),
  };
}
