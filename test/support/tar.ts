/** The files of a .tar.gz by path (ustar: a header block of 512 bytes before each file, sizes in octal). */
import { gunzipSync } from 'fflate';
import { readBytes } from './shared.ts';

export function readTarGz(path: string): ReadonlyMap<string, Uint8Array> {
  const bytes = gunzipSync(readBytes(path));
  const text = new TextDecoder();
  const field = (at: number, length: number) =>
    text.decode(bytes.subarray(at, at + length)).replace(/\0.*$/s, '');
  const files = new Map<string, Uint8Array>();
  for (let at = 0; at + 512 <= bytes.length && bytes[at] !== 0; ) {
    const size = Number.parseInt(field(at + 124, 12), 8);
    files.set(field(at, 100), bytes.subarray(at + 512, at + 512 + size));
    at += 512 + Math.ceil(size / 512) * 512;
  }
  return files;
}
