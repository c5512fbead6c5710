/**
 * What the stored numbers of a tensor stand for, above all of the network's input and output. This file alone reads
 * a slot's scale and zero point and the normalization of raw pixels: the header, the manifest, `load`, `run`, `diff`
 * and the viewer ask it.
 */

import { at, holds, InputError, must } from '../base/errors.ts';
import { fileStep } from '../ir/kernel/file-grid.ts';
import { type Elem, elemArrays } from '../ir/kernel/kernel.ts';
import { type Quant, storageOf } from '../ir/kernel/stored.ts';
import { type DType, showShape } from '../ir/tensor.ts';
import type { Normalization, Program, ProgramPort, Slot } from './program.ts';
import { isInput, isOutput, slotAt } from './slots.ts';

/** A stored number q stands for scale * (q - zeroPoint). The zero point of raw pixels need not be whole. */
export interface Grid {
  /** Above 0. */
  readonly scale: number;
  /** Any number: the stored numbers 0..255 need not hold the one that stands for 0. */
  readonly zeroPoint: number;
  /** As `Quant.file`: numbers are then rounded as ONNX's QuantizeLinear rounds them. */
  readonly file?: NonNullable<Quant['file']>;
}

export interface Port {
  /** The model's name of it. */
  readonly name: string;
  /** The program's and the tensor's name, for complaints. */
  readonly where: string;
  /** The model's element type of an input or output, where that is not float32. */
  readonly type?: DType;
  /** Of an input, where its order in memory does not say it. */
  readonly channelsLast?: boolean;
  /** Of an input or output: under the shape and in the order that the model gives it. */
  readonly slot: Slot;
  /**
   * Empty where the stored numbers are the real ones. Otherwise one for all elements, or one per channel: equal
   * stretches of the row-major elements, since the batch axis before axis 1 is 1.
   */
  readonly grids: readonly Grid[];
  /** Set where the stored numbers are raw pixels, which stand for normalized ones. */
  readonly raw?: Normalization;
}

const sameGrid = (a: Grid, b: Grid | undefined): boolean =>
  a.scale === b?.scale && a.zeroPoint === b.zeroPoint;

/** Real = (pixel - mean) / std; a list of one number is for all channels. */
function gridsOfPixels({ mean, std }: Normalization): readonly Grid[] {
  const count = Math.max(mean.length, std.length);
  const at = (numbers: readonly number[], c: number): number =>
    must(numbers[numbers.length === 1 ? 0 : c], 'one number for all channels or one each');
  const grids = Array.from({ length: count }, (_, c) => ({ scale: 1 / at(std, c), zeroPoint: at(mean, c) }));
  return grids.every((grid) => sameGrid(grid, grids[0])) ? grids.slice(0, 1) : grids;
}

/** A slot by itself, in the unit that the integer network computes with: raw pixels stand for themselves. */
export const portOfSlot = (slot: Slot): Port => ({
  name: slot.name,
  where: `tensor '${slot.name}'`,
  slot,
  grids: slot.quant === undefined ? [] : (slot.quant.channels ?? [slot.quant]),
});

/** @param index of a slot, of any: in the unit of what the network was trained on. Only an input can be raw. */
export function portOf(program: Program, index: number): Port {
  const role = isInput(program, index) ? 'input' : isOutput(program, index) ? 'output' : 'tensor';
  return labelled(program, role, { name: slotAt(program, index).name, slot: index });
}

function labelled(program: Program, role: 'input' | 'output' | 'tensor', port: ProgramPort): Port {
  const { name, view, type, channelsLast } = port;
  const { order, ...slot } = { ...slotAt(program, port.slot), ...view };
  const keeps = view === undefined ? order : view.order;
  const plain = portOfSlot(keeps === undefined ? slot : { ...slot, order: keeps });
  const typed = {
    ...(type === undefined ? {} : { type }),
    ...(channelsLast === undefined ? {} : { channelsLast }),
  };
  const made = { ...plain, ...typed, name, where: `${role} '${name}' of ${program.name}` };
  const { rawInput: raw, inputGrids } = program;
  if (!isInput(program, port.slot)) return made;
  if (raw !== undefined) return { ...made, grids: gridsOfPixels(raw), raw };
  return inputGrids === undefined ? made : { ...made, grids: inputGrids };
}

