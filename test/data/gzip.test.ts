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
