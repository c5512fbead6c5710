/** What a program's steps cost at rest: tables, MAC, bytes. */
import { plainTableBytes } from '../ir/kernel/table-bytes.ts';
import { formatBytes } from '../text/numbers.ts';
import type { Program, Step } from './program.ts';
import { argOf, argsOf, slotAt, slotBytes } from './slots.ts';

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
      tableBytes: plainTableBytes(step.kernel),
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

/** Whether a step computes nothing of the model's and keeps the size of what it reads. */
const isCopy = (program: Program, step: Step): boolean =>
  step.origin.length === 0 &&
  step.kernel.macs === 0 &&
  argsOf(step, 'in').every(
    (slot) => slotBytes(slotAt(program, slot)) === slotBytes(slotAt(program, argOf(step, 'out'))),
  );

/**
 * What it costs that ports lie in the model's order: the kernels that copy tensors into another order. They stand where
 * an operator asks for that, which may be some layers behind an input. Undefined: ports lie as is best.
 */
export function portOrderText(program: Program): string | undefined {
  if (program.portOrder === undefined) return undefined;
  const copies = program.steps.filter((step) => isCopy(program, step));
  const bytes = copies.reduce((sum, step) => sum + slotBytes(slotAt(program, argOf(step, 'out'))), 0);
  const names = copies.map(({ kernel }) => kernel.name).join(', ');
  const cost =
    copies.length === 0
      ? 'nothing is copied into another order'
      : `${formatBytes(bytes)} copied into another order by ${names}`;
  return `inputs and outputs are in the model's order: ${cost}`;
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

/** What of an int8 program is float32, and what that costs. */
export function floatText({ slots, steps }: Program): string {
  const bytes = slots.reduce(
    (sum, slot) => sum + (slot.elem === 'f32' && slot.within === undefined ? slotBytes(slot) : 0),
    0,
  );
  const borders = steps.filter(({ kernel: { params } }) => {
    const floats = params.filter(({ elem }) => elem === 'f32').length;
    return floats > 0 && floats < params.length;
  });
  return `float32: ${formatBytes(bytes)} of tensors, ${formatBytes(bytes / 4)} in 8 bits; ${borders.length} ${borders.length === 1 ? 'kernel converts' : 'kernels convert'}`;
}

export const floatPartText = (part: {
  readonly node: string;
  readonly kind: string;
  readonly reason: string;
}): string => `float32: ${part.node} (${part.kind}), ${part.reason}`;