/** In the model's order. */
export const inputPorts = (program: Program): readonly Port[] => portsOf(program).inputs;
export const outputPorts = (program: Program): readonly Port[] => portsOf(program).outputs;

interface Ports {
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
}

/** Every inference asks for them: made anew they take 5 us of the 20 that LeNet-5 takes. */
const known = new WeakMap<Program, Ports>();

function portsOf(program: Program): Ports {
  const found = known.get(program);
  if (found !== undefined) return found;
  const made = {
    inputs: program.inputs.map((port) => labelled(program, 'input', port)),
    outputs: program.outputs.map((port) => labelled(program, 'output', port)),
  };
  known.set(program, made);
  return made;
}

/** The first input, of many networks the only one. */
export const inputPort = (program: Program): Port => must(inputPorts(program)[0], 'a program has an input');
export const outputPort = (program: Program): Port =>
  must(outputPorts(program)[0], 'a program has an output');

/** Numbers of several ports, one after the other, by port; they share memory. */
export function byPort(ports: readonly Port[], numbers: Float32Array): readonly Float32Array[] {
  let from = 0;
  return ports.map(({ slot }) => {
    from += slot.length;
    return numbers.subarray(from - slot.length, from);
  });
}

/** Of a row-major element of the slot's shape. @returns undefined where the stored numbers are the real ones */
export const gridAt = ({ slot, grids }: Port, element: number): Grid | undefined =>
  grids.length < 2 ? grids[0] : grids[Math.floor(element / (slot.length / grids.length))];

/** The real number that `stored` stands for at a row-major element. */
export function realOf(port: Port, element: number, stored: number): number {
  const grid = gridAt(port, element);
  return grid === undefined ? stored : (stored - grid.zeroPoint) * grid.scale;
}

/** Each grid with the row-major elements that it is for. */
function eachGrid(
  grids: readonly Grid[],
  length: number,
  visit: (grid: Grid, from: number, to: number) => void,
): void {
  const each = length / grids.length;
  grids.forEach((grid, channel) => {
    visit(grid, channel * each, (channel + 1) * each);
  });
}

/** Real numbers of stored ones, row-major. */
export function realNumbers({ grids }: Port, stored: Uint8Array | Float64Array): Float32Array {
  const real = new Float32Array(stored);
  eachGrid(grids, real.length, ({ scale, zeroPoint }, from, to) => {
    for (let i = from; i < to; i++) real[i] = (at(real, i) - zeroPoint) * scale;
  });
  return real;
}

/** Puts the nearest numbers within the bounds into `stored`, halves up. */
function quantizeInto(
  stored: Stored,
  grids: readonly Grid[],
  real: ArrayLike<number>,
  { lo, hi }: Bounds = storageOf({}),
): void {
  eachGrid(grids, real.length, ({ scale, zeroPoint, file }, from, to) => {
    holds(real, to);
    // Element by element with checks, an image of 3,072 numbers took longer than half of the network behind it.
    for (let i = from; i < to; i++) {
      const x = real[i] as number;
      stored[i] =
        file === undefined
          ? Math.max(lo, Math.min(hi, Math.round(x / scale + zeroPoint)))
          : fileStep(x, { scale, zeroPoint });
    }
  });
}

type Stored = InstanceType<(typeof elemArrays)[Elem]>;

interface Bounds {
  readonly lo: number;
  readonly hi: number;
}

/** What a slot without a grid holds, by its type. */
const integers: Readonly<Record<Exclude<Elem, 'f32'>, Bounds>> = {
  u8: { lo: 0, hi: 255 },
  i8: { lo: -128, hi: 127 },
  u16: { lo: 0, hi: 65535 },
  i16: { lo: -32768, hi: 32767 },
  i32: { lo: -(2 ** 31), hi: 2 ** 31 - 1 },
};

