/**
 * A program, simulated, against what was computed elsewhere: layer by layer, the layers each on the other side's
 * inputs (isolated: an error shows where it is made) or on its own (cumulative: as it runs). What was not
 * compared is counted, with the reason; it is never right.
 */

import { at, must } from '../base/errors.ts';
import { indexOfLargest, largestOf } from '../base/extremes.ts';
import { elemBytes } from '../ir/kernel/kernel.ts';
import { stridesOf } from '../ir/tensor.ts';
import { gridAt, type Port, portOf } from '../program/port.ts';
import type { Program, Slot } from '../program/program.ts';
import { argsOf, isInput, readElement, slotAt } from '../program/slots.ts';
import { decodePort } from '../program/values.ts';
import { createSimulator } from '../sim/simulate.ts';
import type { Captured, Gap } from './capture.ts';
import type { Suspect } from './causes/cause.ts';
import { type DiffMode, type Fed, fitting, type Inference, oursIn, sameBytes, storedOf } from './feed.ts';
import { type Coordinates, type LayerMeasures, Measuring } from './measures.ts';

/** What is compared, and what counts as wrong. */
export interface DiffOptions {
  readonly mode: DiffMode;
  /** Real numbers may differ: a layer is wrong below this, in decibels. Default 20. Stored bytes may not. */
  readonly minSqnr?: number;
  /** Real numbers that are all on the layer's own grid may differ by so many of its steps, whatever their SQNR. */
  readonly maxSteps?: number;
}

/** A reason why a layer was not compared, and in how many inferences. */
export interface CountedGap extends Gap {
  readonly inferences: number;
}

/** A layer on both sides. */
export interface LayerDiff {
  /** -1: the input itself. */
  readonly step: number;
  readonly kernel: string;
  readonly origin: readonly string[];
  readonly tensor: string;
  /** Index of its slot. */
  readonly slot: number;
  /** Real units of one stored step; absent in float32 programs, and where channels differ in it. */
  readonly scale?: number;
  /** Whether the other side's are the stored bytes, which must be the same, or real numbers. */
  readonly exact: boolean;
  /** Absent where no inference could be compared, and `gaps` say why. */
  readonly measures?: LayerMeasures;
  /** Inferences of which only a checksum is known on the other side. */
  readonly checksums?: { readonly compared: number; readonly different: number };
  readonly wrong: boolean;
  /** Inferences in which it was compared, by its numbers or their checksum. */
  readonly compared: number;
  /** Why not in the others; empty where it was compared in all. */
  readonly gaps: readonly CountedGap[];
  /**
   * Kernels before it that were not compared and whose outputs went into it as they are here: where it is wrong,
   * one of them may be instead.
   */
  readonly unchecked: readonly string[];
  /** Of each inference whose numbers were compared: elements that differ, and their SQNR against the layer's signal. */
  readonly each: readonly { readonly inference: number; readonly different: number; readonly sqnr: number }[];
  /** The first gap in words. */
  readonly note?: string;
}

/** Two sides of the same inferences, layer by layer in order of execution. */
export interface Diff {
  readonly mode: DiffMode;
  readonly layers: readonly LayerDiff[];
  /** The first wrong layer. */
  readonly first?: LayerDiff;
  /** Inferences in which another element of the (first) output is the largest, where outputs were compared. */
  readonly flips: number;
  readonly inferences: number;
}

const quietEnough = 20;

function coordinates(slot: Slot, element: number): readonly number[] {
  const strides = stridesOf(slot.shape);
  const all = slot.shape.map((size, i) => Math.floor(element / at(strides, i)) % size);
  return all.length > 1 ? all.slice(1) : all;
}

const storedAt = (slot: Slot, bytes: Uint8Array, position: number): number =>
  readElement(bytes, slot, position * elemBytes[slot.elem]);

interface Sides {
  readonly ours: Uint8Array;
  readonly theirs: Captured;
}

/** Of a step: what is nearer to a stored number is that number. */
const nearGrid = 1e-3;

/** Adds one inference of one slot to its row and to a sum of its own. */
function addSlot(program: Program, row: Row, inference: number, sides: Sides): Measuring {
  const { slot: index, sums: into } = row;
  const slot = slotAt(program, index);
  const theirBytes = storedOf(program, index, sides.theirs);
  const ours = decodePort(program, index, sides.ours);
  const theirStored = decodePort(program, index, theirBytes);
  const theirs = sides.theirs.kind === 'real' ? sides.theirs.values : theirStored;
  const port = portOf(program, index);
  const given = isInput(program, index);
  const alone = new Measuring();
  for (let position = 0; position < slot.length; position++) {
    const element = slot.order?.[position] ?? position;
    const [a, b] = [storedAt(slot, sides.ours, position), storedAt(slot, theirBytes, position)];
    const [x, y] = [must(ours[element], 'an element'), must(theirs[element], 'an element')];
    const step = gridAt(port, element)?.scale;
    row.noteSteps(x - y, y - must(theirStored[element], 'an element'), step);
    const half = given || step === undefined ? Infinity : step * 0.501;
    const clipped = Math.abs(y - must(theirStored[element], 'an element')) > half;
    const place = (): Coordinates => ({
      inference,
      element,
      at: coordinates(slot, element),
      ours: x,
      theirs: y,
      stored: [a, b],
    });
    const equal = Object.is(a, b) || a === b;
    into.add(x, y, equal, clipped, place);
    alone.add(x, y, equal, clipped, place);
  }
  return alone;
}

