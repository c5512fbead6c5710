import { zlibSync } from 'fflate';

function crc32(bytes: Uint8Array): number {
  let c = ~0;
  for (const byte of bytes) {
    c ^= byte;
    for (let k = 0; k < 8; k++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1;
  }
  return ~c >>> 0;
}

export function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const [head, tail] = [Buffer.alloc(4), Buffer.alloc(4)];
  head.writeUInt32BE(data.length);
  tail.writeUInt32BE(crc32(body));
  return Buffer.concat([head, body, tail]);
}

/** A PNG from packed rows: for depths, palettes and interlacing that encoders do not write. */
export function packPng(
  width: number,
  height: number,
  depth: number,
  colourType: number,
  rows: readonly (readonly number[])[],
  palette: readonly number[] = [],
  interlace = 0,
): Uint8Array {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([depth, colourType, 0, 0, interlace], 8);
  const lines = Uint8Array.from(rows.flatMap((row) => [0, ...row]));
  return new Uint8Array(
    Buffer.concat([
      Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
      chunk('IHDR', header),
      ...(palette.length > 0 ? [chunk('PLTE', Uint8Array.from(palette))] : []),
      chunk('IDAT', zlibSync(lines)),
      chunk('IEND', new Uint8Array(0)),
    ]),
  );
}
