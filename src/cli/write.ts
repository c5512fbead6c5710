/** Files of a folder, all or none: written beside their names first, then renamed. */
import { existsSync, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '../ir/errors.ts';

const ignore = (): void => undefined;

/** Ctrl-C during these few milliseconds waits for their end. */
function undisturbed<T>(body: () => T): T {
  process.on('SIGINT', ignore);
  try {
    return body();
  } finally {
    process.off('SIGINT', ignore);
  }
}

const unwritable = (where: string, error: unknown): InputError =>
  new InputError({
    where,
    found: `it cannot be written (${error instanceof Error ? error.message : String(error)})`,
    todo: 'choose another place with -o',
  });

/** The outermost folder that has to be made for `folder` to exist. */
function firstMissing(folder: string): string | undefined {
  if (existsSync(folder)) return undefined;
  const parent = path.dirname(folder);
  return parent === folder ? folder : (firstMissing(parent) ?? folder);
}

interface Pending {
  readonly temporary: string;
  readonly final: string;
}

function writeAll(folder: string, files: ReadonlyMap<string, string | Uint8Array>, pending: Pending[]): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of files) {
    const names = {
      temporary: path.join(folder, `.${name}.${process.pid}.tmp`),
      final: path.join(folder, name),
    };
    pending.push(names);
    writeFileSync(names.temporary, content);
  }
  for (const { temporary, final } of pending) renameSync(temporary, final);
}

/**
 * Writes `files` into `folder`, which is made where it is missing. When anything fails, the folder is as it
 * was before.
 * @throws InputError when it cannot be written.
 */
export function writeFolder(folder: string, files: ReadonlyMap<string, string | Uint8Array>): void {
  if (existsSync(folder) && !statSync(folder).isDirectory())
    throw new InputError({ where: folder, found: 'it is a file', todo: 'name a folder with -o' });
  const made = firstMissing(path.resolve(folder));
  const pending: Pending[] = [];
  undisturbed(() => {
    try {
      writeAll(folder, files, pending);
    } catch (error) {
      for (const { temporary } of pending) rmSync(temporary, { force: true });
      if (made !== undefined) rmSync(made, { recursive: true, force: true });
      throw unwritable(folder, error);
    }
  });
}

/** One file, whole or not at all. @throws InputError when it cannot be written. */
export function writeOneFile(file: string, content: string | Uint8Array): void {
  writeFolder(path.dirname(file), new Map([[path.basename(file), content]]));
}