/** What a layer of one inference is on both sides, for the causes to look at; undefined where one is not known. */
export function suspectIn(
  program: Program,
  slot: number,
  inference: Inference,
  mode: DiffMode,
): Suspect | undefined {
  const simulator = createSimulator(program, { mode: 'fast' });
  const fitted = { ...inference, theirs: fitting(program, inference.theirs) };
  const ours = oursIn(mode, program, simulator, fitted).written(slot)?.bytes;
  const held = fitted.theirs.written(slot);
  if (ours === undefined || held === undefined) return undefined;
  const theirs = storedOf(program, slot, held);
  return {
    program,
    slot,
    step: slotAt(program, slot).firstStep,
    ours,
    theirs,
    stored: held.kind === 'stored',
    ourReals: decodePort(program, slot, ours),
    theirReals: held.kind === 'real' ? held.values : decodePort(program, slot, theirs),
    inference: fitted,
  };
}

/** The slots that are compared, in the order in which they are written: the inputs, then each step's outputs. */
const comparedSlots = (program: Program): readonly number[] => [
  ...program.inputs.map(({ slot }) => slot),
  ...program.steps.flatMap((step) => argsOf(step, 'out')),
];

const kernelOf = (program: Program, slot: number): string =>
  isInput(program, slot)
    ? 'input'
    : must(program.steps[slotAt(program, slot).firstStep], 'a step of the program').kernel.name;

class Row {
  readonly slot: number;
  /** Inferences of which only the checksum is known on the other side, and of these those that differ. */
  checksums = 0;
  unequal = 0;
  readonly sums = new Measuring();
  readonly each: { inference: number; different: number; noise: number; elements: number }[] = [];
  readonly gaps = new Map<string, CountedGap>();
  /** Slots that were taken from here in an inference in which it differs. */
  readonly derived = new Set<number>();
  exact = false;
  /** The largest difference, in steps; undefined where the other side has a number that is on no step. */
  mostSteps: number | undefined = 0;

  constructor(slot: number) {
    this.slot = slot;
  }

  /** @param off how far the other side's number is from what is stored of it */
  noteSteps(difference: number, off: number, step: number | undefined): void {
    if (this.mostSteps === undefined) return;
    const isOn = step !== undefined && Math.abs(off) <= nearGrid * step;
    this.mostSteps = isOn ? Math.max(this.mostSteps, Math.abs(difference) / step) : undefined;
  }

  isWrong(
    { equal, elements, sqnr }: LayerMeasures,
    { minSqnr = quietEnough, maxSteps }: DiffOptions,
  ): boolean {
    if (this.exact) return equal < elements;
    if (maxSteps === undefined || this.mostSteps === undefined) return !(sqnr >= minSqnr);
    return this.mostSteps > maxSteps + nearGrid;
  }

  skip(gap: Gap): void {
    const key = `${gap.kind} ${gap.why}`;
    this.gaps.set(key, { ...gap, inferences: (this.gaps.get(key)?.inferences ?? 0) + 1 });
  }
}

/** Absent where there is none; the largest where each channel has its own: the largest difference is of that one. */
const scaleOf = ({ grids }: Port): Pick<LayerDiff, 'scale'> =>
  grids.length === 0 ? {} : { scale: largestOf(grids.map(({ scale }) => scale)) };

function finished(program: Program, row: Row, options: DiffOptions): LayerDiff {
  const slot = slotAt(program, row.slot);
  const step = slot.firstStep;
  const measures = row.sums.result;
  const compared = measures.elements > 0;
  const wrong = row.isWrong(measures, options);
  const gaps = [...row.gaps.values()];
  return {
    step,
    kernel: kernelOf(program, row.slot),
    origin: program.steps[step]?.origin ?? [],
    tensor: slot.name,
    slot: row.slot,
    ...scaleOf(portOf(program, row.slot)),
    exact: row.exact,
    ...(compared ? { measures } : {}),
    ...(row.checksums > 0 ? { checksums: { compared: row.checksums, different: row.unequal } } : {}),
    wrong: (compared && wrong) || row.unequal > 0,
    compared: row.each.length + row.checksums,
    gaps,
    unchecked: [...row.derived].sort((a, b) => a - b).map((index) => kernelOf(program, index)),
    each: row.each.map(({ inference, different, noise, elements }) => ({
      inference,
      different,
      sqnr: row.sums.sqnrOf(noise, elements),
    })),
    ...(gaps[0] === undefined ? {} : { note: gaps[0].why }),
  };
}

