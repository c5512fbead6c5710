/** The QEMU plugin that counts executed instructions, and its report. */
import path from 'node:path';
import { DefectError } from '../base/errors.ts';
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

/** The instruction totals at each execution of `lab_mark`, in order. */
export const marksIn = (report: string): readonly number[] =>
  [...report.matchAll(/^mark \d+ (\d+)$/gm)].map((m) => Number(m[1]));
