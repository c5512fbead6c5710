/**
 * Protobuf's wire format, for fields of newer files that the schema behind `proto.ts` does not have: keys of a field's
 * number and type, then a number or a length and as many bytes.
 */
import { at } from '../../base/errors.ts';

interface Field {
  readonly number: number;
  /** Of a field with a length; of others there is nothing to read here. */
  readonly bytes?: Uint8Array;
}

/** A base-128 number at `from`, and where it ends. */
function varint(bytes: Uint8Array, from: number): readonly [number, number] {
  let [value, unit] = [0, 1];
  for (let i = from; i < bytes.length; i++) {
    const byte = at(bytes, i);
    value += (byte & 127) * unit;
    if (byte < 128) return [value, i + 1];
    unit *= 128;
  }
  return [value, bytes.length];
}

const fixedBytes: Readonly<Record<number, number>> = { 1: 8, 5: 4 };

/** The fields of a message; damage ends them, since the decoder of the whole model reports it. */
export function* fieldsOf(bytes: Uint8Array): Generator<Field> {
  let next = 0;
  while (next < bytes.length) {
    const [key, start] = varint(bytes, next);
    const [number, type] = [Math.floor(key / 8), key % 8];
    if (type === 2) {
      const [length, from] = varint(bytes, start);
      yield { number, bytes: bytes.subarray(from, from + length) };
      next = from + length;
    } else if (type === 0) {
      next = varint(bytes, start)[1];
    } else {
      const size = fixedBytes[type];
      if (size === undefined) return;
      next = start + size;
    }
  }
}

/** The fields with a length of one number, in order. */
export function inside(bytes: Uint8Array, number: number): readonly Uint8Array[] {
  const found: Uint8Array[] = [];
  for (const field of fieldsOf(bytes))
    if (field.number === number && field.bytes !== undefined) found.push(field.bytes);
  return found;
}

const text = new TextDecoder();

export const textIn = (bytes: Uint8Array, number: number): string =>
  text.decode(inside(bytes, number).at(-1) ?? new Uint8Array());
