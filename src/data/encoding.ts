/** Text as shells and editors save it: PowerShell's `>` and Notepad write UTF-16, or UTF-8 with a mark before it. */

export interface Encoding {
  readonly name: 'utf-8' | 'utf-16le' | 'utf-16be';
  /** Bytes of the byte order mark. */
  readonly mark: 0 | 2 | 3;
}

/** Without a mark: text of mostly Latin letters has a zero in every second byte of UTF-16, and hardly any else. */
const looked = 4096;
const mostly = 0.9;

function zerosAt(bytes: Uint8Array, parity: 0 | 1): number {
  let [zeros, count] = [0, 0];
  for (let i = parity; i < Math.min(bytes.length, looked); i += 2) {
    count++;
    if (bytes[i] === 0) zeros++;
  }
  return count === 0 ? 0 : zeros / count;
}

function unmarked(bytes: Uint8Array): Encoding['name'] {
  const [even, odd] = [zerosAt(bytes, 0), zerosAt(bytes, 1)];
  if (odd >= mostly && even <= 1 - mostly) return 'utf-16le';
  return even >= mostly && odd <= 1 - mostly ? 'utf-16be' : 'utf-8';
}

/** By the byte order mark; without one by where the zeros are. */
export function encodingOf(bytes: Uint8Array): Encoding {
  const [a, b, c] = bytes;
  if (a === 0xff && b === 0xfe) return { name: 'utf-16le', mark: 2 };
  if (a === 0xfe && b === 0xff) return { name: 'utf-16be', mark: 2 };
  if (a === 0xef && b === 0xbb && c === 0xbf) return { name: 'utf-8', mark: 3 };
  return { name: unmarked(bytes), mark: 0 };
}

/** The text of a file, without its mark. */
export function textOfBytes(bytes: Uint8Array): string {
  const { name, mark } = encodingOf(bytes);
  return new TextDecoder(name, { ignoreBOM: true }).decode(bytes.subarray(mark));
}

/** A file's text as one byte per character, and where each character began in the file. */
export interface Narrow {
  readonly bytes: Uint8Array;
  readonly offsetOf: (character: number) => number;
}

const placeholder = 0x3f;

/** UTF-16 with one byte per character ('?' beyond Latin-1); everything else as it is. Nothing is thrown. */
export function narrowed(bytes: Uint8Array): Narrow {
  const { name, mark } = encodingOf(bytes);
  if (name === 'utf-8') return { bytes, offsetOf: (i) => i };
  const [low, high] = name === 'utf-16le' ? [0, 1] : [1, 0];
  const narrow = new Uint8Array(Math.floor((bytes.length - mark) / 2));
  for (let i = 0; i < narrow.length; i++) {
    const at = mark + 2 * i;
    narrow[i] = bytes[at + high] === 0 ? (bytes[at + low] ?? placeholder) : placeholder;
  }
  return { bytes: narrow, offsetOf: (i) => mark + 2 * i };
}
