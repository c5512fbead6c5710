import fc from 'fast-check';
import { encode } from 'fast-png';
import { zlibSync } from 'fflate';
import { describe, expect, test } from 'vitest';
import { readPng, stackPictures } from '../../src/data/png.ts';
import { damagedCopies, refusesCleanly } from '../support/fuzz.ts';
import { chunk, packPng } from '../support/png.ts';

const size = { width: 2, height: 2 };

describe('readPng', () => {
  test.each([
    ['gray', 1, [1, 2, 3, 4], 1, [1, 2, 3, 4]],
    ['gray and alpha', 2, [1, 0, 2, 0, 3, 9, 4, 255], 1, [1, 2, 3, 4]],
    ['RGB', 3, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12], 3, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]],
    [
      'RGBA',
      4,
      [1, 2, 3, 0, 4, 5, 6, 0, 7, 8, 9, 0, 10, 11, 12, 7],
      3,
      [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
    ],
  ] as const)('%s', (_, channels, data, kept, pixels) => {
    const picture = readPng(encode({ ...size, channels, data: Uint8Array.from(data) }), 'x.png');
    expect(picture).toEqual({ where: 'x.png', ...size, channels: kept, pixels: Uint8Array.from(pixels) });
  });

  test('16 bits are rounded to 8', () => {
    const data = Uint16Array.of(0, 65535, 128, 129);
    expect([...readPng(encode({ ...size, channels: 1, depth: 16, data }), 'x.png').pixels]).toEqual([
      0, 255, 0, 1,
    ]);
  });

  test('1, 2 and 4 bits of gray: rows are packed and each starts a byte', () => {
    expect([...readPng(packPng(3, 2, 1, 0, [[0b10100000], [0b01000000]]), 'x').pixels]).toEqual([
      255, 0, 255, 0, 255, 0,
    ]);
    expect([...readPng(packPng(3, 1, 2, 0, [[0b00011000]]), 'x').pixels]).toEqual([0, 85, 170]);
    expect([...readPng(packPng(3, 1, 4, 0, [[0x0f, 0x10]]), 'x').pixels]).toEqual([0, 255, 17]);
  });

  test('palettes', () => {
    const palette = [10, 20, 30, 40, 50, 60];
    const picture = readPng(packPng(3, 1, 1, 3, [[0b10100000]], palette), 'x');
    expect(picture.channels).toBe(3);
    expect([...picture.pixels]).toEqual([40, 50, 60, 10, 20, 30, 40, 50, 60]);
    expect(() => readPng(packPng(3, 1, 4, 3, [[0x01, 0x20]], palette), 'x')).toThrow(
      'outside of its palette',
    );
  });

  const good = encode({ ...size, channels: 3, data: new Uint8Array(12).fill(7) });
  test('damage is named', () => {
    expect(() => readPng(good.subarray(0, 20), 'x.png')).toThrow('x.png: not a complete PNG');
    expect(() => readPng(good.subarray(0, -20), 'x.png')).toThrow('a damaged PNG');
    const wrongSum = good.slice();
    wrongSum[29] = (wrongSum[29] ?? 0) ^ 1;
    expect(() => readPng(wrongSum, 'x.png')).toThrow('a damaged PNG (CRC mismatch');
    expect(() => readPng(packPng(60000, 1, 1, 0, [[0]]), 'x.png')).toThrow('60000 x 1 pixels');
    expect(() => readPng(packPng(3, 1, 1, 0, [[0]], [], 1), 'x.png')).toThrow(
      'an interlaced picture of 1 bits',
    );
  });

  test('fuzzed files throw nothing but InputError', () => {
    fc.assert(
      fc.property(damagedCopies(good), (bytes) => {
        refusesCleanly(() => readPng(bytes, 'x.png'));
      }),
      { numRuns: 1000 },
    );
  });
});

describe('stackPictures', () => {
  const gray = { where: 'g.png', ...size, channels: 1, pixels: Uint8Array.of(1, 2, 3, 4) } as const;
  const grayRgb = {
    where: 'r.png',
    ...size,
    channels: 3,
    pixels: Uint8Array.of(5, 5, 5, 6, 6, 6, 7, 7, 7, 8, 8, 8),
  } as const;
  const colour = {
    where: 'c.png',
    ...size,
    channels: 3,
    pixels: Uint8Array.from({ length: 12 }, (_, i) => i),
  } as const;

  test('all gray: one channel, whatever the files say', () => {
    const { array, layout } = stackPictures([gray, grayRgb], 'folder');
    expect(array.shape).toEqual([2, 2, 2, 1]);
    expect(layout).toBe('nhwc');
    expect([...array.data]).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  test('one coloured picture, or a model of three channels: three', () => {
    expect(stackPictures([gray, colour], 'folder').array.shape).toEqual([2, 2, 2, 3]);
    expect([...stackPictures([gray], 'folder', 3).array.data]).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
  });

  test('what cannot be stacked', () => {
    expect(() => stackPictures([], 'folder')).toThrow('folder: no .png files');
    expect(() => stackPictures([gray, colour], 'folder', 1)).toThrow('c.png: a coloured picture');
    const wide = { ...gray, where: 'w.png', width: 4, height: 1 };
    expect(() => stackPictures([gray, wide], 'folder')).toThrow('w.png: 4 x 1 pixels, but g.png has 2 x 2');
  });
});

test('pixels that unpack to more than the picture holds end at its size', () => {
  const rows = [[1, 2], ...Array.from({ length: 200 }, () => new Array<number>(2 ** 16).fill(0))];
  expect(() => readPng(packPng(2, 1, 8, 0, rows), 'x.png')).toThrow(/unpack to more than the \d+ bytes/);
});

test('colour profiles are not unpacked, however large', () => {
  const plain = packPng(2, 1, 8, 0, [[7, 9]]);
  const header = 8 + 25;
  const profile = chunk('iCCP', Buffer.concat([Buffer.from('p\0\0'), zlibSync(new Uint8Array(2 ** 20))]));
  // Not even whether it can be unpacked matters.
  profile.fill(0, 20, 40);
  const png = Buffer.concat([plain.subarray(0, header), profile, plain.subarray(header)]);
  expect([...readPng(new Uint8Array(png), 'x.png').pixels]).toEqual([7, 9]);
});
