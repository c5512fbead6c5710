/**
 * What the stored numbers of a tensor stand for, above all of the network's input and output. This file alone reads
 * a slot's scale and zero point and the normalization of raw pixels: the header, the manifest, `load`, `run`, `diff`
 * and the viewer ask it.
 */

import { at, InputError, must } from '../base/errors.ts';
import { showShape } from '../ir/tensor.ts';
import type { Normalization, Program, Slot } from './program.ts';
import { slotAt } from './slots.ts';

/** A stored number q stands for scale * (q - zeroPoint). The zero point of raw pixels need not be whole. */
export interface Grid {
  /** Above 0. */
  readonly scale: number;
  /** Any number: the stored numbers 0..255 need not hold the one that stands for 0. */
  readonly zeroPoint: number;
}

export interface Port {
  /** The program's and the tensor's name, for complaints. */
  readonly where: string;
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
  where: `tensor '${slot.name}'`,
  slot,
  grids: slot.quant === undefined ? [] : [slot.quant],
});

/** @param index of a slot, of any: in the unit of what the network was trained on. Only an input can be raw. */
export function portOf(program: Program, index: number): Port {
  const slot = slotAt(program, index);
  const isInput = index === program.input;
  const role = isInput ? 'input' : index === program.output ? 'output' : 'tensor';
  const port = { ...portOfSlot(slot), where: `${role} '${slot.name}' of ${program.name}` };
  const { rawInput: raw, inputGrids } = program;
  if (!isInput) return port;
  if (raw !== undefined) return { ...port, grids: gridsOfPixels(raw), raw };
  return inputGrids === undefined ? port : { ...port, grids: inputGrids };
}

export const inputPort = (program: Program): Port => portOf(program, program.input);
export const outputPort = (program: Program): Port => portOf(program, program.output);

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

/** The nearest of 0..255, halves up. */
function quantized(grids: readonly Grid[], real: Float32Array): Uint8Array {
  const stored = new Uint8Array(real.length);
  eachGrid(grids, real.length, ({ scale, zeroPoint }, from, to) => {
    for (let i = from; i < to; i++)
      stored[i] = Math.max(0, Math.min(255, Math.round(at(real, i) / scale + zeroPoint)));
  });
  return stored;
}

/** What a slot of 8 bits stores for real numbers, row-major: the nearest that it can. */
export function storedNumbers({ where, grids }: Port, real: Float32Array): Uint8Array {
  must(grids[0], `${where} has a scale`);
  return quantized(grids, real);
}

/** What a sensor stored for one normalized input, row-major. */
export const pixelsOf = (raw: Normalization, input: Float32Array): Float32Array =>
  storedBy(gridsOfPixels(raw), input);

/** What is stored for one input, row-major, with one grid for all or one per channel. */
export const storedBy = (grids: readonly Grid[], input: Float32Array): Float32Array =>
  new Float32Array(quantized(grids, input));

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
export function requireFinite({ where }: Port, numbers: Float32Array): void {
  for (let at = 0; at < numbers.length; at++)
    if (!Number.isFinite(numbers[at]))
      throw new InputError({
        where,
        found: `${numbers[at]} at ${at}`,
        supported: 'finite numbers',
        todo: 'look where it comes from',
      });
}
