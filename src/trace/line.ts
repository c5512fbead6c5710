/** The spelling of one line of a trace: docs/trace.md. */

import { crc32 } from '../base/crc32.ts';
import { at } from '../base/errors.ts';

/** `B`egin, `T`able, tensor as `I`nput or `O`utput, the bytes of one as `i` or `o`, `E`nd. */
export type LineKind = 'B' | 'T' | 'I' | 'O' | 'i' | 'o' | 'E';

export const ascii = (text: string): Uint8Array => Uint8Array.from(text, (c) => c.charCodeAt(0));

export const hex = (value: number, digits = 1): string => value.toString(16).padStart(digits, '0');

/** `~`, the words, `*`, the CRC-32 of the words, and the end of the line. */
export function lineText(words: readonly string[]): string {
  const body = words.join(' ');
  return `~${body}*${hex(crc32(ascii(body)), 8)}\n`;
}

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

/** Without padding. */
export function base64(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3);
    const digits = [a >> 2, (a << 4) | (b >> 4), (b << 2) | (c >> 6), c].slice(0, bytes.length - i + 1);
    for (const digit of digits) text += alphabet[digit & 63];
  }
  return text;
}

/** The bytes, or undefined when no bytes are spelled so. */
export function fromBase64(text: string): Uint8Array | undefined {
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4));
  let bits = 0;
  for (let i = 0; i < text.length; i++) {
    const digit = alphabet.indexOf(at(text, i));
    if (digit < 0) return undefined;
    bits = (bits << 6) | digit;
    // Six bits more per digit: a byte is full after the second, third and fourth of each four.
    if (i % 4 > 0) bytes[Math.floor((i * 3) / 4)] = bits >> (6 - 2 * (i % 4));
  }
  return base64(bytes) === text ? bytes : undefined;
}
