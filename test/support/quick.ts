/**
 * What `npm run test:quick` runs: every file of tests that starts no other program and runs no whole command. Which
 * those are is read from the files themselves: a file that imports one of the doors below, or imports a file of
 * test/ that does, is out. So are the tests of what changes weights, and the laws of `diff`: they count what many
 * runs reached.
 */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** Compilers, emulators and git are started through the first, browsers through the second. */
const doors = ['node:child_process', 'playwright-core'];
/** Commands are run from their arguments to the files they write: compressing and training take minutes. */
const commands = path.join('support', 'cli.ts');

const counted = ['compress/', 'judge/layer-errors.test.ts', 'diff/laws.test.ts'];

const isCounted = (file: string): boolean => counted.some((start) => file.startsWith(start));

const importsOf = (file: string): readonly string[] =>
  [...readFileSync(file, 'utf8').matchAll(/(?:from|import) '([^']+)';/g)].flatMap(([, name]) => name ?? []);

function isSlow(file: string, within: string, seen: Set<string>): boolean {
  if (seen.has(file)) return false;
  seen.add(file);
  return importsOf(file).some((name) => {
    if (!name.startsWith('.')) return doors.includes(name);
    const target = path.resolve(path.dirname(file), name);
    if (target === path.join(within, commands)) return true;
    return target.startsWith(within + path.sep) && isSlow(target, within, seen);
  });
}

/** @param root the project's folder. @returns files, relative to it, in order. */
export function slowTests(root: string): readonly string[] {
  const within = path.join(root, 'test');
  return readdirSync(within, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => isCounted(file) || isSlow(path.join(within, file), within, new Set()))
    .map((file) => `test/${file}`)
    .sort();
}
