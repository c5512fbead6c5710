/** From bytes of the arena to elements of tensors, and back. */

import { at, must } from '../base/errors.ts';
import { elemBytes } from '../ir/kernel/kernel.ts';
import type { Program, Slot } from '../program/program.ts';
import { readElement, slotAt } from '../program/slots.ts';
import { coordinates } from '../sim/difference.ts';
import type { Recording } from './recording.ts';

/** An element of a slot; `position` counts in memory, `element` in the row-major logical shape. */
export interface ElementAt {
  readonly slot: number;
  readonly position: number;
  readonly element: number;
}

/** The element that lies at this byte of the arena, if it is one of the slot's. */
export function placeAt(program: Program, index: number, address: number): ElementAt {
  const { address: start, elem, order } = slotAt(program, index);
  const position = Math.floor((address - start) / elemBytes[elem]);
  return { slot: index, position, element: order?.[position] ?? position };
}

const inverses = new WeakMap<readonly number[], Int32Array>();

function inverseOf(order: readonly number[]): Int32Array {
  const known = inverses.get(order);
  if (known !== undefined) return known;
  const inverse = new Int32Array(order.length);
  order.forEach((element, position) => {
    inverse[element] = position;
  });
  inverses.set(order, inverse);
  return inverse;
}

/** The first byte of a row-major element. */
export function addressOf(slot: Slot, element: number): number {
  const position =
    slot.order === undefined ? element : must(inverseOf(slot.order)[element], 'an element of the slot');
  return slot.address + position * elemBytes[slot.elem];
}

const axisNames: Readonly<Record<number, readonly string[]>> = {
  1: ['i'],
  2: ['n', 'i'],
  3: ['n', 'c', 'x'],
  4: ['n', 'c', 'y', 'x'],
};

/** `c=3, y=0, x=4`: the batch axis, which is 1, is left away. */
export function coordinateText({ shape }: Slot, element: number): string {
  const names = axisNames[shape.length];
  if (names === undefined) return `element ${element}`;
  const parts = coordinates(shape, element).map((at, axis) => `${names[axis]}=${at}`);
  return (names[0] === 'n' ? parts.slice(1) : parts).join(', ');
}

/** A time at which a byte of the arena was written. */
export interface Write extends ElementAt {
  /** The moment from which on it holds. */
  readonly moment: number;
  readonly byte: number;
  readonly stored: number;
}

/** Every write of a byte in order of time; what it held before the first is the arena's filling. */
export function historyOf(program: Program, { moments }: Recording, address: number): readonly Write[] {
  const writes: Write[] = [];
  moments.forEach(({ bytes, owners }, moment) => {
    const owner = must(owners[address], 'a byte of the arena');
    const before = moment === 0 ? 0 : at(at(moments, moment - 1).owners, address);
    if (owner === 0 || owner === before) return;
    const place = placeAt(program, owner - 1, address);
    const slot = slotAt(program, owner - 1);
    const first = slot.address + place.position * elemBytes[slot.elem];
    writes.push({
      ...place,
      moment,
      byte: must(bytes[address], 'a byte of the arena'),
      stored: readElement(bytes, slot, first),
    });
  });
  return writes;
}
