/** Zip archives (PKWARE's APPNOTE 6.3.10) as PyTorch and zip programs write them. */
import { inflateSync } from 'fflate';
import { crc32 } from '../../../base/crc32.ts';
import { at, complain, type InputError } from '../../../base/errors.ts';

export interface Zip {
  /** Of all files, in the order of the directory; folders are left out. */
  readonly names: readonly string[];
  /** Of the archive, in bytes. */
  readonly size: number;
  has(name: string): boolean;
  /** @throws InputError where there is no such file, or its bytes are damaged */
  bytes(name: string): Uint8Array;
}

/** Everything in an archive together holds no more than this times the archive, and a mebibyte. */
export const largestUnpacking = 64;

const [endMark, end64Mark, locatorMark, entryMark, fileMark] = [
  0x06054b50, 0x06064b50, 0x07064b50, 0x02014b50, 0x04034b50,
];
const [endSize, end64Size, locatorSize, entrySize, fileSize] = [22, 56, 20, 46, 30];
const allOnes = 0xffffffff;

const damaged = (found: string): InputError =>
  complain(`a damaged zip archive: ${found}`, undefined, 'save or download the file again');

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/** 64 bits; beyond 2^53 the nearest number, which no check of a size lets through. */
const long = (view: DataView, place: number): number => Number(view.getBigUint64(place, true));

/** What comes out, in the archive, place of the local header. */
type Sizes = readonly [number, number, number];

interface Directory {
  readonly start: number;
  readonly size: number;
  readonly count: number;
}

interface Entry {
  readonly name: string;
  readonly deflated: boolean;
  readonly crc: number;
  /** In the archive, and what comes out. */
  readonly packed: number;
  readonly size: number;
  /** Of the local header. */
  readonly start: number;
}

/** Of the file behind its local header. */
interface Stretch extends Entry {
  readonly first: number;
}

/** The last record whose comment ends at the end of the file. */
function endOf(view: DataView): number {
  const least = Math.max(0, view.byteLength - endSize - 0xffff);
  for (let place = view.byteLength - endSize; place >= least; place--)
    if (
      view.getUint32(place, true) === endMark &&
      place + endSize + view.getUint16(place + 20, true) === view.byteLength
    )
      return place;
  throw complain(
    'a zip archive without its end: a download or a copy that stopped',
    undefined,
    'fetch or save the whole file again',
  );
}

/** Where a number of the ordinary record is all ones, it stands in the record of 64 bits. */
function directoryOf(view: DataView): Directory {
  const end = endOf(view);
  if (view.getUint16(end + 4, true) !== view.getUint16(end + 6, true))
    throw complain('one part of a zip archive in several', undefined, 'join the parts');
  const count = view.getUint16(end + 10, true);
  const [size, start] = [view.getUint32(end + 12, true), view.getUint32(end + 16, true)];
  const directory =
    count === 0xffff || size === allOnes || start === allOnes
      ? directory64(view, end - locatorSize)
      : { count, size, start };
  if (directory.start + directory.size > end) throw damaged('its directory lies behind its end');
  return directory;
}

function directory64(view: DataView, locator: number): Directory {
  if (locator < 0 || view.getUint32(locator, true) !== locatorMark)
    throw damaged('no record of 64-bit sizes');
  const end = long(view, locator + 8);
  if (end + end64Size > locator || view.getUint32(end, true) !== end64Mark)
    throw damaged('no record of 64-bit sizes');
  return { count: long(view, end + 32), size: long(view, end + 40), start: long(view, end + 48) };
}

/** Sizes and place; those that are all ones in the entry stand in its extra field 1, in this order. */
function widened(view: DataView, place: number, length: number, narrow: Sizes): Sizes {
  const wanted = narrow.filter((value) => value === allOnes).length;
  if (wanted === 0) return narrow;
  let next = extraField(view, place, length, 8 * wanted);
  const wide = (value: number): number => {
    if (value !== allOnes) return value;
    next += 8;
    return long(view, next - 8);
  };
  return [wide(narrow[0]), wide(narrow[1]), wide(narrow[2])];
}

function extraField(view: DataView, place: number, length: number, least: number): number {
  for (let i = place; i + 4 <= place + length; ) {
    const [tag, size] = [view.getUint16(i, true), view.getUint16(i + 2, true)];
    if (tag === 1 && size >= least && i + 4 + size <= place + length) return i + 4;
    i += 4 + size;
  }
  throw damaged('a file without its 64-bit size');
}

const utf8 = new TextDecoder();

const textAt = (view: DataView, place: number, length: number): string =>
  utf8.decode(new Uint8Array(view.buffer, view.byteOffset + place, length));

/** The directory's entry at `place`, of which `limit` is the end. */
function entryAt(view: DataView, place: number, limit: number): Entry & { readonly end: number } {
  if (place + entrySize > limit || view.getUint32(place, true) !== entryMark)
    throw damaged('its directory breaks off');
  const [nameLength, extraLength] = [view.getUint16(place + 28, true), view.getUint16(place + 30, true)];
  const extra = place + entrySize + nameLength;
  const end = extra + extraLength + view.getUint16(place + 32, true);
  if (end > limit) throw damaged('its directory breaks off');
  const name = textAt(view, place + entrySize, nameLength);
  const narrow = (offset: number): number => view.getUint32(place + offset, true);
  const sizes: Sizes = [narrow(24), narrow(20), narrow(42)];
  const [size, packed, start] = widened(view, extra, extraLength, sizes);
  const [flags, method] = [view.getUint16(place + 8, true), view.getUint16(place + 10, true)];
  requireReadable(name, flags, method);
  return {
    ...{ name, deflated: method === 8, crc: view.getUint32(place + 16, true), packed, size, start },
    end,
  };
}

