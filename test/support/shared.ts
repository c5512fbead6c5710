/** Data that stands beside the project and is not part of it; tests that need it skip without it, loudly. */
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, test } from 'vitest';
import { isQuick } from './seeds.ts';

export const root = resolve(import.meta.dirname, '../..');
export const shared = resolve(root, '../shared');

/** `describe` when all paths exist; else the suite is skipped, and its title and the console say why. */
export function describeWith(paths: readonly string[], title: string, body: () => void): void {
  if (isQuick()) {
    test.skip(`${title} (npm run test:quick leaves out data beside the project)`);
    return;
  }
  const missing = paths.filter((path) => !existsSync(path));
  if (missing.length === 0) {
    describe(title, body);
    return;
  }
  console.warn(`SKIPPED: ${title}: not found: ${missing.join(', ')}`);
  // Not the body: it would be run to collect its tests, and may read what is missing.
  test.skip(`${title} (not found: ${missing.join(', ')})`);
}

/**
 * As `describeWith`, for what `npm run toolchain` installs: in continuous integration its absence is a failure.
 */
export function describeWithToolchain(paths: readonly string[], title: string, body: () => void): void {
  const missing = paths.filter((path) => !existsSync(path));
  if (missing.length === 0 || process.env.CI === undefined) {
    describeWith(paths, title, body);
    return;
  }
  test(title, () => {
    throw new Error(`not found: ${missing.join(', ')}; run npm run toolchain`);
  });
}

export const readBytes = (path: string): Uint8Array => new Uint8Array(readFileSync(path));