/**
 * Compares the layers of a program with another source of the same inferences.
 * @throws Trap when the simulated program breaks a rule
 */
export function diff(program: Program, inferences: Iterable<Inference>, options: DiffOptions): Diff {
  const simulator = createSimulator(program, { mode: 'fast' });
  const rows = comparedSlots(program).map((slot) => new Row(slot));
  let [flips, count] = [0, 0];
  for (const given of inferences) {
    const inference = { ...given, theirs: fitting(program, given.theirs) };
    const ours = oursIn(options.mode, program, simulator, inference);
    for (const row of rows) flips += compareRow(program, row, inference, ours.written(row.slot), count);
    count++;
  }
  const layers = rows.map((row) => finished(program, row, options));
  const first = layers.find(({ wrong }) => wrong);
  return { mode: options.mode, layers, ...(first === undefined ? {} : { first }), flips, inferences: count };
}

/** Why a slot that is known on one side at most cannot be compared. */
function gapOf(program: Program, slot: number, { theirs }: Inference): Gap {
  if (theirs.written(slot) === undefined && theirs.checksum?.(slot) === undefined)
    return theirs.missing?.(slot) ?? { kind: 'not captured', why: 'not captured' };
  const why = isInput(program, slot) ? 'not given on this side' : 'its inputs are not known';
  return { kind: 'no input', why };
}

/** Where what a differing layer reads was lost, nothing is known of the layer. */
function unclear(program: Program, { derived }: Fed, { theirs }: Inference): Gap | undefined {
  const lost = derived.filter((slot) => theirs.missing?.(slot)?.kind === 'lost');
  if (lost.length === 0) return undefined;
  const names = [...lost].sort((a, b) => a - b).map((slot) => kernelOf(program, slot));
  return { kind: 'unclear', why: `it differs, or ${names.join(', ')}, of which lines were lost` };
}

/** @returns 1 where the outputs' largest elements differ. */
function compareRow(
  program: Program,
  row: Row,
  inference: Inference,
  ours: Fed | undefined,
  index: number,
): number {
  const theirs = inference.theirs.written(row.slot);
  const checksum = theirs === undefined ? inference.theirs.checksum?.(row.slot) : undefined;
  if (ours === undefined || (theirs === undefined && checksum === undefined)) {
    row.skip(gapOf(program, row.slot, inference));
    return 0;
  }
  const same = sameBytes(ours.bytes, theirs, checksum);
  const doubt = same ? undefined : unclear(program, ours, inference);
  if (doubt !== undefined) {
    row.skip(doubt);
    return 0;
  }
  if (!same) for (const slot of ours.derived) row.derived.add(slot);
  if (theirs !== undefined) return addInference(program, row, index, { ours: ours.bytes, theirs });
  row.exact = true;
  row.checksums++;
  if (!same) row.unequal++;
  return 0;
}

const squaredDistance = (a: Float32Array, b: Float32Array): number =>
  a.reduce((sum, x, i) => sum + (x - must(b[i], 'as many numbers')) ** 2, 0);

/** Of several arrays for one tensor the one that is farthest from ours: each of them has to be right. */
function farthest(program: Program, slot: number, ours: Uint8Array, held: Captured): Captured {
  if (held.kind === 'stored' || held.others === undefined) return held;
  const real = decodePort(program, slot, ours);
  const all = [held.values, ...held.others];
  const distances = all.map((values) => squaredDistance(real, values));
  // Where a number is none, the first array shows it as well as any.
  return { kind: 'real', values: all[indexOfLargest(distances)] ?? held.values };
}

function addInference(program: Program, row: Row, inference: number, sides: Sides): 0 | 1 {
  const { ours } = sides;
  const theirs = farthest(program, row.slot, ours, sides.theirs);
  row.exact = theirs.kind === 'stored';
  const alone = addSlot(program, row, inference, { ours, theirs });
  const { elements, equal } = alone.result;
  row.each.push({ inference, different: elements - equal, noise: alone.noise, elements });
  if (program.outputs[0]?.slot !== row.slot) return 0;
  const other = theirs.kind === 'real' ? theirs.values : decodePort(program, row.slot, theirs.bytes);
  return indexOfLargest(decodePort(program, row.slot, ours)) === indexOfLargest(other) ? 0 : 1;
}