function requireReadable(name: string, flags: number, method: number): void {
  if ((flags & 1) !== 0)
    throw complain(`'${name}' in the archive is encrypted`, 'archives without a password');
  if (method !== 0 && method !== 8)
    throw complain(`'${name}' in the archive is packed by method ${method}`, 'stored and deflated files');
  if (name.startsWith('/') || name.split(/[/\\]/).includes('..') || name.includes('\0'))
    throw complain(`the archive holds the path '${name}'`, 'paths below the archive');
}

function entriesOf(view: DataView, { start, size, count }: Directory): Entry[] {
  const entries: Entry[] = [];
  const end = start + size;
  for (let place = start; place < end; ) {
    const entry = entryAt(view, place, end);
    place = entry.end;
    entries.push(entry);
  }
  if (entries.length !== count) throw damaged(`${entries.length} files of ${count} in its directory`);
  return entries;
}

/** The local header says again what the file is called, and how long it is itself. */
function stretchOf(view: DataView, entry: Entry, end: number): Stretch {
  const { name, start } = entry;
  if (start + fileSize > end || view.getUint32(start, true) !== fileMark)
    throw damaged(`'${name}' is not where its directory says`);
  const nameLength = view.getUint16(start + 26, true);
  const first = start + fileSize + nameLength + view.getUint16(start + 28, true);
  if (first + entry.packed > end) throw damaged(`'${name}' goes beyond its end`);
  if (textAt(view, start + fileSize, nameLength) !== name) throw damaged(`'${name}' has two names`);
  if (!entry.deflated && entry.packed !== entry.size) throw damaged(`'${name}' has two sizes`);
  return { ...entry, first };
}

function requireApart(stretches: readonly Stretch[]): void {
  const sorted = stretches.toSorted((a, b) => a.start - b.start);
  sorted.slice(1).forEach((next, i) => {
    const { name, first, packed } = at(sorted, i);
    if (first + packed > next.start) throw damaged(`'${name}' and '${next.name}' overlap`);
  });
}

/** DEFLATE cannot shrink by more than 1032:1. */
function requireSizes(stretches: readonly Stretch[], archive: number): void {
  const wrong = stretches.find(({ size, packed }) => size > 1032 * packed + 64);
  if (wrong !== undefined) throw damaged(`'${wrong.name}' has an impossible size`);
  const all = stretches.reduce((sum, { size }) => sum + size, 0);
  if (all > largestUnpacking * archive + 2 ** 20)
    throw complain(
      `a zip archive of ${archive} bytes that holds ${all}`,
      `archives that hold up to ${largestUnpacking} times their size`,
    );
}

function contentOf(bytes: Uint8Array, { name, first, packed, size, deflated, crc }: Stretch): Uint8Array {
  const stored = bytes.subarray(first, first + packed);
  const content = deflated ? inflated(stored, size, name) : stored;
  // PyTorch writes 0 where it was told not to compute it.
  if (crc !== 0 && crc32(content) !== crc) throw damaged(`the check sum of '${name}' is wrong`);
  return content;
}

/** One byte more than is claimed shows whether more comes out. */
function inflated(packed: Uint8Array, size: number, name: string): Uint8Array {
  let out: Uint8Array;
  try {
    out = inflateSync(packed, { out: new Uint8Array(size + 1) });
  } catch {
    throw damaged(`'${name}' does not unpack`);
  }
  if (out.length !== size) throw damaged(`'${name}' unpacks to another size`);
  return out;
}

/**
 * Reads a zip archive: stored and deflated files, sizes of 64 bits, sizes behind the files (the directory counts).
 * A check sum of 0 was not computed, every other one is held to the bytes when they are read.
 * Names are read as UTF-8.
 * @throws InputError for truncated archives, files that overlap, that are there twice or have impossible sizes,
 *   paths out of the archive, encryption, and archives that hold more than `largestUnpacking` times their size
 */
export function readZip(bytes: Uint8Array): Zip {
  const view = viewOf(bytes);
  const directory = directoryOf(view);
  const stretches = entriesOf(view, directory).map((entry) => stretchOf(view, entry, directory.start));
  requireApart(stretches);
  requireSizes(stretches, bytes.length);
  const files = new Map<string, Stretch>();
  for (const stretch of stretches) {
    if (files.has(stretch.name)) throw damaged(`'${stretch.name}' is there twice`);
    files.set(stretch.name, stretch);
  }
  return {
    names: [...files.keys()].filter((name) => !name.endsWith('/')),
    size: bytes.length,
    has: (name) => files.has(name),
    bytes: (name) => {
      const stretch = files.get(name);
      if (stretch === undefined) throw damaged(`there is no '${name}' in it`);
      return contentOf(bytes, stretch);
    },
  };
}
