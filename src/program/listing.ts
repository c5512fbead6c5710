/** A program as tables: its steps, and where everything lies in the arena. */

import { showShape } from '../ir/tensor.ts';
import { formatBytes, formatCount } from '../text/numbers.ts';
import { table } from '../text/table.ts';
import type { Program } from './program.ts';
import { slotBytes } from './slots.ts';
import { stepsOf } from './summary.ts';

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
