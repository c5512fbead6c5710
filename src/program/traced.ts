/** What a trace of a program prints, in its order: shared by the printed C and by the writer in TypeScript. */

import { DefectError, must } from '../base/errors.ts';
import { elemBytes, type Table } from '../ir/kernel/kernel.ts';
import { arraysUsed } from '../ir/kernel/walk.ts';
import type { Program, ProgramPort, Step } from './program.ts';
import { argsOf, kernelsOf, sharedBytes, slotAt } from './slots.ts';

/** Of a tensor on one line: lines then have at most 80 columns, and a damaged one costs little. */
export const bytesPerLine = 36;

/** A tensor at one moment. */
export interface TracedRow {
  /** -1 is the caller who wrote the input, the number of steps the caller who gets the output. */
  readonly step: number;
  readonly slot: number;
  /** `read`: right before the step; `written`: right after it. */
  readonly kind: 'read' | 'written';
  /** In bytes from the start of the arena. */
  readonly address: number;
  /** In bytes. */
  readonly length: number;
}

/** The constant arrays of the C, in the C's order. */
export const tracedTables = (program: Program): readonly Table[] => [
  ...new Set(
    kernelsOf(program).flatMap((kernel) => {
      const used = arraysUsed(kernel.body);
      return kernel.tables.filter(({ name }) => used.has(name));
    }),
  ),
];

const slotsOf = (step: Step, role: 'in' | 'out'): readonly number[] => [...new Set(argsOf(step, role))];

const slotsIn = (ports: readonly ProgramPort[]): readonly number[] => [
  ...new Set(ports.map(({ slot }) => slot)),
];

/** Slots that are read and that no step writes by itself: parts of others, or made of them. */
function viewsRead(program: Program): readonly number[] {
  const read = new Set([
    ...program.steps.flatMap((step) => slotsOf(step, 'in')),
    ...slotsIn(program.outputs),
  ]);
  return [...read].filter((slot) => sharedBytes(program, slot).length > 0);
}

/** Each slot once per step and kind. A slot that is made of others is written when the last of them is. */
export function tracedRows(program: Program): readonly TracedRow[] {
  const row = (step: number, slot: number, kind: TracedRow['kind']): TracedRow => {
    const { address, length, elem } = slotAt(program, slot);
    return { step, slot, kind, address, length: length * elemBytes[elem] };
  };
  const views = viewsRead(program);
  const written = (step: number, slots: readonly number[]): readonly TracedRow[] =>
    [...slots, ...views.filter((slot) => slotAt(program, slot).firstStep === step)].map((slot) =>
      row(step, slot, 'written'),
    );
  return [
    ...written(-1, slotsIn(program.inputs)),
    ...program.steps.flatMap((step, i) => [
      ...slotsOf(step, 'in').map((slot) => row(i, slot, 'read')),
      ...written(i, slotsOf(step, 'out')),
    ]),
    ...slotsIn(program.outputs).map((slot) => row(program.steps.length, slot, 'read')),
  ];
}

/**
 * Where the checksum of each row's slot is kept from when it is written to its last row: places are used again
 * when nothing needs their slot any more, so there are as many as tensors live at once.
 * @throws DefectError for a slot that is read before it is written.
 */
export function keptAt(rows: readonly TracedRow[]): { readonly places: readonly number[]; count: number } {
  const last = new Map(rows.map(({ slot }, i) => [slot, i]));
  const held = new Map<number, number>();
  let count = 0;
  const places = rows.map(({ slot, kind }, i) => {
    if (!held.has(slot) && kind === 'read')
      throw new DefectError(`slot ${slot} is read before it is written`);
    const taken = new Set(held.values());
    const place = held.get(slot) ?? must(freePlaces(taken).next().value, 'places do not run out');
    held.set(slot, place);
    count = Math.max(count, place + 1);
    if (last.get(slot) === i) held.delete(slot);
    return place;
  });
  return { places, count };
}

function* freePlaces(taken: ReadonlySet<number>): Generator<number, undefined> {
  for (let place = 0; place <= taken.size; place++) if (!taken.has(place)) yield place;
  return undefined;
}
