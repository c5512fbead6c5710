/** gzip files (RFC 1952) with their two checks made: the length and the CRC of what comes out. */

import { gunzipSync } from 'fflate';
import { crc32 } from '../base/crc32.ts';
import { InputError } from '../base/errors.ts';
import { largestUnpacked } from './limits.ts';

const deflateLimit = 1032;

export const isGzip = (bytes: Uint8Array): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;

function inflate(bytes: Uint8Array, claimed: number): Uint8Array {
  if (claimed > deflateLimit * bytes.length) throw new Error('impossible length');
  // Written into as many bytes as are claimed, and no more.
  return gunzipSync(bytes);
}

/** @throws InputError when the file is truncated or damaged, or holds more than `largestUnpacked`. */
export function gunzip(bytes: Uint8Array, where: string): Uint8Array {
  try {
    const trailer = new DataView(bytes.buffer, bytes.byteOffset + bytes.length - 8, 8);
    const length = trailer.getUint32(4, true);
    if (length > largestUnpacked) throw new Error(`${length} bytes, of at most ${largestUnpacked}`);
    const out = inflate(bytes, length);
    if (out.length !== length) throw new Error(`${out.length} bytes came out, ${length} were promised`);
    if (crc32(out) !== trailer.getUint32(0, true)) throw new Error('its check sum is wrong');
    return out;
  } catch (error) {
    throw new InputError({
      where,
      found: `truncated or damaged gzip data (${error instanceof Error ? error.message : String(error)})`,
      supported: 'complete gzip files of one member',
      todo: 'download or make the file again',
    });
  }
}
