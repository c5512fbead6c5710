/** A program as tables: its steps, and where everything lies in the arena. */

import { must } from '../base/errors.ts';
import { elemBytes, type Table } from '../ir/kernel/kernel.ts';
import { showShape } from '../ir/tensor.ts';
import { formatBytes, formatCount } from '../text/numbers.ts';
import { table } from '../text/table.ts';
import type { Program, Slot, Step } from './program.ts';

export interface StepSummary {
  readonly name: string;
  readonly origin: readonly string[];
  readonly output: string;
  readonly outputShape: readonly number[];
  readonly macs: number;
  readonly tableBytes: number;
}

export const inputSlot = (program: Program): Slot =>
  must(program.slots[program.input], `program ${program.name} has an input slot`);

export const outputSlot = (program: Program): Slot =>
  must(program.slots[program.output], `program ${program.name} has an output slot`);

const bytesOfTable = ({ elem, data }: Table): number => elemBytes[elem] * data.length;

const outputOf = (program: Program, { kernel, args }: Step): Slot | undefined =>
  program.slots[args[kernel.params.findIndex(({ role }) => role === 'out')] ?? -1];

export const slotBytes = (slot: Slot): number => elemBytes[slot.elem] * slot.length;

/** One entry per kernel, in order of execution. */
export const stepsOf = (program: Program): readonly StepSummary[] =>
  program.steps.map((step) => {
    const output = outputOf(program, step);
    return {
      name: step.kernel.name,
      origin: step.origin,
      output: output?.name ?? '',
      outputShape: output?.shape ?? [],
      macs: step.kernel.macs,
      tableBytes: step.kernel.tables.reduce((sum, t) => sum + bytesOfTable(t), 0),
    };
  });

export interface Totals {
  readonly macs: number;
  /** Constant tables: weights, biases, multipliers. Code is not counted. */
  readonly tableBytes: number;
  readonly arenaBytes: number;
}

export function totalsOf(program: Program): Totals {
  const steps = stepsOf(program);
  return {
    macs: steps.reduce((sum, step) => sum + step.macs, 0),
    tableBytes: steps.reduce((sum, step) => sum + step.tableBytes, 0),
    arenaBytes: program.arenaBytes,
  };
}

export const stepTable = (program: Program, width?: number): string =>
  table(
    [
      { head: 'kernel' },
      { head: 'computes' },
      { head: 'output' },
      { head: 'MAC', align: 'right' },
      { head: 'tables', align: 'right' },
    ],
    stepsOf(program).map(({ name, origin, outputShape, macs, tableBytes }) => [
      name,
      origin.join(' '),
      showShape(outputShape),
      formatCount(macs),
      formatBytes(tableBytes),
    ]),
    width,
  );

const stepName = (program: Program, step: number): string =>
  step < 0 ? 'input' : (program.steps[step]?.kernel.name ?? 'the end');

/** Slots by address: which bytes hold what, from which step to which. */
export const planTable = (program: Program, width?: number): string =>
  table(
    [
      { head: 'bytes', align: 'right' },
      { head: 'holds' },
      { head: 'as' },
      { head: 'written by' },
      { head: 'last read by' },
    ],
    [...program.slots]
      .sort((a, b) => a.firstStep - b.firstStep || a.address - b.address)
      .map((slot) => [
        `${formatCount(slot.address)}..${formatCount(slot.address + slotBytes(slot) - 1)}`,
        slot.name,
        `${slot.elem}[${slot.length}]`,
        stepName(program, slot.firstStep),
        slot.lastStep >= program.steps.length ? 'the caller' : stepName(program, slot.lastStep),
      ]),
    width,
  );
