/**
 * A program, simulated, against what somebody else computed: layer by layer, the layers each on the other side's
 * inputs (isolated: an error shows where it is made) or on its own (cumulative: as it runs).
 */
import { must } from '../ir/errors.ts';
import { gridAt, type Port, portOf, realOf } from '../ir/port.ts';
import type { Program, Slot } from '../ir/program.ts';
import { stridesOf } from '../ir/tensor.ts';
import { decodePort, encodeSlot } from '../run.ts';
import { createSimulator, type Simulator } from '../sim/simulate.ts';
import { crc32 } from '../trace/crc32.ts';
import { type Capture, type Captured, captureOfOutcome } from './capture.ts';
import type { Suspect } from './causes/cause.ts';
import { type LayerMeasures, Measuring, type Place } from './measure.ts';

export type DiffMode = 'isolated' | 'cumulative';

export interface DiffOptions {
  readonly mode: DiffMode;
  /** Real numbers may differ: a layer is wrong below this, in decibels. Stored bytes may not. */
  readonly minSqnr?: number;
}

/** One inference on both sides. */
export interface Inference {
  /** Bytes of the program's input slot; absent where only the other side knows it. */
  readonly input?: Uint8Array;
  readonly theirs: Capture;
}

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
  /** Absent where it could not be compared, and `note` says why. */
  readonly measures?: LayerMeasures;
  /** Inferences of which only a checksum is known on the other side. */
  readonly checksums?: { readonly compared: number; readonly different: number };
  readonly wrong: boolean;
  /** Of each inference: elements that differ, and the real units' SQNR. */
  readonly each: readonly { readonly different: number; readonly sqnr: number }[];
  readonly note?: string;
}

export interface Diff {
  readonly mode: DiffMode;
  readonly layers: readonly LayerDiff[];
  /** The first wrong layer. */
  readonly first?: LayerDiff;
  /** Inferences whose largest output is another one, where outputs were compared. */
  readonly flips: number;
  readonly inferences: number;
}

const quietEnough = 20;

const slotAt = (program: Program, index: number): Slot => must(program.slots[index], 'a slot of the program');

/** The bytes that a slot would hold. */
const storedOf = (program: Program, slot: number, held: Captured): Uint8Array =>
  held.kind === 'stored' ? held.bytes : encodeSlot(program, slot, held.values);

/** The real numbers of a slot; raw pixels are normalized first, as the model takes them. */
const realsOf = decodePort;

function coordinates(slot: Slot, element: number): readonly number[] {
  const strides = stridesOf(slot.shape);
  const all = slot.shape.map((size, i) => Math.floor(element / (strides[i] ?? 1)) % size);
  return all.length > 1 ? all.slice(1) : all;
}

const storedAt = (slot: Slot, bytes: Uint8Array, position: number): number =>
  slot.elem === 'f32'
    ? new DataView(bytes.buffer, bytes.byteOffset).getFloat32(4 * position, true)
    : must(bytes[position], 'a byte of the slot');

interface Sides {
  readonly ours: Uint8Array;
  readonly theirs: Captured;
}

/** Adds one inference of one slot to `into` and to a sum of its own. */
function addSlot(
  program: Program,
  index: number,
  inference: number,
  sides: Sides,
  into: Measuring,
): Measuring {
  const slot = slotAt(program, index);
  const theirBytes = storedOf(program, index, sides.theirs);
  const [ours, theirs] = [
    realsOf(program, index, sides.ours),
    sides.theirs.kind === 'real' ? sides.theirs.values : realsOf(program, index, theirBytes),
  ];
  const port = portOf(program, index);
  const alone = new Measuring();
  for (let position = 0; position < slot.length; position++) {
    const element = slot.order?.[position] ?? position;
    const [a, b] = [storedAt(slot, sides.ours, position), storedAt(slot, theirBytes, position)];
    const [x, y] = [ours[element] ?? 0, theirs[element] ?? 0];
    const step = gridAt(port, element)?.scale;
    const clipped =
      step !== undefined && index !== program.input && Math.abs(y - realOf(port, element, b)) > step * 0.501;
    const place = (): Place => ({
      inference,
      element,
      at: coordinates(slot, element),
      ours: x,
      theirs: y,
      stored: [a, b],
    });
    into.add(x, y, Object.is(a, b) || a === b, clipped, place);
    alone.add(x, y, a === b, clipped, place);
  }
  return alone;
}

/** What the program computes in one inference, each step on the inputs that the mode gives it. */
interface Ours {
  written(slot: number): Uint8Array | undefined;
}

function cumulative(program: Program, simulator: Simulator, inference: Inference): Ours {
  const given = inference.theirs.written(program.input);
  const input = inference.input ?? (given && storedOf(program, program.input, given));
  if (input === undefined) return { written: () => undefined };
  const capture = captureOfOutcome(program, input, simulator.run(input, { keepArenas: true }));
  return {
    written(slot) {
      const held = capture.written(slot);
      return held?.kind === 'stored' ? held.bytes : undefined;
    },
  };
}

/** Where the other side does not tell what a layer read, it is fed what the program computed itself. */
function isolated(program: Program, simulator: Simulator, inference: Inference): Ours {
  const { theirs } = inference;
  let own: Ours | undefined;
  const fallback = (slot: number): Uint8Array | undefined => {
    own ??= cumulative(program, simulator, inference);
    return own.written(slot);
  };
  return {
    written(index) {
      if (index === program.input) return inference.input;
      const step = slotAt(program, index).firstStep;
      const { args, kernel } = must(program.steps[step], 'a step of the program');
      const inputs = args.map((slot, i) => {
        if (kernel.params[i]?.role !== 'in') return undefined;
        const held = theirs.read?.(slot, step) ?? theirs.written(slot);
        if (held !== undefined) return storedOf(program, slot, held);
        return slot === program.input ? inference.input : fallback(slot);
      });
      const complete = args.every((_, i) => kernel.params[i]?.role !== 'in' || inputs[i] !== undefined);
      return complete ? simulator.runStep(step, inputs)[args.indexOf(index)] : undefined;
    },
  };
}

