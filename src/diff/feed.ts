/** What a program computes in one inference, and from what: the other side's inputs, or its own. */

import { crc32 } from '../base/crc32.ts';
import { must } from '../base/errors.ts';
import type { Program, Slot } from '../program/program.ts';
import { inputPart, isInput, joinedBytes, sharedBytes, slotAt, slotBytes } from '../program/slots.ts';
import { encodeSlot } from '../program/values.ts';
import type { Simulator } from '../sim/simulate.ts';
import { type Capture, type Captured, captureOfOutcome, type Gap } from './capture.ts';

/** `isolated`: each layer on the other side's inputs; `cumulative`: on its own. */
export type DiffMode = 'isolated' | 'cumulative';

/** One inference on both sides. */
export interface Inference {
  /** Bytes of the program's inputs, one after the other; absent where only the other side knows it. */
  readonly input?: Uint8Array;
  readonly theirs: Capture;
}

/** What a step wrote here. */
export interface Fed {
  readonly bytes: Uint8Array;
  /** Slots that went into it as they are here, since the other side's are not known. */
  readonly derived: readonly number[];
}

export interface Ours {
  written(slot: number): Fed | undefined;
}

/** The bytes that a slot would hold. */
export const storedOf = (program: Program, slot: number, held: Captured): Uint8Array =>
  held.kind === 'stored' ? held.bytes : encodeSlot(program, slot, held.values);

/** How many bytes or numbers are there, and should be. */
const sizeOf = (slot: Slot, held: Captured): readonly [number, number, string] =>
  held.kind === 'stored'
    ? [held.bytes.length, slotBytes(slot), 'bytes']
    : [held.values.length, slot.length, 'numbers'];

function misfit(slot: Slot, held: Captured | undefined): Gap | undefined {
  if (held === undefined) return undefined;
  const [found, wanted, what] = sizeOf(slot, held);
  if (found === wanted) return undefined;
  return { kind: 'other shape', why: `${found} ${what}, here ${wanted}` };
}

/** The bytes of a slot that are those of others; undefined where it has its own, or one of the others is not known. */
function sharedIn(
  program: Program,
  index: number,
  bytesOf: (slot: number) => Uint8Array | undefined,
): Uint8Array | undefined {
  const shared = sharedBytes(program, index);
  if (shared.length === 0) return undefined;
  const made = new Uint8Array(slotBytes(slotAt(program, index)));
  for (const { slot, there, here, bytes } of shared) {
    const from = bytesOf(slot);
    if (from === undefined) return undefined;
    made.set(from.subarray(there, there + bytes), here);
  }
  return made;
}

/** A capture without the tensors that are of another size than the program's. */
export function fitting(program: Program, capture: Capture): Capture {
  const sized = (slot: number, held: Captured | undefined) =>
    misfit(slotAt(program, slot), held) === undefined ? held : undefined;
  const written = (slot: number): Captured | undefined => {
    const own = sized(slot, capture.written(slot));
    if (own !== undefined) return own;
    const bytes = sharedIn(program, slot, (other) => {
      const held = written(other);
      return held && storedOf(program, other, held);
    });
    return bytes && { kind: 'stored', bytes };
  };
  return {
    written,
    read: (slot, step) => sized(slot, capture.read?.(slot, step)),
    checksum: (slot) => capture.checksum?.(slot),
    missing: (slot) => misfit(slotAt(program, slot), capture.written(slot)) ?? capture.missing?.(slot),
  };
}

/** The slots that the step reads which writes a slot; none for the program's input. */
function sourcesOf(program: Program, index: number): readonly number[] {
  if (isInput(program, index)) return [];
  const shared = sharedBytes(program, index);
  if (shared.length > 0) return shared.map(({ slot }) => slot);
  const { args, kernel } = must(program.steps[slotAt(program, index).firstStep], 'a step of the program');
  return args.filter((_, i) => kernel.params[i]?.role === 'in');
}

/** Whether stored bytes are the same, by their checksum where only that is known; real numbers never are. */
export function sameBytes(
  ours: Uint8Array | undefined,
  theirs: Captured | undefined,
  checksum: number | undefined,
): boolean {
  if (ours === undefined) return false;
  if (theirs === undefined) return crc32(ours) === checksum;
  return theirs.kind === 'stored' && ours.every((byte, i) => byte === theirs.bytes[i]);
}

