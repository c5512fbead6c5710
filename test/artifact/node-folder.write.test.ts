import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeOneFile } from '../../src/artifact/node-folder.ts';
import { InputError } from '../../src/base/errors.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'thimble-write-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a file is replaced whole, and nothing else is left', () => {
  const file = path.join(folder, 'y.npy');
  writeOneFile(file, 'old');
  writeOneFile(file, Uint8Array.of(1, 2));
  expect([...readFileSync(file)]).toEqual([1, 2]);
  expect(readdirSync(folder)).toEqual(['y.npy']);
});

test('a folder that is not there', () => {
  expect(() => writeOneFile(path.join(folder, 'none/y.npy'), 'x')).toThrow(InputError);
  expect(() => writeOneFile(path.join(folder, 'none/y.npy'), 'x')).toThrow('cannot be written');
});

test('a name that is a folder is left alone', () => {
  expect(() => writeOneFile(folder, 'x')).toThrow(InputError);
  expect(readdirSync(folder)).toEqual([]);
});
