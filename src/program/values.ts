/** Between real numbers and a program's bytes. What a stored number stands for says `port.ts`. */

import { at, DefectError, holds, InputError } from '../base/errors.ts';
import { largestOf } from '../base/extremes.ts';
import { elemBytes } from '../ir/kernel/kernel.ts';
import type { Tensor } from '../ir/tensor.ts';
import {
  byPort,
  inputPort,
  inputPorts,
  outputPorts,
  type Port,
  portOf,
  portOfSlot,
  realNumbers,
  requireFinite,
  requireWhole,
  storedNumbers,
} from './port.ts';
import type { Program, Slot } from './program.ts';
import { joinedBytes, outputBytesOf, outputSlots, partsFor, readElement, slotBytes } from './slots.ts';

/**
 * Real numbers as the program's inputs take them.
 * @param input row-major, as the network computes with it; of several inputs one after the other, in the model's order.
 * @returns the bytes of the inputs' slots, likewise.
 * @throws InputError for another count of numbers than the slots have, and for numbers that they cannot store: not
 * finite, or no integers where they hold those.
 */
export function encodeInput(program: Program, input: Float32Array): Uint8Array {
  const ports = inputPorts(program);
  const [port, ...more] = ports;
  const count = ports.reduce((sum, { slot }) => sum + slot.length, 0);
  if (port !== undefined && more.length === 0) requireWhole(port, input.length);
  else if (input.length !== count)
    throw new InputError({
      where: `the inputs of ${program.name}`,
      found: `${input.length} numbers`,
      supported: `${count}: ${ports.map(({ name, slot }) => `${slot.length} of '${name}'`).join(', ')}`,
      todo: 'give all inputs, one after the other',
    });
  const given = byPort(ports, input);
  return joinedBytes(ports.map((p, i) => encodedPort(p, at(given, i))));
}

/** The bytes of one input's slot. @throws InputError as `encodeInput` */
export function encodedPort(port: Port, input: ArrayLike<number>): Uint8Array {
  requireWhole(port, input.length);
  requireFinite(port, input);
  return encoded(port, input);
}

/**
 * @param input row-major real numbers. @returns the bytes of the slot: the nearest that it can store.
 * @throws InputError for another count of numbers than the slot has, and for numbers that a slot of integers cannot
 * store.
 */
export function encodeSlot(program: Program, index: number, input: Float32Array): Uint8Array {
  const port = portOf(program, index);
  requireWhole(port, input.length);
  if (port.slot.elem !== 'f32') requireFinite(port, input);
  return encoded(port, input);
}

/** As many numbers as the slot has. */
function encoded(port: Port, input: ArrayLike<number>): Uint8Array {
  const stored = storedNumbers(port, input);
  return new Uint8Array(inMemory(port.slot, stored, stored.slice()).buffer);
}

type Elements = Uint8Array | ReturnType<typeof storedNumbers>;

const known = new WeakMap<readonly number[], Uint32Array>();

/** Every place of an order is one of the tensor's: looked at once. @throws DefectError */
function placesOf(order: readonly number[], length: number): Uint32Array {
  const found = known.get(order);
  if (found !== undefined) return found;
  holds(order, length);
  for (const place of order)
    if (!Number.isInteger(place) || place < 0 || place >= length)
      throw new DefectError(`place ${place} in the order of ${length} elements`);
  const made = Uint32Array.from(order);
  known.set(order, made);
  return made;
}

/** Row-major numbers, as many as the slot has, in its order, which is a permutation; `copy` is one of them. */
function inMemory<T extends Elements>({ order }: Slot, numbers: T, copy: T): T {
  if (order === undefined) return copy;
  const places = placesOf(order, copy.length);
  holds(numbers, copy.length);
  const of = (p: number): number => numbers[places[p] as number] as number;
  // All loads of four before their stores take two thirds of the time.
  const whole = copy.length - (copy.length % 4);
  for (let p = 0; p < whole; p += 4) {
    const [a, b, c, d] = [of(p), of(p + 1), of(p + 2), of(p + 3)];
    copy[p] = a;
    copy[p + 1] = b;
    copy[p + 2] = c;
    copy[p + 3] = d;
  }
  for (let p = whole; p < copy.length; p++) copy[p] = of(p);
  return copy;
}

/**
 * Pixels as the program's input slot takes them.
 * @param pixels row-major stored bytes, for a program that takes raw input. @returns the input slot's bytes.
 * @throws InputError for another count than the slot has, and for programs whose input is not of bytes.
 */
export function arrangeInput(program: Program, pixels: Uint8Array): Uint8Array {
  const port = inputPort(program);
  if (port.slot.elem !== 'u8' || program.inputs.length > 1)
    throw new InputError({
      where: port.where,
      found: 'stored bytes',
      supported: `numbers as the network was trained on: ${
        program.inputs.length > 1 ? 'it has several inputs' : `its input is ${elemWords(port.slot.elem)}`
      }`,
      todo: 'normalize them first',
    });
  requireWhole(port, pixels.length, 'bytes');
  return inMemory(port.slot, pixels, new Uint8Array(pixels));
}

