/** What inferences left in the tensors of a program, by any executor: the other side of a comparison. */

import type { Tensor } from '../ir/tensor.ts';
import { portOf, sameMeaning } from '../program/port.ts';
import type { Outcome, Program, ProgramPort, Slot } from '../program/program.ts';
import { inputPart, slotAt, slotBytes } from '../program/slots.ts';
import { decodePort, pick } from '../program/values.ts';

/** `stored`: bytes as the slot has them. `real`: row-major numbers in the slot's shape. */
export type Captured =
  | { readonly kind: 'stored'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'real';
      readonly values: Float32Array;
      /** Other arrays of the same tensor: the one with the largest difference is compared. */
      readonly others?: readonly Float32Array[];
    };

export const gapKinds = [
  /** The other side has nothing of this name. */
  'not captured',
  /** A device printed it, and it did not arrive whole. */
  'lost',
  /** Several tensors of the other side could be meant. */
  'ambiguous',
  /** What has its name is of another size. */
  'other shape',
  /** The other side runs another build of the network. */
  'other build',
  /** What the layer reads is not known on any side. */
  'no input',
  /** It differs, and so may what it read, which was lost: one of several layers is wrong. */
  'unclear',
] as const;

/** Why a tensor was not compared. */
export interface Gap {
  readonly kind: (typeof gapKinds)[number];
  /** In words. */
  readonly why: string;
}

/** One inference. */
export interface Capture {
  /** What slot `slot` held when its step had written it; undefined where that is not known. */
  written(slot: number): Captured | undefined;
  /** What it held when `step` read it, where that may be something else. */
  read?(slot: number, step: number): Captured | undefined;
  /** CRC-32 of what `written` would be, where only that is known. */
  checksum?(slot: number): number | undefined;
  /** Why a slot is not known, where there is something to say. */
  missing?(slot: number): Gap | undefined;
}

/** Of an inference that kept the arena after every step: a slot is read from the arena of the step that wrote it. */
export function captureOfOutcome(program: Program, input: Uint8Array, { arenas }: Outcome): Capture {
  return {
    written(index) {
      const given = inputPart(program, index, input);
      if (given !== undefined) return { kind: 'stored', bytes: given };
      const slot = slotAt(program, index);
      const arena = arenas[slot.firstStep];
      if (arena === undefined) return undefined;
      return { kind: 'stored', bytes: arena.slice(slot.address, slot.address + slotBytes(slot)) };
    },
  };
}

/** Of what is known or not, slot by slot. */
const captureOf = (found: (slot: number) => Captured | Gap): Capture => ({
  written(index) {
    const held = found(index);
    return 'why' in held ? undefined : held;
  },
  missing(index) {
    const held = found(index);
    return 'why' in held ? held : undefined;
  },
});

const unnamed: Gap = { kind: 'not captured', why: 'no tensor of this name' };

function picked(slot: Slot, tensors: readonly Tensor[]): Captured | Gap {
  const found = tensors.map((tensor) => pick(slot, tensor));
  const [values, ...others] = found.filter((numbers) => typeof numbers !== 'string');
  if (values === undefined)
    return { kind: 'other shape', why: found.find((why) => typeof why === 'string') ?? 'no numbers' };
  return { kind: 'real', values, ...(others.length > 0 ? { others } : {}) };
}

/**
 * A capture from tensors with real numbers by name: of a float model, or of activations from elsewhere.
 * @param tensorFor row-major, of the slot's logical shape; several that represent the same tensor; a gap, or
 *   undefined, where there is none
 */
export const captureOfTensors = (
  program: Program,
  tensorFor: (slot: number) => Tensor | readonly Tensor[] | Gap | undefined,
): Capture =>
  captureOf((index) => {
    const found = tensorFor(index) ?? unnamed;
    if ('why' in found) return found;
    return picked(slotAt(program, index), 'data' in found ? [found] : found);
  });

/** Of an inference of which nothing is known, for one reason. */
export const captureOfNothing = (gap: Gap): Capture => captureOf(() => gap);

const sameOrder = (a: Slot, b: Slot): boolean =>
  a.length === b.length && (a.order ?? []).every((x, i) => x === b.order?.[i]) && !a.order === !b.order;

const sameStorage = (a: Slot, b: Slot): boolean => sameOrder(a, b) && `${a.kept}` === `${b.kept}`;

/** The slot of the other build's port of the same place, where the slot is a port's. */
function twinPort(
  ours: readonly ProgramPort[],
  theirs: readonly ProgramPort[],
  index: number,
): number | undefined {
  const place = ours.findIndex(({ slot }) => slot === index);
  return place < 0 ? undefined : theirs[place]?.slot;
}

/**
 * A capture from another build of the same model, with tensors matched by name. Stored bytes are compared where both builds
 * store the same way; real numbers otherwise.
 */
export function captureOfBuild(program: Program, other: Program, capture: Capture): Capture {
  const twinOf = (index: number): number => {
    const port =
      twinPort(program.inputs, other.inputs, index) ?? twinPort(program.outputs, other.outputs, index);
    if (port !== undefined) return port;
    return other.slots.findIndex(({ name }) => name === slotAt(program, index).name);
  };
  return captureOf((index) => {
    const twin = twinOf(index);
    const held = twin < 0 ? undefined : capture.written(twin);
    if (held === undefined) return unnamed;
    const [slot, source] = [slotAt(program, index), slotAt(other, twin)];
    const same = sameStorage(slot, source) && sameMeaning(portOf(program, index), portOf(other, twin));
    if (held.kind === 'stored' && same) return held;
    const values = held.kind === 'real' ? held.values : decodePort(other, twin, held.bytes);
    if (`${slot.kept}` === `${source.kept}` && slot.length === source.length) return { kind: 'real', values };
    if (source.kept !== undefined) return { kind: 'not captured', why: 'channels that are not there' };
    return picked(slot, [{ dtype: 'float32', shape: source.shape, data: values }]);
  });
}
