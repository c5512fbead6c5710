/** The arena's bytes, typed views of them, and for each byte the slot that last wrote it. */

import { arenaFill, type Slot } from '../program/program.ts';
import { slotBytes } from '../program/slots.ts';

/** Owners are slot indices plus one in 16 bits; 0 is none. */
export const maxSlots = 65534;

export interface Arena {
  /** Without the padding that the wide views need. */
  readonly bytes: Uint8Array;
  readonly u8: Uint8Array;
  readonly i8: Int8Array;
  readonly u16: Uint16Array;
  readonly i16: Int16Array;
  readonly i32: Int32Array;
  readonly f32: Float32Array;
  /** One owner per byte. */
  readonly owners: Uint16Array;
  /** The same memory, two owners per element: owners of a wide element are compared two at a time. */
  readonly ownerPairs: Int32Array;
}

export function createArena(arenaBytes: number): Arena {
  const buffer = new ArrayBuffer(Math.ceil(arenaBytes / 8) * 8);
  const owners = new Uint16Array(buffer.byteLength);
  return {
    bytes: new Uint8Array(buffer, 0, arenaBytes),
    u8: new Uint8Array(buffer),
    i8: new Int8Array(buffer),
    u16: new Uint16Array(buffer),
    i16: new Int16Array(buffer),
    i32: new Int32Array(buffer),
    f32: new Float32Array(buffer),
    owners,
    ownerPairs: new Int32Array(owners.buffer),
  };
}

export const ownerOf = (slotIndex: number): number => slotIndex + 1;

/** An owner in both halves of an element of `ownerPairs`. */
export const ownerPair = (slotIndex: number): number => Math.imul(ownerOf(slotIndex), 0x10001);

/** Forgets everything. */
export function startArena(arena: Arena): void {
  arena.bytes.fill(arenaFill);
  arena.owners.fill(0);
}

/** Writes what a slot holds, as if its step had. */
export function placeBytes(arena: Arena, slot: Slot, slotIndex: number, bytes: Uint8Array): void {
  arena.bytes.set(bytes, slot.address);
  arena.owners.fill(ownerOf(slotIndex), slot.address, slot.address + bytes.length);
}

/** The first byte of the slot that it does not own, or undefined. */
export function lostByte(arena: Arena, slot: Slot, slotIndex: number): number | undefined {
  const end = slot.address + slotBytes(slot);
  for (let at = slot.address; at < end; at++) if (arena.owners[at] !== ownerOf(slotIndex)) return at;
  return undefined;
}

/** Takes away what the slot owns: scratch holds nothing before its step. */
export function disown(arena: Arena, slot: Slot, slotIndex: number): void {
  const end = slot.address + slotBytes(slot);
  for (let at = slot.address; at < end; at++)
    if (arena.owners[at] === ownerOf(slotIndex)) arena.owners[at] = 0;
}