const elemWords = (elem: Slot['elem']): string => (elem === 'f32' ? 'float32' : elem);

/** One sample as a network computes with it, and as a sensor gave it where that is known. */
export interface Sample {
  /** Row-major in the logical shape; of several inputs one after the other. */
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
 * The real numbers that the bytes of an input or output stand for.
 * @param bytes of slot `index`. @returns real numbers, row-major, in units of what the network was trained on: of raw
 * pixels, the normalized ones.
 * @throws InputError for another count of bytes than the slot has.
 */
export const decodePort = (program: Program, index: number, bytes: Uint8Array): Float32Array =>
  decodedPort(portOf(program, index), bytes);

/**
 * As `decodePort`, but of a slot by itself, in the unit that the integer network computes with: of a raw input the
 * pixels.
 */
export const decodeSlot = (slot: Slot, bytes: Uint8Array): Float32Array =>
  decodedPort(portOfSlot(slot), bytes);

/** Of an input or output. @throws InputError as `decodePort` */
export const decodedPort = (port: Port, bytes: Uint8Array): Float32Array =>
  realNumbers(port, readSlot(port, bytes));

/** The numbers in memory, row-major. @throws InputError for another count of bytes than the slot has. */
export function readSlot({ where, slot }: Port, bytes: Uint8Array): Uint8Array | Float64Array {
  const { elem, order, length } = slot;
  if (bytes.length !== slotBytes(slot))
    throw new InputError({
      where,
      found: `${bytes.length} bytes`,
      supported: `${slotBytes(slot)} bytes: ${length} elements of ${elem}`,
      todo: 'give the whole slot',
    });
  const inOrder = elem === 'u8' ? bytes : elementsOf(slot, bytes);
  if (order === undefined) return inOrder;
  const stored = elem === 'u8' ? new Uint8Array(length) : new Float64Array(length);
  for (let p = 0; p < length; p++) stored[at(order, p)] = at(inOrder, p);
  return stored;
}

/** In memory's order. */
const elementsOf = (slot: Slot, bytes: Uint8Array): Float64Array =>
  Float64Array.from({ length: slot.length }, (_, p) => readElement(bytes, slot, p * elemBytes[slot.elem]));

/**
 * The real outputs of an outcome, row-major, one after the other in the model's order.
 * @throws InputError for another count of bytes than the outputs' slots have.
 */
export function decodeOutput(program: Program, output: Uint8Array): Float32Array {
  const parts = decodeOutputs(program, output);
  const [first, ...more] = parts;
  if (first !== undefined && more.length === 0) return first;
  return Float32Array.from(parts.flatMap((part) => [...part]));
}

/** The real outputs of an outcome, one array per output, in the model's order. */
export function decodeOutputs(program: Program, output: Uint8Array): readonly Float32Array[] {
  const ports = outputPorts(program);
  const parts = partsFor(outputSlots(program), output);
  requireBytes(program, output);
  return ports.map((port, i) => decodedPort(port, at(parts, i)));
}

function requireBytes(program: Program, output: Uint8Array): void {
  const size = outputBytesOf(program);
  if (output.length === size) return;
  const [port, ...more] = outputPorts(program);
  throw new InputError({
    where: more.length === 0 && port !== undefined ? port.where : `the outputs of ${program.name}`,
    found: `${output.length} bytes`,
    supported: `${size} bytes`,
    todo: 'give the whole slot',
  });
}

/**
 * Whether two shapes of as many elements can be one tensor in one row-major order: axes of 1 apart they are the
 * same, or one has neighbouring axes of the other in one. 4x8x8 and 8x8x4 are an image in two orders.
 */
export function sameImage(a: readonly number[], b: readonly number[]): boolean {
  const [x, y] = [cutsOf(a), cutsOf(b)];
  return [...x].every((cut) => y.has(cut)) || [...y].every((cut) => x.has(cut));
}

/** Ends of the stretches that the axes cut a row-major tensor into: [2, 3, 4] has 2, 6, 24. */
export function cutsOf(shape: readonly number[]): ReadonlySet<number> {
  let size = 1;
  return new Set(
    shape.map((axis) => {
      size *= axis;
      return size;
    }),
  );
}

/** The elements of a model's tensor that a slot holds, or why it cannot hold them. */
export function pick(slot: Slot, { shape, data }: Tensor): Float32Array | string {
  const { kept } = slot;
  const whole = Float32Array.from(data as ArrayLike<number>);
  if (kept === undefined) {
    const fits = whole.length === slot.length && sameImage(slot.shape, shape);
    return fits ? whole : `${shape.join('x')}, here ${slot.shape.join('x')}`;
  }
  const inner = slot.length / kept.length;
  if (whole.length % inner !== 0 || largestOf(kept) >= whole.length / inner)
    return `${shape.join('x')}, here ${slot.shape.join('x')} of it`;
  return Float32Array.from({ length: slot.length }, (_, i) =>
    at(whole, at(kept, Math.floor(i / inner)) * inner + (i % inner)),
  );
}
