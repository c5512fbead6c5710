/** Files with damage of the kinds that downloads, editors and attackers make, from seeds. */
import { unzipSync, zipSync } from 'fflate';
import { mulberry32 } from '../../src/base/random.ts';

type Random = () => number;

const below = (random: Random, n: number): number => Math.floor(random() * n);

/** Sizes and counts at which readers go wrong. */
const words = [0, 1, 2, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffe, 0xffff_ffff];

/** Each changes a copy, or makes another. */
const kinds: readonly ((bytes: Uint8Array, random: Random) => Uint8Array)[] = [
  (bytes, random) => bytes.subarray(0, below(random, bytes.length)),
  (bytes, random) => {
    bytes[below(random, bytes.length)] = below(random, 256);
    return bytes;
  },
  (bytes, random) => {
    const place = below(random, bytes.length);
    bytes[place] = (bytes[place] ?? 0) ^ (1 << below(random, 8));
    return bytes;
  },
  (bytes, random) => {
    if (bytes.length < 4) return bytes;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    view.setUint32(below(random, bytes.length - 3), words[below(random, words.length)] ?? 0, true);
    return bytes;
  },
  (bytes, random) => {
    const [from, length] = [below(random, bytes.length), 1 + below(random, 64)];
    bytes.copyWithin(below(random, bytes.length), from, from + length);
    return bytes;
  },
  (bytes, random) => {
    const [place, length] = [below(random, bytes.length), 1 + below(random, 16)];
    const isCut = random() < 0.5;
    const parts = [
      bytes.subarray(0, place),
      bytes.subarray(isCut ? place + length : Math.max(0, place - length)),
    ];
    return Uint8Array.from(parts.flatMap((part) => [...part]));
  },
];

/** `bytes` with one to three damages. */
export function mutated(bytes: Uint8Array, seed: number): Uint8Array {
  const random = mulberry32(seed);
  let copy: Uint8Array = bytes.slice();
  for (let i = below(random, 3); i >= 0 && copy.length > 0; i--)
    copy = kinds[below(random, kinds.length)]?.(copy, random) ?? copy;
  return copy;
}

/** A zip archive with one of its files damaged, and check sums that fit: what is behind the archive's own checks. */
export function mutatedInside(archive: Uint8Array, seed: number, name: RegExp): Uint8Array {
  const files = unzipSync(archive);
  const found = Object.keys(files).find((each) => name.test(each));
  const content = found === undefined ? undefined : files[found];
  if (found === undefined || content === undefined) throw new Error(`no ${name} in the archive`);
  return zipSync({ ...files, [found]: mutated(content, seed) }, { level: 0, mtime: '1980-01-01T00:00:00' });
}
