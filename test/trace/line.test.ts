import fc from 'fast-check';
import { expect, test } from 'vitest';
import { crc32 } from '../../src/base/crc32.ts';
import { ascii, base64, fromBase64, lineText } from '../../src/trace/line.ts';

test('the check value of CRC-32', () => {
  expect(crc32(ascii('123456789'))).toBe(0xcbf43926);
  expect(crc32(new Uint8Array())).toBe(0);
});

test('base64 is that of others without padding, both ways', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => {
      const text = Buffer.from(bytes).toString('base64').replaceAll('=', '');
      expect(base64(bytes)).toBe(text);
      expect(fromBase64(text)).toEqual(bytes);
    }),
  );
});

test.each(['A', 'AB=', 'AB', 'A B', 'AAAAA'])('no bytes are spelled %s', (text) => {
  // 'AA' is one zero byte; the last four bits of 'AB' belong to nothing.
  expect(fromBase64(text)).toBeUndefined();
});

test('a line', () => {
  expect(lineText(['E', '1', '2'])).toBe(`~E 1 2*${crc32(ascii('E 1 2')).toString(16).padStart(8, '0')}\n`);
});
