/** What inferences left in the tensors of a program, whoever ran them: the other side of a comparison. */
import { must } from '../ir/errors.ts';
import { portOf, sameMeaning } from '../ir/port.ts';
import type { Outcome, Program, Slot } from '../ir/program.ts';
import type { Tensor } from '../ir/tensor.ts';
import { decodePort } from '../run.ts';
import { slotBytes } from '../sim/arena.ts';

/** `stored`: bytes as the slot has them. `real`: row-major numbers in the slot's shape. */
export type Captured =
  | { readonly kind: 'stored'; readonly bytes: Uint8Array }
  | { readonly kind: 'real'; readonly values: Float32Array };

/** One inference. */
export interface Capture {
  /** What slot `slot` held when its step had written it; undefined where that is not known. */
  written(slot: number): Captured | undefined;
  /** What it held when `step` read it, where that may be something else. */
  read?(slot: number, step: number): Captured | undefined;
  /** CRC-32 of what `written` would be, where only that is known. */
  checksum?(slot: number): number | undefined;
  /** Why a slot is not known, where there is something to say. */
  missing?(slot: number): string | undefined;
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

/** The elements of a model's tensor that a slot holds, or why it cannot hold them. */
export function pick(slot: Slot, { shape, data }: Tensor): Float32Array | string {
  const { kept } = slot;
  const whole = Float32Array.from(data as ArrayLike<number>);
  if (kept === undefined)
    return whole.length === slot.length ? whole : `${shape.join('x')}, here ${slot.shape.join('x')}`;
  const inner = slot.length / kept.length;
  if (whole.length % inner !== 0 || Math.max(...kept) >= whole.length / inner)
    return `${shape.join('x')}, here ${slot.shape.join('x')} of it`;
  return Float32Array.from(
    { length: slot.length },
    (_, i) => whole[(kept[Math.floor(i / inner)] ?? 0) * inner + (i % inner)] ?? 0,
  );
}

/** Of tensors with real numbers by name: of a float model, or of activations from elsewhere. */
export function captureOfTensors(program: Program, tensorFor: (slot: number) => Tensor | undefined): Capture {
  const found = (index: number) => {
    const tensor = tensorFor(index);
    return tensor === undefined ? 'no tensor of its name' : pick(slotOf(program, index), tensor);
  };
  return {
    written(index) {
      const values = found(index);
      return typeof values === 'string' ? undefined : { kind: 'real', values };
    },
    missing(index) {
      const values = found(index);
      return typeof values === 'string' ? values : undefined;
    },
  };
}

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
  const found = (index: number): Captured | string => {
    const twin = twinOf(index);
    const held = twin < 0 ? undefined : capture.written(twin);
    if (held === undefined) return 'no tensor of its name';
    const [slot, source] = [slotOf(program, index), slotOf(other, twin)];
    const same = sameStorage(slot, source) && sameMeaning(portOf(program, index), portOf(other, twin));
    if (held.kind === 'stored' && same) return held;
    const values = held.kind === 'real' ? held.values : decodePort(other, twin, held.bytes);
    if (`${slot.kept}` === `${source.kept}` && slot.length === source.length) return { kind: 'real', values };
    if (source.kept !== undefined) return 'channels that are not there';
    const picked = pick(slot, { dtype: 'float32', shape: source.shape, data: values });
    return typeof picked === 'string' ? picked : { kind: 'real', values: picked };
  };
  return {
    written(index) {
      const held = found(index);
      return typeof held === 'string' ? undefined : held;
    },
    missing(index) {
      const held = found(index);
      return typeof held === 'string' ? held : undefined;
    },
  };
}
