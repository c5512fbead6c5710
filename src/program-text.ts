/**
 * A program as JSON: plain data but for its tables, whose numbers are base64 of little-endian bytes, and for the
 * order of images.
 */
import { must } from './ir/errors.ts';
import type { Table } from './ir/kernel.ts';
import { type Order, sameOrder, spatialOrder } from './ir/memory-order.ts';
import type { Program, Slot } from './ir/program.ts';
import { tableBytes } from './ir/table-bytes.ts';

/** 4/3 characters a byte. */
export function base64Of(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

export function bytesOfBase64(base64: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  // Three times as fast as Uint8Array.from with a function, which counts when an artifact is loaded.
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

function tableData(elem: Table['elem'], base64: string): Table['data'] {
  const { buffer } = bytesOfBase64(base64);
  switch (elem) {
    case 'u8':
      return new Uint8Array(buffer);
    case 'i8':
      return new Int8Array(buffer);
    case 'u16':
      return new Uint16Array(buffer);
    case 'i16':
      return new Int16Array(buffer);
    case 'i32':
      return new Int32Array(buffer);
    case 'f32':
      return new Float32Array(buffer);
    default:
      return elem satisfies never;
  }
}

type Packed<T, K extends keyof T> = Omit<T, K> & Readonly<Partial<Record<K, unknown>>>;

/** Most images lie as height, width, channel: a word instead of as many numbers as the tensor has. */
const inner = 'channels innermost';

function packedSlot(slot: Slot): Packed<Slot, 'order'> {
  const spatial = slot.order !== undefined && sameOrder(slot.order, spatialOrder(slot.shape));
  return spatial ? { ...slot, order: inner } : slot;
}

function unpackedSlots(slots: readonly Packed<Slot, 'order'>[]): readonly Slot[] {
  const known = new Map<string, Order>();
  return slots.map((slot) => {
    if (slot.order !== inner) return slot as Slot;
    const key = slot.shape.join();
    const order = must(known.get(key) ?? spatialOrder(slot.shape), 'an image');
    known.set(key, order);
    return { ...slot, order };
  });
}

/** For `JSON.stringify`: the slots and tables of all programs anywhere in a value. */
export function packPrograms(key: string, value: unknown): unknown {
  if (key === 'slots') return (value as readonly Slot[]).map(packedSlot);
  if (key !== 'tables') return value;
  return (value as readonly Table[]).map((t) => ({ ...t, data: base64Of(tableBytes(t)) }));
}

/** For `JSON.parse` of what `packPrograms` packed. */
export function unpackPrograms(key: string, value: unknown): unknown {
  if (key === 'slots') return unpackedSlots(value as readonly Packed<Slot, 'order'>[]);
  if (key !== 'tables') return value;
  return (value as readonly (Omit<Table, 'data'> & { data: string })[]).map((t) => ({
    ...t,
    data: tableData(t.elem, t.data),
  }));
}

export const programText = (program: Program): string => `${JSON.stringify(program, packPrograms)}\n`;

export const programFrom = (json: string): Program => JSON.parse(json, unpackPrograms) as Program;
