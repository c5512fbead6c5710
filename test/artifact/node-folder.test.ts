import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import fs from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { manifestName, writeFolder } from '../../src/artifact/node-folder.ts';
import { InputError } from '../../src/base/errors.ts';

const { writeFile } = fs;
const disk = { writeFile: vi.fn<typeof writeFile>() };

/** For all who import it; a mock of the module would only reach those who were not loaded before. */
function writeWith(write: typeof writeFile): void {
  fs.writeFile = write;
  syncBuiltinESMExports();
}

let parent = '';
let out = '';
const files = new Map<string, string | Uint8Array>([
  ['net.c', 'int x;\n'],
  ['weights/w.bin', Uint8Array.of(1, 2)],
]);

beforeEach(() => {
  disk.writeFile.mockImplementation(writeFile);
  writeWith(disk.writeFile);
  parent = mkdtempSync(path.join(tmpdir(), 'thimble-test-'));
  out = path.join(parent, 'out');
});
afterEach(() => {
  writeWith(writeFile);
  rmSync(parent, { recursive: true });
});

/** Everything below the parent; no temporary folder may be left in it. */
const below = (): string[] => readdirSync(parent, { recursive: true }).map(String).sort();
const whole = ['out', 'out/manifest.json', 'out/net.c', 'out/weights', 'out/weights/w.bin'];

describe('a new folder', () => {
  test('holds the files and a manifest', async () => {
    await writeFolder(out, files);
    expect(below()).toEqual(whole);
    expect(readFileSync(path.join(out, 'net.c'), 'utf8')).toBe('int x;\n');
    expect(JSON.parse(readFileSync(path.join(out, manifestName), 'utf8'))).toEqual({
      generator: 'thimble',
      files: ['net.c', 'weights/w.bin'],
    });
    expect(statSync(out).mode & 0o777).toBe(0o777 & ~process.umask());
  });

  test('may lie deep, or be there and empty', async () => {
    const deep = path.join(out, 'a', 'b');
    await writeFolder(deep, files);
    expect(existsSync(path.join(deep, 'net.c'))).toBe(true);
    mkdirSync(path.join(parent, 'empty'));
    await writeFolder(path.join(parent, 'empty'), files);
    expect(existsSync(path.join(parent, 'empty', 'net.c'))).toBe(true);
  });
});

describe('a folder that is there', () => {
  test('of ours is replaced as a whole', async () => {
    await writeFolder(out, files);
    await writeFolder(out, new Map([['other.c', '']]));
    expect(below()).toEqual(['out', 'out/manifest.json', 'out/other.c']);
  });

  test('behind a link stays behind the link', async () => {
    const real = path.join(parent, 'real');
    await writeFolder(real, files);
    symlinkSync(real, out);
    await writeFolder(out, new Map([['other.c', '']]));
    expect(readdirSync(real).sort()).toEqual(['manifest.json', 'other.c']);
    expect(readdirSync(out)).toHaveLength(2);
  });

  test.each<[string, () => void, RegExp]>([
    ['with files of others', () => writeFileSync(path.join(out, 'a.txt'), ''), /thimble did not write/],
    [
      'with a manifest of another tool',
      () => writeFileSync(path.join(out, manifestName), '{}'),
      /not thimble's/,
    ],
    ['with a broken manifest', () => writeFileSync(path.join(out, manifestName), '{"gen'), /not thimble's/],
    [
      'with a manifest that is no object',
      () => writeFileSync(path.join(out, manifestName), 'null'),
      /not thimble's/,
    ],
  ])('%s is refused and left alone', async (_, make, message) => {
    mkdirSync(out);
    make();
    const before = below();
    await expect(writeFolder(out, files)).rejects.toThrow(InputError);
    await expect(writeFolder(out, files)).rejects.toThrow(message);
    expect(below()).toEqual(before);
  });

  test('of ours with a file added is refused', async () => {
    await writeFolder(out, files);
    writeFileSync(path.join(out, 'notes.txt'), 'mine');
    await expect(writeFolder(out, files)).rejects.toThrow("did not write 'notes.txt'");
    expect(below()).toEqual([...whole, 'out/notes.txt'].sort());
  });

  test('is a file', async () => {
    writeFileSync(out, '');
    await expect(writeFolder(out, files)).rejects.toThrow('it is a file');
  });
});

/** Makes the second file of a folder fail. */
function failing(error: () => Promise<never>): void {
  const real = disk.writeFile.getMockImplementation()!;
  disk.writeFile.mockImplementation((file, ...rest) =>
    String(file).endsWith('w.bin') ? error() : real(file, ...rest),
  );
}

describe('what fails leaves nothing, and the old folder as it was', () => {
  test.each([
    ['ENOSPC', 'the disk is full'],
    ['EDQUOT', 'quota'],
    ['EROFS', 'read-only'],
    ['EACCES', 'no permission'],
    ['EIO', 'EIO'],
  ])('%s', async (code, message) => {
    await writeFolder(out, new Map([['old.c', 'old']]));
    failing(() => Promise.reject(Object.assign(new Error('x'), { code })));
    await expect(writeFolder(out, files)).rejects.toThrow(message);
    await expect(writeFolder(out, files)).rejects.toThrow(InputError);
    expect(below()).toEqual(['out', 'out/manifest.json', 'out/old.c']);
  });

  test('a path through a file', async () => {
    writeFileSync(out, '');
    await expect(writeFolder(path.join(out, 'below'), files)).rejects.toThrow(InputError);
    expect(below()).toEqual(['out']);
  });

  test('a signal', async () => {
    // A listener keeps this process alive.
    const heard = vi.fn();
    process.once('SIGINT', heard);
    failing(() => {
      expect(below().length).toBeGreaterThan(1);
      process.emit('SIGINT', 'SIGINT');
      expect(below()).toEqual([]);
      return Promise.reject(Object.assign(new Error('x'), { code: 'ENOENT' }));
    });
    await expect(writeFolder(out, files)).rejects.toThrow(InputError);
    expect(heard).toHaveBeenCalledOnce();
    expect(below()).toEqual([]);
    expect(process.listenerCount('SIGINT')).toBe(0);
  });
});
