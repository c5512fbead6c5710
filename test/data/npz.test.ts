import fc from 'fast-check';
import { zipSync } from 'fflate';
import { expect, test } from 'vitest';
import { writeNpy } from '../../src/data/npy.ts';
import { readNpz, readNpzMember } from '../../src/data/npz.ts';
import { damagedCopies, refusesCleanly } from '../support/fuzz.ts';

const a = { dtype: 'float32', shape: [2], data: Float32Array.of(1, 2) } as const;
const b = { dtype: 'uint8', shape: [3], data: Uint8Array.of(3, 4, 5) } as const;
const archive = zipSync({
  'a.npy': writeNpy(a),
  'labels.npy': [writeNpy(b), { level: 0 }],
  'notes.txt': new Uint8Array(3),
});

test('every array by its name, compressed and stored', () => {
  expect(readNpz(archive, 'x.npz')).toEqual(
    new Map<string, unknown>([
      ['a', a],
      ['labels', b],
    ]),
  );
});

test('the named array, or the only one', () => {
  expect(readNpzMember(archive, 'x.npz', 'labels')).toEqual(b);
  expect(readNpzMember(zipSync({ 'a.npy': writeNpy(a) }), 'x.npz', undefined)).toEqual(a);
});

test('several arrays and no name: the message lists them', () => {
  expect(() => readNpzMember(archive, 'x.npz', undefined)).toThrow('2 arrays; supported: one of: a, labels');
  expect(() => readNpzMember(archive, 'x.npz', 'c')).toThrow("no array called 'c'");
  expect(() => readNpzMember(zipSync({}), 'x.npz', undefined)).toThrow('0 arrays');
});

test('a member that claims a size no compression reaches is not even allocated', () => {
  const bomb = zipSync({ 'a.npy': writeNpy(a) });
  const directory = bomb.findLastIndex(
    (_, i) => i + 4 <= bomb.length && bomb[i] === 0x50 && bomb[i + 1] === 0x4b && bomb[i + 2] === 1,
  );
  new DataView(bomb.buffer, bomb.byteOffset).setUint32(directory + 24, 2 ** 31, true);
  expect(() => readNpz(bomb, 'x.npz')).toThrow("'a.npy' has an impossible size");
});

test('members that together claim more than a gigabyte are not allocated', () => {
  const bytes = zipSync(
    Object.fromEntries(
      Array.from({ length: 40 }, (_, i) => [`${i}.npy`, [new Uint8Array(2 ** 15), { level: 0 }]]),
    ),
  );
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  for (let at = 0; at + 4 < bytes.length; at++)
    if (view.getUint32(at, true) === 0x0201_4b50) view.setUint32(at + 24, 2 ** 25, true);
  expect(() => readNpz(bytes, 'x.npz')).toThrow(/bytes, of at most 1073741824/);
});

test('fuzzed archives throw nothing but InputError', () => {
  fc.assert(
    fc.property(damagedCopies(archive), (bytes) => {
      refusesCleanly(() => readNpz(bytes, 'x.npz'));
    }),
    { numRuns: 2000 },
  );
});