const oursIn = (mode: DiffMode) => (mode === 'isolated' ? isolated : cumulative);

/** What a layer of one inference is on both sides, for whoever asks why; undefined where one is not known. */
export function suspectIn(
  program: Program,
  slot: number,
  inference: Inference,
  mode: DiffMode,
): Suspect | undefined {
  const simulator = createSimulator(program, { mode: 'fast' });
  const ours = oursIn(mode)(program, simulator, inference).written(slot);
  const held = inference.theirs.written(slot);
  if (ours === undefined || held === undefined) return undefined;
  const theirs = storedOf(program, slot, held);
  return {
    program,
    slot,
    step: slot === program.input ? -1 : slotAt(program, slot).firstStep,
    ours,
    theirs,
    ourReals: realsOf(program, slot, ours),
    theirReals: held.kind === 'real' ? held.values : realsOf(program, slot, theirs),
    inference,
  };
}

/** The slots that are compared, in the order in which they are written: the input, then each step's output. */
function comparedSlots(program: Program): readonly number[] {
  const outputs = program.steps.map(({ kernel, args }) =>
    must(args[kernel.params.findIndex(({ role }) => role === 'out')], 'a step has an output'),
  );
  return [program.input, ...outputs];
}

interface Row {
  readonly slot: number;
  /** Inferences of which only the checksum is known on the other side, and of these those that differ. */
  checksums: number;
  unequal: number;
  readonly sums: Measuring;
  readonly each: { different: number; sqnr: number }[];
  exact: boolean;
  note?: string;
}

/** Absent where there is none, and where each channel has its own. */
const scaleOf = ({ grids: [grid, ...more] }: Port): Pick<LayerDiff, 'scale'> =>
  grid === undefined || more.length > 0 ? {} : { scale: grid.scale };

function finished(program: Program, row: Row, { minSqnr = quietEnough }: DiffOptions): LayerDiff {
  const slot = slotAt(program, row.slot);
  const step = row.slot === program.input ? -1 : slot.firstStep;
  const measures = row.sums.result;
  const compared = measures.elements > 0;
  const { kernel, origin } = program.steps[step] ?? { kernel: { name: 'input' }, origin: [] };
  const wrong = row.exact ? measures.equal < measures.elements : measures.sqnr < minSqnr;
  return {
    step,
    kernel: kernel.name,
    origin,
    tensor: slot.name,
    slot: row.slot,
    ...scaleOf(portOf(program, row.slot)),
    exact: row.exact,
    ...(compared ? { measures } : {}),
    ...(row.checksums > 0 ? { checksums: { compared: row.checksums, different: row.unequal } } : {}),
    wrong: (compared && wrong) || row.unequal > 0,
    each: row.each,
    ...(row.note === undefined ? {} : { note: row.note }),
  };
}

const topOf = (values: Float32Array): number => values.indexOf(Math.max(...values));

/** @throws Trap when the simulated program breaks a rule */
export function diff(program: Program, inferences: Iterable<Inference>, options: DiffOptions): Diff {
  const simulator = createSimulator(program, { mode: 'fast' });
  const rows = comparedSlots(program).map(
    (slot): Row => ({ slot, checksums: 0, unequal: 0, sums: new Measuring(), each: [], exact: false }),
  );
  let [flips, count] = [0, 0];
  for (const inference of inferences) {
    const ours = oursIn(options.mode)(program, simulator, inference);
    for (const row of rows) flips += compareRow(program, row, inference, ours, count);
    count++;
  }
  const layers = rows.map((row) => finished(program, row, options));
  const first = layers.find(({ wrong }) => wrong);
  return { mode: options.mode, layers, ...(first === undefined ? {} : { first }), flips, inferences: count };
}

/** @returns 1 where the outputs' largest elements differ. */
function compareRow(program: Program, row: Row, inference: Inference, ours: Ours, index: number): number {
  const theirs = inference.theirs.written(row.slot);
  const bytes = ours.written(row.slot);
  const checksum = theirs === undefined ? inference.theirs.checksum?.(row.slot) : undefined;
  if (checksum !== undefined && bytes !== undefined) {
    row.exact = true;
    row.checksums++;
    if (crc32(bytes) !== checksum) row.unequal++;
    return 0;
  }
  if (theirs === undefined || bytes === undefined) {
    row.note ??=
      theirs === undefined
        ? (inference.theirs.missing?.(row.slot) ?? 'not captured')
        : row.slot === program.input
          ? 'not given on this side'
          : 'what it reads is not known';
    return 0;
  }
  row.exact = theirs.kind === 'stored';
  const { elements, equal, sqnr } = addSlot(
    program,
    row.slot,
    index,
    { ours: bytes, theirs },
    row.sums,
  ).result;
  row.each.push({ different: elements - equal, sqnr });
  if (row.slot !== program.output) return 0;
  const other = theirs.kind === 'real' ? theirs.values : realsOf(program, row.slot, theirs.bytes);
  return topOf(realsOf(program, row.slot, bytes)) === topOf(other) ? 0 : 1;
}
