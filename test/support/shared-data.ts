/** Trained models and data that lie beside the checkout, where they do; tests that need them skip loudly. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'vitest';

const root = path.resolve(import.meta.dirname, '../../../shared');

export const sharedPath = (relative: string): string => path.join(root, relative);
export const sharedBytes = (relative: string): Uint8Array =>
  new Uint8Array(readFileSync(sharedPath(relative)));

/** A test that needs the named files of ../shared. */
export function testWithShared(
  name: string,
  files: readonly string[],
  body: () => void | Promise<void>,
): void {
  const missing = files.filter((file) => !existsSync(sharedPath(file)));
  if (missing.length > 0) console.warn(`SKIPPED '${name}': ../shared has no ${missing.join(', ')}`);
  test.skipIf(missing.length > 0)(name, body);
}
