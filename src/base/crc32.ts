/** CRC-32 of IEEE 802.3: of each byte all remainders. */
const remainders = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc;
});

/** Without the inversions at both ends: the state after `bytes`, from the state before. */
export function crcState(crc: number, bytes: Uint8Array): number {
  let state = crc;
  for (const byte of bytes) state = (state >>> 8) ^ (remainders[(state ^ byte) & 0xff] as number);
  return state;
}

/** CRC-32, unsigned; `123456789` gives 0xcbf43926. */
export const crc32 = (bytes: Uint8Array): number => ~crcState(-1, bytes) >>> 0;
