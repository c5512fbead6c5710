import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { encode } from 'fast-png';
import { zipSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { decodeLabels, decodeSamples } from '../../src/data/detect.ts';
import { writeNpy } from '../../src/data/npy.ts';
import { refusesCleanly } from '../support/fuzz.ts';

const array = { dtype: 'uint8', shape: [2], data: Uint8Array.of(1, 2) } as const;
const npy = writeNpy(array);
const idx = Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 2, 1, 2);

describe('decodeSamples', () => {
  test.each([
    ['x', npy],
    ['x.npy.gz', new Uint8Array(gzipSync(npy))],
    ['x.npz', zipSync({ 'a.npy': npy })],
    ['x-idx1-ubyte', idx],
    ['x-idx1-ubyte.gz', new Uint8Array(gzipSync(idx))],
  ])('%s', (name, bytes) => {
    expect(decodeSamples({ name, bytes })).toEqual({ where: name, array });
  });

  test('one PNG, and CIFAR-10 by its name', () => {
    const png = encode({ width: 1, height: 1, channels: 1, data: Uint8Array.of(9) });
    expect(decodeSamples({ name: 'x.png', bytes: png }).array.shape).toEqual([1, 1, 1, 1]);
    const cifar = new Uint8Array(3073);
    expect(decodeSamples({ name: 'x.bin', bytes: cifar }).array.shape).toEqual([1, 3, 32, 32]);
    expect(decodeSamples({ name: 'x.BIN.gz', bytes: new Uint8Array(gzipSync(cifar)) }).labels).toEqual(
      Int32Array.of(0),
    );
  });

  test('an archive of several: one by its name', () => {
    const bytes = zipSync({ 'a.npy': npy, 'b.npy': npy });
    expect(decodeSamples({ name: 'x.npz', bytes, member: 'b' }).array).toEqual(array);
  });

  test('unknown and empty files', () => {
    expect(() => decodeSamples({ name: 'x.jpg', bytes: Uint8Array.of(0xff, 0xd8) })).toThrow(
      'x.jpg: a file of unknown format',
    );
    expect(() => decodeSamples({ name: 'x.npy', bytes: new Uint8Array(0) })).toThrow('x.npy: an empty file');
  });
});

test('labels from every format', () => {
  for (const [name, bytes] of [
    ['x.npy', npy],
    ['x.npz', zipSync({ 'y.npy': npy })],
    ['idx1', idx],
    ['x.txt', Buffer.from('1\n2\n')],
  ] as const)
    expect([...decodeLabels({ name, bytes: new Uint8Array(bytes) })]).toEqual([1, 2]);
  expect([...decodeLabels({ name: 'x.bin', bytes: new Uint8Array(3073).fill(4) })]).toEqual([4]);
});

test('any bytes at all throw nothing but InputError', () => {
  const starts = [
    [],
    [0x1f, 0x8b, 8],
    [0x50, 0x4b, 3, 4],
    [0, 0, 8],
    [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0],
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...starts),
      fc.uint8Array({ maxLength: 200 }),
      fc.boolean(),
      (start, rest, bin) => {
        const file = { name: bin ? 'x.bin' : 'x', bytes: Uint8Array.of(...start, ...rest) };
        refusesCleanly(() => decodeSamples(file));
        refusesCleanly(() => decodeLabels(file));
      },
    ),
    { numRuns: 3000 },
  );
});
