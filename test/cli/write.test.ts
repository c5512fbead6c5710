import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeFolder, writeOneFile } from '../../src/cli/write.ts';
import { InputError } from '../../src/ir/errors.ts';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'thimble-write-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('makes folders, replaces files, leaves others alone', () => {
  const deep = path.join(folder, 'a/b');
  writeFolder(
    deep,
    new Map<string, string | Uint8Array>([
      ['x.c', 'old'],
      ['y.bin', Uint8Array.of(1)],
    ]),
  );
  writeFileSync(path.join(deep, 'mine.txt'), 'mine');
  writeFolder(deep, new Map([['x.c', 'new']]));
  expect(readdirSync(deep).sort()).toEqual(['mine.txt', 'x.c', 'y.bin']);
  expect(readFileSync(path.join(deep, 'x.c'), 'utf8')).toBe('new');
});

test('a failure leaves nothing half-written', () => {
  const out = path.join(folder, 'new/out');
  expect(() =>
    writeFolder(
      out,
      new Map([
        ['good.c', 'x'],
        ['no/such/folder.c', 'y'],
      ]),
    ),
  ).toThrow(InputError);
  expect(existsSync(path.join(folder, 'new'))).toBe(false);
  mkdirSync(path.join(folder, 'old'));
  expect(() =>
    writeFolder(
      path.join(folder, 'old'),
      new Map([
        ['good.c', 'x'],
        ['no/such.c', 'y'],
      ]),
    ),
  ).toThrow('cannot be written');
  expect(readdirSync(path.join(folder, 'old'))).toEqual([]);
});

test('where a folder should be is a file', () => {
  writeOneFile(path.join(folder, 'f'), 'x');
  expect(() => writeFolder(path.join(folder, 'f'), new Map())).toThrow('it is a file');
  expect(process.listenerCount('SIGINT')).toBe(0);
});
