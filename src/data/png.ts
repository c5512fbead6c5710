/** PNG pictures (ISO/IEC 15948) as 8-bit pixels. Alpha is dropped; 16-bit samples are rounded to 8. */

import { type DecodedPng, decode } from 'fast-png';
import { Unzlib } from 'fflate';
import { at, InputError } from '../base/errors.ts';
import type { Samples } from './samples.ts';

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Larger pictures than this feed no microcontroller, and their headers are likelier damaged. */
const longestSide = 8192;

export const isPng = (bytes: Uint8Array): boolean => signature.every((byte, i) => bytes[i] === byte);

export interface Picture {
  readonly where: string;
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  /** Height, width, channel. */
  readonly pixels: Uint8Array;
}

const unusable = (where: string, found: string): InputError =>
  new InputError({
    where,
    found,
    supported: `PNG pictures of up to ${longestSide} x ${longestSide} pixels`,
    todo: 'save the picture again as an 8-bit PNG',
  });

/** What the decoder would stumble over: sizes that only a damaged header has, and packed interlaced rows. */
function checkHeader(bytes: Uint8Array, where: string): void {
  if (!isPng(bytes) || bytes.length < 33) throw unusable(where, 'not a complete PNG file');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const [depth, interlaced] = [view.getUint8(24), view.getUint8(28) === 1];
  if (width === 0 || height === 0 || width > longestSide || height > longestSide)
    throw unusable(where, `a picture of ${width} x ${height} pixels`);
  if (interlaced && depth < 8) throw unusable(where, `an interlaced picture of ${depth} bits per sample`);
}

interface Chunk {
  readonly type: string;
  /** With its length, type and check sum. */
  readonly whole: Uint8Array;
}

/** Up to the first that is cut off. */
function chunksOf(bytes: Uint8Array): readonly Chunk[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const chunks: Chunk[] = [];
  for (let at = signature.length; at + 12 <= bytes.length; ) {
    const end = at + 12 + view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    chunks.push({ type, whole: bytes.subarray(at, end) });
    at = end;
  }
  return chunks;
}

/** What makes the pixels. Others, such as colour profiles, may unpack to any size. */
const needed = ['IHDR', 'PLTE', 'tRNS', 'IDAT', 'IEND'];

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const made = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    made.set(part, at);
    at += part.length;
  }
  return made;
}

const channelsOfType: Readonly<Record<number, number>> = { 0: 1, 2: 3, 3: 1, 4: 2, 6: 4 };

/** Rows of packed samples behind a filter byte; seven smaller pictures, so more rows, where interlaced. */
function rawBytes(header: Uint8Array): number {
  const view = new DataView(header.buffer, header.byteOffset, header.byteLength);
  const [width, height] = [view.getUint32(16), view.getUint32(20)];
  const bits = view.getUint8(24) * (channelsOfType[view.getUint8(25)] ?? 4);
  return height * (Math.ceil((width * bits) / 8) + 5) + 64;
}

/** @throws Error when the pixels unpack to more than their picture holds */
function requireNoBomb(bytes: Uint8Array, chunks: readonly Chunk[]): void {
  const limit = rawBytes(bytes);
  let total = 0;
  const counter = new Unzlib((part) => {
    total += part.length;
    if (total > limit) throw new Error(`its pixels unpack to more than the ${limit} bytes of its size`);
  });
  const data = joined(chunks.filter(({ type }) => type === 'IDAT').map(({ whole }) => whole.subarray(8, -4)));
  if (data.length * deflateLimit <= limit) return;
  for (let at = 0; at < data.length; at += piece) counter.push(data.subarray(at, at + piece));
}

/** DEFLATE's largest ratio, and how much is unpacked at once. */
const deflateLimit = 1032;
const piece = 2 ** 12;

function decoded(bytes: Uint8Array, where: string): DecodedPng {
  checkHeader(bytes, where);
  try {
    const chunks = chunksOf(bytes);
    requireNoBomb(bytes, chunks);
    const kept = chunks.filter(({ type }) => needed.includes(type)).map(({ whole }) => whole);
    return decode(joined([bytes.subarray(0, signature.length), ...kept]), { checkCrc: true });
  } catch (error) {
    throw unusable(where, `a damaged PNG (${error instanceof Error ? error.message : String(error)})`);
  }
}

