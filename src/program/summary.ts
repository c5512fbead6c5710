/** What a program's steps cost at rest: tables, MAC, bytes. */
import { tableLength } from '../ir/kernel/table-bytes.ts';
import type { Program } from './program.ts';
import { argOf, slotAt } from './slots.ts';

/** One entry per kernel, in order of execution. */
export const stepsOf = (program: Program): readonly StepSummary[] =>
  program.steps.map((step) => {
    const output = slotAt(program, argOf(step, 'out'));
    return {
      name: step.kernel.name,
      origin: step.origin,
      output: output.name,
      outputShape: output.shape,
      macs: step.kernel.macs,
      tableBytes: step.kernel.tables.reduce((sum, t) => sum + tableLength(t), 0),
    };
  });

export function totalsOf(program: Program): Totals {
  const steps = stepsOf(program);
  return {
    macs: steps.reduce((sum, step) => sum + step.macs, 0),
    tableBytes: steps.reduce((sum, step) => sum + step.tableBytes, 0),
    arenaBytes: program.arenaBytes,
  };
}

export interface StepSummary {
  readonly name: string;
  readonly origin: readonly string[];
  readonly output: string;
  readonly outputShape: readonly number[];
  readonly macs: number;
  readonly tableBytes: number;
}

export interface Totals {
  readonly macs: number;
  /** Constant tables: weights, biases, multipliers. Code is not counted. */
  readonly tableBytes: number;
  readonly arenaBytes: number;
}