/**
 * What a slot is computed from and the other side does not know, back to where both sides are the same: behind
 * what differs, something that is not known may be to blame. Real numbers differ anyway: they end the search.
 */
function unknownBehind(
  program: Program,
  slot: number,
  theirs: Capture,
  ours: (slot: number) => Uint8Array | undefined,
): readonly number[] {
  const [seen, unknown] = [new Set<number>(), new Set<number>()];
  const visit = (index: number): void => {
    for (const source of sourcesOf(program, index)) {
      if (seen.has(source)) continue;
      seen.add(source);
      const [held, checksum] = [theirs.written(source), theirs.checksum?.(source)];
      if (held?.kind === 'real' || sameBytes(ours(source), held, checksum)) continue;
      if (held === undefined && checksum === undefined) unknown.add(source);
      visit(source);
    }
  };
  visit(slot);
  return [...unknown];
}

/** All inputs as the other side has them; undefined where it lacks one. */
function givenInputs(program: Program, theirs: Capture): Uint8Array | undefined {
  const parts = program.inputs.flatMap(({ slot }) => {
    const held = theirs.written(slot);
    return held === undefined ? [] : [storedOf(program, slot, held)];
  });
  return parts.length === program.inputs.length ? joinedBytes(parts) : undefined;
}

/** From the inputs on. */
function cumulative(program: Program, simulator: Simulator, { input: own, theirs }: Inference): Ours {
  const input = own ?? givenInputs(program, theirs);
  if (input === undefined) return { written: () => undefined };
  const capture = captureOfOutcome(program, input, simulator.run(input, { keepArenas: true }));
  const bytesOf = (slot: number): Uint8Array | undefined => {
    const held = capture.written(slot);
    return held?.kind === 'stored' ? held.bytes : undefined;
  };
  return {
    written(slot) {
      const bytes = isInput(program, slot) && own === undefined ? undefined : bytesOf(slot);
      return bytes && { bytes, derived: unknownBehind(program, slot, theirs, bytesOf) };
    },
  };
}

/** Each step on what the other side read; where that is not known, on what follows here from what is. */
class Isolated implements Ours {
  readonly #program: Program;
  readonly #simulator: Simulator;
  readonly #inference: Inference;
  readonly #made = new Map<number, Fed | undefined>();

  constructor(program: Program, simulator: Simulator, inference: Inference) {
    this.#program = program;
    this.#simulator = simulator;
    this.#inference = inference;
  }

  written(slot: number): Fed | undefined {
    if (!this.#made.has(slot)) this.#made.set(slot, this.#compute(slot));
    return this.#made.get(slot);
  }

  #compute(index: number): Fed | undefined {
    const program = this.#program;
    if (isInput(program, index)) {
      const { input } = this.#inference;
      const bytes = input && inputPart(program, index, input);
      return bytes && { bytes, derived: [] };
    }
    const sources = sharedBytes(program, index);
    if (sources.length > 0) {
      const bytes = sharedIn(program, index, (slot) => this.written(slot)?.bytes);
      return bytes && { bytes, derived: sources.flatMap(({ slot }) => this.written(slot)?.derived ?? []) };
    }
    const step = slotAt(program, index).firstStep;
    const { args, kernel } = must(program.steps[step], 'a step of the program');
    const fed = args.map((slot, i) => (kernel.params[i]?.role === 'in' ? this.#read(slot, step) : undefined));
    if (fed.some((source, i) => kernel.params[i]?.role === 'in' && source === undefined)) return undefined;
    const made = this.#simulator.runStep(
      step,
      fed.map((source) => source?.bytes),
    );
    const bytes = must(made[args.indexOf(index)], 'a step writes its output');
    return { bytes, derived: [...new Set(fed.flatMap((source) => source?.derived ?? []))] };
  }

  #read(slot: number, step: number): Fed | undefined {
    const { theirs } = this.#inference;
    const held = theirs.read?.(slot, step) ?? theirs.written(slot);
    if (held !== undefined) return { bytes: storedOf(this.#program, slot, held), derived: [] };
    const own = this.written(slot);
    return own && { bytes: own.bytes, derived: [slot, ...own.derived] };
  }
}

export const oursIn = (mode: DiffMode, program: Program, simulator: Simulator, inference: Inference): Ours =>
  mode === 'isolated'
    ? new Isolated(program, simulator, inference)
    : cumulative(program, simulator, inference);
