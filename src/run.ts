/** Between real numbers and a program's bytes. What a stored number stands for says `ir/port.ts`. */
import { InputError, must } from './ir/errors.ts';
import { elemBytes } from './ir/kernel.ts';
import { inputPort, type Port, portOf, realOf, requireFinite, requireWhole, storedOf } from './ir/port.ts';
import type { Program } from './ir/program.ts';
import { slotBytes } from './sim/arena.ts';
import { readElement } from './sim/compare.ts';

/**
 * @param input row-major, as the network computes with it. @returns the bytes of the input slot.
 * @throws InputError for another count of numbers than the slot has, and for numbers that are not finite.
 */
export function encodeInput(program: Program, input: Float32Array): Uint8Array {
  const port = inputPort(program);
  requireWhole(port, input.length);
  requireFinite(port, input);
  return encoded(port, input);
}

/**
 * @param input row-major real numbers. @returns the bytes of the slot: the nearest that it can store.
 * @throws InputError for another count of numbers than the slot has, and for numbers that are not finite in a slot
 * of 8 bits, which cannot store them.
 */
export function encodeSlot(program: Program, index: number, input: Float32Array): Uint8Array {
  const port = portOf(program, index);
  requireWhole(port, input.length);
  if (port.slot.elem !== 'f32') requireFinite(port, input);
  return encoded(port, input);
}

/** Positions of memory and elements of the shape are the same many: `requireWhole` has been asked. */
function encoded(port: Port, input: Float32Array): Uint8Array {
  const { elem, order, length } = port.slot;
  const stored = elem === 'f32' ? new Float32Array(length) : new Uint8Array(length);
  for (let p = 0; p < length; p++) {
    const element = order?.[p] ?? p;
    stored[p] = storedOf(port, element, input[element] ?? Number.NaN);
  }
  return new Uint8Array(stored.buffer);
}

/**
 * @param pixels row-major stored bytes, for a program that takes raw input. @returns the input slot's bytes.
 * @throws InputError for another count than the slot has, and for programs whose input is not of bytes.
 */
export function arrangeInput(program: Program, pixels: Uint8Array): Uint8Array {
  const port = inputPort(program);
  const { elem, order, length } = port.slot;
  if (elem === 'f32')
    throw new InputError({
      where: port.where,
      found: 'stored bytes',
      supported: 'numbers as the network was trained on: its input is float32',
      todo: 'normalize them first',
    });
  requireWhole(port, pixels.length, 'bytes');
  if (order === undefined) return pixels;
  const bytes = new Uint8Array(length);
  order.forEach((element, p) => {
    bytes[p] = must(pixels[element], 'an element of the shape');
  });
  return bytes;
}

/** One sample as a network computes with it, and as a sensor gave it where that is known. */
export interface Sample {
  /** Row-major in the logical shape. */
  readonly real: Float32Array;
  readonly raw?: Uint8Array;
}

/**
 * The bytes of the input slot. Programs that take raw pixels get the sample's own, where it has them.
 * @throws InputError as `encodeInput` and `arrangeInput`
 */
export const inputBytes = (program: Program, { real, raw }: Sample): Uint8Array =>
  program.rawInput !== undefined && raw !== undefined
    ? arrangeInput(program, raw)
    : encodeInput(program, real);

/**
 * @param bytes of slot `index`. @returns real numbers, row-major: of raw pixels, the normalized ones.
 * @throws InputError for another count of bytes than the slot has.
 */
export function decodeSlot(program: Program, index: number, bytes: Uint8Array): Float32Array {
  const port = portOf(program, index);
  const real = new Float32Array(port.slot.length);
  storedNumbers(program, index, bytes).forEach((stored, element) => {
    real[element] = realOf(port, element, stored);
  });
  return real;
}

/** The numbers in memory, row-major. @throws InputError for another count of bytes than the slot has. */
export function storedNumbers(program: Program, index: number, bytes: Uint8Array): Float64Array {
  const { where, slot } = portOf(program, index);
  const { elem, order, length } = slot;
  if (bytes.length !== slotBytes(slot))
    throw new InputError({
      where,
      found: `${bytes.length} bytes`,
      supported: `${slotBytes(slot)} bytes: ${length} elements of ${elem}`,
      todo: 'give the whole slot',
    });
  const stored = new Float64Array(length);
  if (elem === 'u8' && order === undefined) stored.set(bytes);
  else
    for (let p = 0; p < length; p++) stored[order?.[p] ?? p] = readElement(bytes, slot, p * elemBytes[elem]);
  return stored;
}

/** The real outputs of an outcome, row-major. @throws InputError as `decodeSlot` */
export const decodeOutput = (program: Program, output: Uint8Array): Float32Array =>
  decodeSlot(program, program.output, output);
