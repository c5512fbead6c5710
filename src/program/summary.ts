/** What a program's steps cost at rest: tables, MAC, bytes. */
import { tableLength } from '../ir/kernel/table-bytes.ts';
import { formatBytes } from '../text/numbers.ts';
import type { Program } from './program.ts';
import { argOf, argsOf, isInput, isOutput, slotAt, slotBytes } from './slots.ts';

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

/**
 * What it costs that ports lie in the model's order: the kernels that copy between them and the order in which the
 * network computes. Undefined: they lie in that order themselves.
 */
export function portOrderText(program: Program): string | undefined {
  if (program.portOrder === undefined) return undefined;
  const copies = program.steps.filter(
    (step) =>
      step.origin.length === 0 &&
      step.kernel.macs === 0 &&
      (argsOf(step, 'in').some((slot) => isInput(program, slot)) || isOutput(program, argOf(step, 'out'))),
  );
  const bytes = copies.reduce((sum, step) => sum + slotBytes(slotAt(program, argOf(step, 'out'))), 0);
  const names = copies.map(({ kernel }) => kernel.name).join(', ');
  const cost = copies.length === 0 ? 'nothing is copied for it' : `${formatBytes(bytes)} copied by ${names}`;
  return `inputs and outputs lie in the model's order: ${cost}`;
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
