/** One file, whole or not at all. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { InputError } from '../base/errors.ts';

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
      todo: 'choose another place',
    });
  } finally {
    process.off('SIGINT', ignore);
  }
}
