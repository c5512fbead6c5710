/** The QEMU plugin that counts executed instructions: built once per machine, and its report. */
import { createHash } from 'node:crypto';
import { access, lstat, mkdir, readFile, rename } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { DefectError, InputError } from '../ir/errors.ts';
import { runProcess } from './native-process.ts';
import { requireTool } from './native-tools.ts';

/** Where targets/ lies, for src/emit and dist/emit alike. */
export const targetsFolder = path.join(import.meta.dirname, '../../targets');

/** A folder of this user alone: what is kept there gets loaded into a process. */
async function cacheFolder(): Promise<string> {
  const { uid, username } = userInfo();
  const folder = path.join(tmpdir(), `thimble-cache-${uid < 0 ? username : uid}`);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const found = await lstat(folder);
  if (found.isDirectory() && (uid < 0 || (found.uid === uid && (found.mode & 0o022) === 0))) return folder;
  throw new InputError({
    where: folder,
    found: 'it belongs to, or can be written by, another user',
    todo: 'remove it, or set TMPDIR to a folder of your own',
  });
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  );

async function build(): Promise<string> {
  const source = path.join(targetsFolder, 'insncount.c');
  const hash = createHash('sha256')
    .update(await readFile(source))
    .digest('hex');
  const folder = await cacheFolder();
  const library = path.join(folder, `insncount-${process.arch}-${hash.slice(0, 16)}.so`);
  if (await exists(library)) return library;
  await requireTool('gcc');
  const fresh = `${library}.${process.pid}`;
  const ran = await runProcess('gcc', ['-O2', '-shared', '-fPIC', '-o', fresh, source], {
    timeoutMs: 60_000,
  });
  if (ran.status !== 0) throw new DefectError(`the counting plugin does not compile: ${ran.stderr}`);
  await rename(fresh, library);
  return library;
}

let built: Promise<string> | undefined;

/** The plugin's path. @throws InputError when gcc is missing. */
export function counterPlugin(): Promise<string> {
  built ??= build();
  return built;
}

/** The instruction totals at each execution of `lab_mark`, in order. */
export const marksIn = (report: string): readonly number[] =>
  [...report.matchAll(/^mark \d+ (\d+)$/gm)].map((m) => Number(m[1]));
