import { gzipSync as nodeGzip } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { gunzip, isGzip } from '../../src/data/gzip.ts';
import { damagedCopies, refusesCleanly } from '../support/fuzz.ts';

test('what zlib packed comes out again', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 5000 }), (bytes) => {
      const packed = new Uint8Array(nodeGzip(bytes));
      expect(isGzip(packed)).toBe(true);
      expect(gunzip(packed, 'x.gz')).toEqual(bytes);
    }),
  );
});

const packed = new Uint8Array(nodeGzip(Buffer.from('handwritten digits '.repeat(50))));

test('every truncation is noticed', () => {
  for (let keep = 2; keep < packed.length; keep++)
    expect(refusesCleanly(() => gunzip(packed.subarray(0, keep), 'x.gz'))).toBe(false);
});

test('damage never passes as data', () => {
  fc.assert(
    fc.property(damagedCopies(packed), (bytes) => {
      let out: Uint8Array | undefined;
      refusesCleanly(() => {
        out = gunzip(bytes, 'x.gz');
      });
      if (out !== undefined) expect(Buffer.from(out).toString()).toBe('handwritten digits '.repeat(50));
    }),
    { numRuns: 2000 },
  );
});

test('what claims to be more than a gigabyte is not unpacked, and no more comes out than is claimed', () => {
  const claiming = (length: number, size: number): Uint8Array => {
    const bytes = new Uint8Array(size);
    bytes.set(packed.subarray(0, -8));
    new DataView(bytes.buffer).setUint32(size - 4, length, true);
    return bytes;
  };
  expect(() => gunzip(claiming(2 ** 30 + 1, 2 ** 21), 'x.gz')).toThrow('1073741825 bytes, of at most');
  const zeros = new Uint8Array(nodeGzip(new Uint8Array(2 ** 24)));
  new DataView(zeros.buffer).setUint32(zeros.length - 4, 100, true);
  expect(() => gunzip(zeros, 'x.gz')).toThrow(/truncated or damaged/);
});
