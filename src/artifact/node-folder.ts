/** Writes a whole output folder at once, or nothing. */
import { existsSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { InputError } from '../base/errors.ts';
import { removingAfter } from '../targets/cleanup.ts';

export const manifestName = 'manifest.json';

/** What a folder's manifest holds besides what the caller gives. */
interface Manifest {
  readonly generator: 'thimble';
  /** Every file in the folder but the manifest, by its path with `/`. */
  readonly files: readonly string[];
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

const reasons: Readonly<Record<string, readonly [string, string]>> = {
  ENOSPC: ['the disk is full', 'free some space; nothing was written'],
  EDQUOT: ['the disk quota is used up', 'free some space; nothing was written'],
  EACCES: ['no permission to write there', 'choose another folder; nothing was written'],
  EPERM: ['no permission to write there', 'choose another folder; nothing was written'],
  EROFS: ['the file system is read-only', 'choose another folder; nothing was written'],
};

/** What the operating system refused, as the user's error; other errors are passed on. */
function refused(out: string, error: unknown): unknown {
  const code = codeOf(error);
  if (code === undefined) return error;
  const [found, todo] = reasons[code] ?? [`it cannot be written (${code})`, 'choose another folder'];
  return new InputError({ where: out, found, todo });
}

function parseManifest(text: string): Manifest | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const found = Object.assign({ generator: undefined, files: undefined }, value);
    return found.generator === 'thimble' && Array.isArray(found.files) ? (value as Manifest) : undefined;
  } catch {
    return undefined;
  }
}

async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory())
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)).replaceAll(path.sep, '/'));
}

const foreign = (out: string, found: string): InputError =>
  new InputError({
    where: out,
    found,
    supported: 'a new folder, an empty one, or one that thimble wrote and that holds nothing else',
    todo: 'choose another folder, or remove this one yourself',
  });

/** @throws InputError unless replacing `out` loses nothing but what thimble wrote. */
async function checkReplaceable(out: string): Promise<void> {
  if (!(await stat(out)).isDirectory()) throw foreign(out, 'it is a file');
  const present = await filesBelow(out);
  if (present.length === 0) return;
  if (!present.includes(manifestName))
    throw foreign(out, 'the folder holds files that thimble did not write');
  const manifest = parseManifest(await readFile(path.join(out, manifestName), 'utf8'));
  if (manifest === undefined) throw foreign(out, `its ${manifestName} is not thimble's`);
  const own = new Set([manifestName, ...manifest.files]);
  const added = present.find((file) => !own.has(file));
  if (added !== undefined) throw foreign(out, `thimble did not write '${added}' in it`);
}

/** Two renames without a pause between them, so that no signal handler of this process comes between. */
function swap(fresh: string, out: string): void {
  const old = `${fresh}.old`;
  const replaces = existsSync(out);
  if (replaces) renameSync(out, old);
  try {
    renameSync(fresh, out);
  } catch (error) {
    if (replaces) renameSync(old, out);
    throw error;
  }
  rmSync(old, { recursive: true, force: true });
}

async function fill(folder: string, files: ReadonlyMap<string, string | Uint8Array>): Promise<void> {
  for (const [name, content] of files) {
    const file = path.join(folder, name);
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(file, content);
  }
  // mkdtemp makes folders that only their owner can read.
  await chmod(folder, 0o777 & ~process.umask());
}

/** With a manifest that lists them, unless they bring their own. */
function withManifest(
  files: ReadonlyMap<string, string | Uint8Array>,
): ReadonlyMap<string, string | Uint8Array> {
  if (files.has(manifestName)) return files;
  const manifest: Manifest = { generator: 'thimble', files: [...files.keys()].sort() };
  return new Map([...files, [manifestName, `${JSON.stringify(manifest, null, 2)}\n`]]);
}

async function writeBeside(target: string, files: ReadonlyMap<string, string | Uint8Array>): Promise<void> {
  await mkdir(path.dirname(target), { recursive: true });
  const fresh = await mkdtemp(path.join(path.dirname(target), `.${path.basename(target)}.thimble-`));
  await removingAfter(fresh, async () => {
    await fill(fresh, files);
    swap(fresh, target);
  });
}

/** The folder itself where `out` is a link to one. */
const resolved = (out: string): Promise<string> =>
  existsSync(out) ? realpath(out) : Promise.resolve(path.resolve(out));

/**
 * Writes `files` (paths with `/` below `out`), and a manifest that lists them where they bring none. Everything
 * is written beside `out` under a temporary name first, and then takes its place.
 * @throws InputError when `out` holds anything that thimble did not write, or cannot be written; nothing is
 * left behind then.
 */
export async function writeFolder(
  out: string,
  files: ReadonlyMap<string, string | Uint8Array>,
): Promise<void> {
  try {
    const target = await resolved(out);
    if (existsSync(target)) await checkReplaceable(target);
    await writeBeside(target, withManifest(files));
  } catch (error) {
    throw refused(out, error);
  }
}

const ignore = (): void => undefined;

/** Written beside its name first, then renamed; Ctrl-C meanwhile waits. @throws InputError when it cannot be written. */
export function writeOneFile(file: string, content: string | Uint8Array): void {
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.tmp`);
  process.on('SIGINT', ignore);
  try {
    writeFileSync(temporary, content);
    renameSync(temporary, file);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw new InputError({
      where: file,
      found: `it cannot be written (${error instanceof Error ? error.message : String(error)})`,
      todo: 'choose another folder',
    });
  } finally {
    process.off('SIGINT', ignore);
  }
}
