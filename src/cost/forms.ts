/** What a chip runs of a kernel, and what that costs: plain C, or the form for its instructions. */

import type { Kernel } from '../ir/kernel/kernel.ts';
import type { InstructionSet } from '../ir/kernel/primitive.ts';
import { tableLength } from '../ir/kernel/table-bytes.ts';
import { formWith, plainForm } from '../lower/variants.ts';
import type { Aim, Program } from '../program/program.ts';
import { modelledCode } from './size.ts';
import { type CostTarget, modelledInstructions } from './speed.ts';

/** The instructions that kernels have forms for, the best first. */
export const setsFor = {
  'cortex-m0': ['v6m'],
  'cortex-m3': [],
  'cortex-m4': ['dsp'],
  'cortex-m7': ['dsp'],
  'cortex-m33': ['dsp'],
  'cortex-m55': ['mve', 'dsp'],
  rv32imc: ['rv32'],
} as const satisfies Record<CostTarget, readonly InstructionSet[]>;

/** A kernel as a chip runs it; without a set it is what every compiler takes. */
export interface Form {
  readonly kernel: Kernel;
  readonly set?: InstructionSet;
}

/** The form of a kernel of a program with this aim. */
export function formFor(kernel: Kernel, target: CostTarget, aim?: Aim): Form {
  for (const set of setsFor[target]) {
    const form = formWith(kernel, set, aim);
    if (form !== undefined) return { kernel: form.kernel, set };
  }
  return { kernel: plainForm(kernel) };
}

// Kernels that are not packed there are plain.
const packedName = 'two weights at once';

const setNames = {
  mve: 'Helium',
  dsp: 'DSP',
  v6m: packedName,
  rv32: packedName,
} as const satisfies Record<InstructionSet, string>;

/** How the form of a kernel computes, in a few words. */
export function formText(kernel: Kernel, target: CostTarget, aim?: Aim): string {
  const { kernel: form, set } = formFor(kernel, target, aim);
  if (form === kernel) return 'plain';
  return set === undefined ? packedName : setNames[set];
}

/** What the form costs: bytes of its tables, modelled instructions of an inference, and code at -Os. */
export interface FormCost {
  readonly bytes: number;
  readonly instructions: number;
  readonly code: number;
}

export function costOn(kernel: Kernel, target: CostTarget, aim?: Aim): FormCost {
  const { kernel: form, set } = formFor(kernel, target, aim);
  return {
    bytes: form.tables.reduce((sum, table) => sum + tableLength(table), 0),
    instructions: modelledInstructions(form, target, set),
    code: modelledCode(form, target),
  };
}

/** Of all kernels of a program. */
export const instructionsOn = ({ steps, aim }: Program, target: CostTarget): number =>
  steps.reduce((sum, { kernel }) => sum + costOn(kernel, target, aim).instructions, 0);
