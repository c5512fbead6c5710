/** The printed C of the sample programs, kept to be read. `npm run golden` rewrites it. */
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { goldenFiles } from '../support/golden.ts';

const folder = path.join(import.meta.dirname, '../golden');

const files = goldenFiles();

const kept = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)));

test('every golden file is one that is printed', () => {
  expect(kept.filter((file) => !files.has(file))).toEqual([]);
});

test.each([...files])('%s', async (file, text) => {
  await expect(text).toMatchFileSnapshot(path.join(folder, file));
});
