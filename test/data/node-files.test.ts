import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encode } from 'fast-png';
import { zipSync } from 'fflate';
import { afterAll, expect, test } from 'vitest';
import { InputError } from '../../src/base/errors.ts';
import { readBytes, readLabels, readSamples } from '../../src/data/node-files.ts';
import { writeNpy } from '../../src/data/npy.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'thimble-files-'));
afterAll(() => rmSync(folder, { recursive: true }));
const put = (name: string, bytes: Uint8Array | string): string => {
  const file = path.join(folder, name);
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, bytes);
  return file;
};

test('a folder of pictures, sorted by name with numbers by value', () => {
  for (const n of [10, 2, 1])
    put(`pictures/${n}.png`, encode({ width: 1, height: 1, channels: 1, data: Uint8Array.of(n) }));
  put('pictures/notes.txt', 'not a picture');
  const { array, where } = readSamples(path.join(folder, 'pictures'));
  expect([...array.data]).toEqual([1, 2, 10]);
  expect(where).toBe(path.join(folder, 'pictures'));
});

test('an array of an archive, after a colon', () => {
  const y = { dtype: 'uint8', shape: [2], data: Uint8Array.of(3, 4) } as const;
  const x = { dtype: 'float32', shape: [1], data: Float32Array.of(3) } as const;
  const file = put('a.npz', zipSync({ 'x.npy': writeNpy(x), 'y.npy': writeNpy(y) }));
  expect(readSamples(`${file}:x`).array).toEqual(x);
  expect([...readLabels(`${file}:y`)]).toEqual([3, 4]);
});

test('files that are not there are named', () => {
  expect(() => readBytes('/nowhere/x')).toThrow(InputError);
  expect(() => readSamples(path.join(folder, 'no.npy'))).toThrow('no.npy: there is no such file');
  expect(() => readLabels(folder)).toThrow('it is a folder');
});
