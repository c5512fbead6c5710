import { expect, test } from 'vitest';
import { decodeLabels } from '../../src/data/detect.ts';
import { encodingOf, narrowed, textOfBytes } from '../../src/data/encoding.ts';

const text = '# labels\r\n3\r\n1\r\n4\r\n';
const utf16 = (s: string, big: boolean): Buffer => {
  const bytes = Buffer.from(s, 'utf16le');
  return big ? bytes.swap16() : bytes;
};
const spellings: Readonly<Record<string, Uint8Array>> = {
  'UTF-8': Buffer.from(text),
  'UTF-8 with a mark': Buffer.from(`\ufeff${text}`),
  "UTF-16, as PowerShell's > writes it": utf16(`\ufeff${text}`, false),
  'UTF-16, big-endian': utf16(`\ufeff${text}`, true),
  'UTF-16 without a mark': utf16(text, false),
  'UTF-16 without a mark, big-endian': utf16(text, true),
};

test.each(Object.entries(spellings))('%s', (_, bytes) => {
  expect(textOfBytes(bytes)).toBe(text);
  expect([...decodeLabels({ name: 'labels.txt', bytes })]).toEqual([3, 1, 4]);
  const { bytes: narrow, offsetOf } = narrowed(bytes);
  const at = Buffer.from(narrow).indexOf('3\r');
  expect(bytes[offsetOf(at) + (bytes[offsetOf(at)] === 0 ? 1 : 0)]).toBe('3'.charCodeAt(0));
});

test('bytes that are no text stay as they are', () => {
  const binary = Uint8Array.from({ length: 64 }, (_, i) => i);
  for (const bytes of [binary, new Uint8Array(64), new Uint8Array(0), Uint8Array.of(7)]) {
    expect(encodingOf(bytes).name).toBe('utf-8');
    expect(narrowed(bytes).bytes).toBe(bytes);
  }
});
