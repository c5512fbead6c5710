/** Between real numbers and a program's bytes. */
import { must } from './ir/errors.ts';
import { elemBytes } from './ir/kernel.ts';
import type { Normalization, Program, Slot } from './ir/program.ts';
import { countOf } from './ir/tensor.ts';

const slotOf = (program: Program, index: number): Slot => must(program.slots[index], 'a slot of the program');

/** What is stored for a real number at a row-major position. */
type Store = (x: number, position: number) => number;

/** Of an 8-bit slot; `raw` where it holds what a sensor gives. */
function storeOf(slot: Slot, raw: Normalization | undefined): Store {
  if (raw === undefined) {
    const { scale, zeroPoint } = must(slot.quant, 'an 8-bit slot has a scale');
    return (x) => x / scale + zeroPoint;
  }
  const { mean, std } = raw;
  const plane = countOf(slot.shape) / mean.length;
  return (x, i) => {
    const channel = Math.floor(i / plane);
    return x * (std[channel] ?? 1) + (mean[channel] ?? 0);
  };
}

/** @param input row-major, as the network computes with it. @returns the bytes of the input slot. */
export const encodeInput = (program: Program, input: Float32Array): Uint8Array =>
  encodeSlot(program, program.input, input);

/** @param input row-major real numbers. @returns the bytes of the slot: the nearest that it can store. */
export function encodeSlot(program: Program, index: number, input: Float32Array): Uint8Array {
  const slot = slotOf(program, index);
  const { order, length } = slot;
  if (slot.elem === 'f32') {
    const floats = new Float32Array(length);
    for (let p = 0; p < length; p++) floats[p] = input[order?.[p] ?? p] ?? 0;
    return new Uint8Array(floats.buffer);
  }
  const store = storeOf(slot, index === program.input ? program.rawInput : undefined);
  const bytes = new Uint8Array(length);
  for (let p = 0; p < length; p++) {
    const at = order?.[p] ?? p;
    bytes[p] = Math.max(0, Math.min(255, Math.round(store(input[at] ?? 0, at))));
  }
  return bytes;
}

/** @param pixels row-major stored bytes, for a program that takes raw input. @returns the input slot's bytes. */
export function arrangeInput(program: Program, pixels: Uint8Array): Uint8Array {
  const { order } = slotOf(program, program.input);
  if (order === undefined) return pixels;
  const bytes = new Uint8Array(order.length);
  for (let p = 0; p < bytes.length; p++) bytes[p] = pixels[order[p] as number] ?? 0;
  return bytes;
}

/** One sample as a network computes with it, and as a sensor gave it where that is known. */
export interface Sample {
  /** Row-major in the logical shape. */
  readonly real: Float32Array;
  readonly raw?: Uint8Array;
}

/** The bytes of the input slot. Programs that take raw pixels get the sample's own, where it has them. */
export function inputBytes(program: Program, { real, raw }: Sample): Uint8Array {
  const slot = slotOf(program, program.input);
  must(real.length === slot.length ? real : undefined, `a sample has ${slot.length} numbers`);
  return program.rawInput !== undefined && raw !== undefined
    ? arrangeInput(program, raw)
    : encodeInput(program, real);
}

/** @param bytes of a slot. @returns real numbers, row-major. */
export function decodeSlot(slot: Slot, bytes: Uint8Array): Float32Array {
  const real = new Float32Array(slot.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let position = 0; position < slot.length; position++) {
    const at = slot.order?.[position] ?? position;
    const stored =
      slot.elem === 'f32' ? view.getFloat32(position * elemBytes.f32, true) : (bytes[position] ?? 0);
    real[at] = slot.quant === undefined ? stored : (stored - slot.quant.zeroPoint) * slot.quant.scale;
  }
  return real;
}

/** The real outputs of an outcome, row-major. */
export const decodeOutput = (program: Program, output: Uint8Array): Float32Array =>
  decodeSlot(slotOf(program, program.output), output);
