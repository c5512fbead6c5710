/** A capture of a console, cut into undamaged lines of traces and everything else. */
import { crc32 } from '../base/crc32.ts';
import { ascii } from './line.ts';

export interface ScannedLine {
  /** Between `~` and `*`. */
  readonly body: string;
  /** Of its `~` in the capture. */
  readonly offset: number;
}

export interface OtherText {
  readonly kind: 'noise' | 'damaged';
  readonly text: string;
  readonly offset: number;
}

export interface Scanned {
  readonly lines: readonly ScannedLine[];
  /** Stretches between them, without those that are only ends of lines. */
  readonly other: readonly OtherText[];
}

/** One character per byte. */
function latin1(bytes: Uint8Array): string {
  const parts: string[] = [];
  for (let i = 0; i < bytes.length; i += 8192)
    parts.push(String.fromCharCode(...bytes.subarray(i, i + 8192)));
  return parts.join('');
}

/** Neither its beginning nor its end has to be that of a line on the console: other text may touch it. */
const shape = /~([BTIOioE] [-+/\w ]+)\*([0-9a-f]{8})/g;

/** What is left of a damaged line has a beginning or an end. */
const remains = /~[BTIOioE] |\*[0-9a-f]{8}(?![0-9a-f])/;

/** Line by line: damaged ones on their own, stretches of others together. */
function* otherText(text: string, offset: number): Generator<OtherText> {
  let noise = '';
  let at = offset;
  for (const line of text.match(/[^\n]*\n|[^\n]+/g) ?? []) {
    if (remains.test(line)) {
      if (noise.trim() !== '') yield { kind: 'noise', text: noise, offset: at - noise.length };
      noise = '';
      yield { kind: 'damaged', text: line, offset: at };
    } else {
      noise += line;
    }
    at += line.length;
  }
  if (noise.trim() !== '') yield { kind: 'noise', text: noise, offset: at - noise.length };
}

/** Whatever the bytes are, nothing is thrown. */
export function scan(bytes: Uint8Array): Scanned {
  const text = latin1(bytes);
  const lines: ScannedLine[] = [];
  const other: OtherText[] = [];
  let end = 0;
  for (const found of text.matchAll(shape)) {
    const [whole, body = '', crc] = found;
    if (crc32(ascii(body)) !== Number.parseInt(crc ?? '', 16)) continue;
    for (const stretch of otherText(text.slice(end, found.index), end)) other.push(stretch);
    lines.push({ body, offset: found.index });
    end = found.index + whole.length;
  }
  for (const stretch of otherText(text.slice(end), end)) other.push(stretch);
  return { lines, other };
}
