/**
 * A program as JSON: plain data but for its tables, whose numbers are base64 of little-endian bytes, and for the
 * order of images.
 */
import { must } from '../base/errors.ts';
import { elemArrays, type Kernel, type Table } from '../ir/kernel/kernel.ts';
import { type Order, sameOrder, spatialOrder } from '../ir/kernel/memory-order.ts';
import { tableBytes } from '../ir/kernel/table-bytes.ts';
import type { Program, Slot, Step } from './program.ts';

/** 4/3 characters a byte. */
export function base64Of(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += 4096) binary += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return btoa(binary);
}

export function bytesOfBase64(base64: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  // Three times as fast as Uint8Array.from with a function, which counts when an artifact is loaded.
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Most images lie as height, width, channel: a word instead of as many numbers as the tensor has. */
const inner = 'channels innermost';

type PackedSlot = Omit<Slot, 'order'> & { readonly order?: Order | typeof inner };
type PackedTable = Omit<Table, 'data'> & { readonly data: string };
type PackedKernel = Omit<Kernel, 'tables'> & { readonly tables: readonly PackedTable[] };
type PackedStep = Omit<Step, 'kernel'> & { readonly kernel: PackedKernel };

/** A program as JSON knows it. */
export interface PackedProgram extends Omit<Program, 'slots' | 'steps'> {
  readonly slots: readonly PackedSlot[];
  readonly steps: readonly PackedStep[];
}

function packedSlot(slot: Slot): PackedSlot {
  const spatial = slot.order !== undefined && sameOrder(slot.order, spatialOrder(slot.shape));
  return spatial ? { ...slot, order: inner } : slot;
}

function unpackedSlots(slots: readonly PackedSlot[]): readonly Slot[] {
  const known = new Map<string, Order>();
  return slots.map((slot): Slot => {
    if (slot.order !== inner) return slot as Slot;
    const key = slot.shape.join();
    const order = must(known.get(key) ?? spatialOrder(slot.shape), 'an image');
    known.set(key, order);
    return { ...slot, order };
  });
}

const packedKernel = (kernel: Kernel): PackedKernel => ({
  ...kernel,
  tables: kernel.tables.map((t) => ({ ...t, data: base64Of(tableBytes(t)) })),
});

export const packProgram = (program: Program): PackedProgram => ({
  ...program,
  slots: program.slots.map(packedSlot),
  steps: program.steps.map((step) => ({ ...step, kernel: packedKernel(step.kernel) })),
});

type Base64Reader = (base64: string) => Uint8Array<ArrayBuffer>;

/** @param bytesOf another implementation, where there is a faster one; its arrays have buffers of their own */
export const unpackProgram = (packed: PackedProgram, bytesOf: Base64Reader = bytesOfBase64): Program => ({
  ...packed,
  slots: unpackedSlots(packed.slots),
  steps: packed.steps.map((step) => {
    const tables = step.kernel.tables.map((t) => ({
      ...t,
      data: new elemArrays[t.elem](bytesOf(t.data).buffer),
    }));
    return { ...step, kernel: { ...step.kernel, tables } };
  }),
});

export const programText = (program: Program): string => `${JSON.stringify(packProgram(program))}\n`;

// Places by name: a reviver, which is called for every number of the JSON, takes four times as long.
export const programFrom = (json: string, bytesOf?: Base64Reader): Program =>
  unpackProgram(JSON.parse(json) as PackedProgram, bytesOf);