/** The least and the greatest number that a port stores; of float32 no bounds are known, and both are 0. */
export function storedBounds({ grids, slot, type }: Port): Bounds {
  if (slot.elem === 'f32') return { lo: 0, hi: 0 };
  if (grids.length > 0) return storageOf(slot.quant ?? {});
  return type === 'bool' ? { lo: 0, hi: 1 } : integers[slot.elem];
}

/**
 * What a slot stores for real numbers, row-major: the nearest that its grid has.
 * @throws InputError for what is no integer of the slot's type, where that has no grid
 */
export function storedNumbers(port: Port, real: ArrayLike<number>): Stored {
  const { grids, slot } = port;
  const { elem } = slot;
  if (elem === 'f32') return Float32Array.from(real);
  const stored = new elemArrays[elem](real.length);
  if (grids.length === 0) {
    requireIntegers(port, real, storedBounds(port));
    stored.set(real);
  } else quantizeInto(stored, grids, real, storageOf(slot.quant ?? {}));
  return stored;
}

function requireIntegers({ where }: Port, numbers: ArrayLike<number>, { lo, hi }: Bounds): void {
  for (let i = 0; i < numbers.length; i++) {
    const x = at(numbers, i);
    if (Number.isInteger(x) && x >= lo && x <= hi) continue;
    throw new InputError({
      where,
      found: `${x} at ${i}`,
      supported: `integers of ${lo} to ${hi}`,
      todo: 'give indices as the model takes them',
    });
  }
}

/** What a sensor stored for one normalized input, row-major. */
export const pixelsOf = (raw: Normalization, input: Float32Array): Float32Array =>
  storedBy(gridsOfPixels(raw), input);

/** What is stored for one input, row-major, with one grid for all or one per channel. */
export function storedBy(grids: readonly Grid[], input: Float32Array): Float32Array {
  const stored = new Float32Array(input.length);
  quantizeInto(stored, grids, input);
  return stored;
}

/** The same without rounding and bounds: the place of a real number between the stored ones. */
export function unroundedBy(grids: readonly Grid[], input: Float32Array): Float32Array {
  const places = new Float32Array(input);
  eachGrid(grids, input.length, ({ scale, zeroPoint }, from, to) => {
    for (let i = from; i < to; i++) places[i] = at(input, i) / scale + zeroPoint;
  });
  return places;
}

/** A grid to be printed: numbers, or one per channel each; undefined where the stored numbers are the real ones. */
export interface PrintedGrid {
  readonly scale: number | number[];
  readonly zeroPoint: number | number[];
}

export function printedGrid({ grids }: Port): PrintedGrid | undefined {
  const [first, ...more] = grids;
  if (first === undefined) return undefined;
  if (more.length === 0) return { scale: first.scale, zeroPoint: first.zeroPoint };
  return { scale: grids.map(({ scale }) => scale), zeroPoint: grids.map(({ zeroPoint }) => zeroPoint) };
}

/** Whether equal stored numbers at equal elements are equal real numbers. */
export const sameMeaning = (a: Port, b: Port): boolean =>
  a.slot.elem === b.slot.elem &&
  a.grids.length === b.grids.length &&
  a.grids.every((grid, c) => sameGrid(grid, b.grids[c]));

/** @throws InputError unless there is one number for each element: it names both counts. */
export function requireWhole({ where, slot }: Port, found: number, unit = 'numbers'): void {
  if (found === slot.length) return;
  throw new InputError({
    where,
    found: `${found} ${unit}`,
    supported: `${slot.length}: ${showShape(slot.shape)}`,
    todo: 'give one whole input',
  });
}

/** @throws InputError for the first number that is not finite: it names the number and its place. */
export function requireFinite({ where }: Port, numbers: ArrayLike<number>): void {
  for (let at = 0; at < numbers.length; at++)
    if (!Number.isFinite(numbers[at]))
      throw new InputError({
        where,
        found: `${numbers[at]} at ${at}`,
        supported: 'finite numbers',
        todo: 'check where it comes from',
      });
}
