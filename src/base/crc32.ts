/** CRC-32 of IEEE 802.3. */

/** Of bytes behind which `behind` more follow: all remainders. */
const remaindersOf = (behind: number): Int32Array =>
  Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte;
    for (let bit = 0; bit < 8 * (1 + behind); bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
    return crc;
  });
const [last, third, second, first] = [remaindersOf(0), remaindersOf(1), remaindersOf(2), remaindersOf(3)];

/**
 * Without the inversions at both ends: the state after `bytes`, from the state before. Four bytes at once, whose
 * remainders do not wait for each other.
 */
export function crcState(crc: number, bytes: Uint8Array): number {
  const whole = bytes.length & ~3;
  let state = crc;
  for (let i = 0; i < whole; i += 4)
    state =
      (first[(state ^ (bytes[i] as number)) & 0xff] as number) ^
      (second[((state >>> 8) ^ (bytes[i + 1] as number)) & 0xff] as number) ^
      (third[((state >>> 16) ^ (bytes[i + 2] as number)) & 0xff] as number) ^
      (last[(state >>> 24) ^ (bytes[i + 3] as number)] as number);
  for (let i = whole; i < bytes.length; i++)
    state = (state >>> 8) ^ (last[(state ^ (bytes[i] as number)) & 0xff] as number);
  return state;
}

/** CRC-32, unsigned; `123456789` gives 0xcbf43926. */
export const crc32 = (bytes: Uint8Array): number => ~crcState(-1, bytes) >>> 0;
