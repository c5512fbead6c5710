/** What inferences left in the tensors of a program, whoever ran them: the other side of a comparison. */
import { must } from '../base/errors.ts';
import { largestOf } from '../base/extremes.ts';
import type { Tensor } from '../ir/tensor.ts';
import { portOf, sameMeaning } from '../program/port.ts';
import type { Outcome, Program, Slot } from '../program/program.ts';
import { decodePort } from '../program/values.ts';
import { slotBytes } from '../sim/arena.ts';

/** `stored`: bytes as the slot has them. `real`: row-major numbers in the slot's shape. */
export type Captured =
  | { readonly kind: 'stored'; readonly bytes: Uint8Array }
  | {
      readonly kind: 'real';
      readonly values: Float32Array;
      /** Other numbers that are said to be the same tensor: the farthest of all is compared. */
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

const slotOf = (program: Program, index: number): Slot => must(program.slots[index], 'a slot of the program');

/** Of a run that kept the arena after every step: a slot is read from the arena of the step that wrote it. */
export function captureOfOutcome(program: Program, input: Uint8Array, { arenas }: Outcome): Capture {
  return {
    written(index) {
      if (index === program.input) return { kind: 'stored', bytes: input };
      const slot = slotOf(program, index);
      const arena = arenas[slot.firstStep];
      if (arena === undefined) return undefined;
      return { kind: 'stored', bytes: arena.slice(slot.address, slot.address + slotBytes(slot)) };
    },
  };
}

/** Ends of the stretches that the axes cut a row-major tensor into: [2, 3, 4] has 2, 6, 24. */
function cutsOf(shape: readonly number[]): ReadonlySet<number> {
  let size = 1;
  return new Set(
    shape.map((axis) => {
      size *= axis;
      return size;
    }),
  );
}

/**
 * Whether two shapes of as many elements can be one tensor in one row-major order: axes of 1 apart they are the
 * same, or one has neighbouring axes of the other in one. 4x8x8 and 8x8x4 are an image in two orders.
 */
function sameImage(a: readonly number[], b: readonly number[]): boolean {
  const [x, y] = [cutsOf(a), cutsOf(b)];
  return [...x].every((cut) => y.has(cut)) || [...y].every((cut) => x.has(cut));
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
  return Float32Array.from(
    { length: slot.length },
    (_, i) => whole[(kept[Math.floor(i / inner)] ?? 0) * inner + (i % inner)] ?? 0,
  );
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

const unnamed: Gap = { kind: 'not captured', why: 'no tensor of its name' };

function picked(slot: Slot, tensors: readonly Tensor[]): Captured | Gap {
  const found = tensors.map((tensor) => pick(slot, tensor));
  const [values, ...others] = found.filter((numbers) => typeof numbers !== 'string');
  if (values === undefined)
    return { kind: 'other shape', why: found.find((why) => typeof why === 'string') ?? 'no numbers' };
  return { kind: 'real', values, ...(others.length > 0 ? { others } : {}) };
}

/**
 * Of tensors with real numbers by name: of a float model, or of activations from elsewhere.
 * @param tensorFor row-major, of the slot's logical shape; several that are said to be the same tensor; a gap, or
 *   undefined, where there is none
 */
export const captureOfTensors = (
  program: Program,
  tensorFor: (slot: number) => Tensor | readonly Tensor[] | Gap | undefined,
): Capture =>
  captureOf((index) => {
    const found = tensorFor(index) ?? unnamed;
    if ('why' in found) return found;
    return picked(slotOf(program, index), 'data' in found ? [found] : found);
  });

/** Of an inference of which nothing is known, for one reason. */
export const captureOfNothing = (gap: Gap): Capture => captureOf(() => gap);

const sameOrder = (a: Slot, b: Slot): boolean =>
  a.length === b.length && (a.order ?? []).every((x, i) => x === b.order?.[i]) && !a.order === !b.order;

const sameStorage = (a: Slot, b: Slot): boolean => sameOrder(a, b) && `${a.kept}` === `${b.kept}`;

/**
 * Of another build of the same model, its tensors matched by name. Stored bytes are compared where both builds
 * store the same way; real numbers otherwise.
 */
export function captureOfBuild(program: Program, other: Program, capture: Capture): Capture {
  const twinOf = (index: number): number => {
    if (index === program.input) return other.input;
    if (index === program.output) return other.output;
    return other.slots.findIndex(({ name }) => name === slotOf(program, index).name);
  };
  return captureOf((index) => {
    const twin = twinOf(index);
    const held = twin < 0 ? undefined : capture.written(twin);
    if (held === undefined) return unnamed;
    const [slot, source] = [slotOf(program, index), slotOf(other, twin)];
    const same = sameStorage(slot, source) && sameMeaning(portOf(program, index), portOf(other, twin));
    if (held.kind === 'stored' && same) return held;
    const values = held.kind === 'real' ? held.values : decodePort(other, twin, held.bytes);
    if (`${slot.kept}` === `${source.kept}` && slot.length === source.length) return { kind: 'real', values };
    if (source.kept !== undefined) return { kind: 'not captured', why: 'channels that are not there' };
    return picked(slot, [{ dtype: 'float32', shape: source.shape, data: values }]);
  });
}