/** One number per sample: rows of less than 8 bits per sample are packed, each row starting a byte. */
function samplesOf({ data, depth, width, height, channels }: DecodedPng): ArrayLike<number> {
  if (depth >= 8) return data;
  const rowBytes = Math.ceil((width * channels * depth) / 8);
  const out = new Uint8Array(width * height * channels);
  for (let i = 0; i < out.length; i++) {
    const column = i % (width * channels);
    const byte = at(data, Math.floor(i / (width * channels)) * rowBytes + ((column * depth) >> 3));
    out[i] = (byte >> (8 - depth - ((column * depth) & 7))) & (2 ** depth - 1);
  }
  return out;
}

function paletteRgb(png: DecodedPng, palette: readonly (readonly number[])[], where: string): Uint8Array {
  const indices = samplesOf(png);
  const out = new Uint8Array(indices.length * 3);
  for (let i = 0; i < indices.length; i++) {
    const colour = palette[at(indices, i)];
    if (colour === undefined) throw unusable(where, 'a damaged PNG (a colour outside of its palette)');
    for (let c = 0; c < 3; c++) out[3 * i + c] = at(colour, c);
  }
  return out;
}

/** Drops alpha, and brings every sample to 0..255: v * 255 / (2^depth - 1), rounded. */
function plainPixels(png: DecodedPng): Uint8Array {
  const samples = samplesOf(png);
  const kept = png.channels < 3 ? 1 : 3;
  const top = 2 ** png.depth - 1;
  const out = new Uint8Array(png.width * png.height * kept);
  for (let i = 0; i < out.length; i++) {
    const sample = at(samples, Math.floor(i / kept) * png.channels + (i % kept));
    out[i] = Math.round((sample * 255) / top);
  }
  return out;
}

/** @throws InputError for damaged files. */
export function readPng(bytes: Uint8Array, where: string): Picture {
  const png = decoded(bytes, where);
  const pixels = png.palette ? paletteRgb(png, png.palette, where) : plainPixels(png);
  const channels = png.palette || png.channels >= 3 ? 3 : 1;
  if (pixels.length !== png.width * png.height * channels) throw unusable(where, 'a damaged PNG');
  return { where, width: png.width, height: png.height, channels, pixels };
}

function isGray({ channels, pixels }: Picture): boolean {
  if (channels === 1) return true;
  for (let i = 0; i < pixels.length; i += 3)
    if (pixels[i] !== pixels[i + 1] || pixels[i] !== pixels[i + 2]) return false;
  return true;
}

function withChannels({ channels, pixels, width, height }: Picture, wanted: 1 | 3): Uint8Array {
  if (channels === wanted) return pixels;
  const out = new Uint8Array(width * height * wanted);
  for (let i = 0; i < out.length; i++) out[i] = at(pixels, wanted === 3 ? Math.floor(i / 3) : 3 * i);
  return out;
}

function requireOneSize(pictures: readonly Picture[], first: Picture): void {
  const other = pictures.find(({ width, height }) => width !== first.width || height !== first.height);
  if (other === undefined) return;
  throw new InputError({
    where: other.where,
    found: `${other.width} x ${other.height} pixels, but ${first.where} has ${first.width} x ${first.height}`,
    supported: 'pictures of one size',
    todo: 'bring all pictures to the same size first',
  });
}

/**
 * Pictures as one array. Gray if all of them are (three equal channels count as gray), unless the model wants
 * `channels`.
 * @throws InputError for no pictures, different sizes, and coloured ones where gray is wanted.
 */
export function stackPictures(pictures: readonly Picture[], where: string, channels?: number): Samples {
  const first = pictures[0];
  if (first === undefined)
    throw new InputError({ where, found: 'no .png files', todo: 'name a folder with PNG pictures' });
  requireOneSize(pictures, first);
  const coloured = pictures.find((picture) => !isGray(picture));
  if (coloured !== undefined && channels === 1)
    throw new InputError({
      where: coloured.where,
      found: 'a coloured picture, but the model takes one channel',
      supported: 'gray pictures for this model',
      todo: 'convert the pictures to gray first',
    });
  const wanted = channels === 1 || channels === 3 ? channels : coloured === undefined ? 1 : 3;
  const size = first.width * first.height * wanted;
  const data = new Uint8Array(size * pictures.length);
  pictures.forEach((picture, i) => {
    data.set(withChannels(picture, wanted), i * size);
  });
  const shape = [pictures.length, first.height, first.width, wanted];
  return { where, array: { dtype: 'uint8', shape, data }, layout: 'nhwc' };
}
