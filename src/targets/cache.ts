/** Things that are built once per machine and kept: the counting plugin, object files of the lab. */
import { createHash } from 'node:crypto';
import { access, lstat, mkdir, readFile, rename } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import path from 'node:path';
import { InputError } from '../base/errors.ts';

/** Where targets/ lies, for src/targets and dist/targets alike. */
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

async function hashOf(sources: readonly string[], how: readonly string[]): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify([process.arch, ...how]));
  for (const source of sources) hash.update(await readFile(source)).update('\0');
  return hash.digest('hex').slice(0, 20);
}

export interface Recipe {
  /** What the file is called, with its extension. */
  readonly name: string;
  /** Below targets/: what it is made of. */
  readonly sources: readonly string[];
  /** Whatever else makes a difference: compiler, version, flags. */
  readonly how: readonly string[];
  /** Writes the file. */
  readonly build: (file: string) => Promise<void>;
}

async function find(name: string, build: Recipe['build']): Promise<string> {
  const file = path.join(await cacheFolder(), name);
  if (await exists(file)) return file;
  const fresh = path.join(path.dirname(file), `${process.pid}-${name}`);
  await build(fresh);
  await rename(fresh, file);
  return file;
}

const asked = new Map<string, Promise<string>>();

/** The path of a kept file, built now if it is not there. Two processes may both build it; the last one stays. */
export async function cached({ name, sources, how, build }: Recipe): Promise<string> {
  const files = sources.map((source) => path.join(targetsFolder, source));
  const key = `${await hashOf(files, how)}-${name}`;
  const answer = asked.get(key) ?? find(key, build);
  asked.set(key, answer);
  return answer;
}
