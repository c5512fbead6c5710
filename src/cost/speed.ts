/**
 * Modelled instructions of a kernel on a chip: its operations, counted exactly, times what each costs there.
 * docs/sparse.md says how far the model is from exact counts of gcc's code at -O3.
 */

import { at } from '../base/errors.ts';
import { elemBytes, type Kernel } from '../ir/kernel/kernel.ts';
import type { InstructionSet } from '../ir/kernel/primitive.ts';
import { operationsOf } from './counts.ts';
import { fitted } from './fitted-speed.ts';
import { type Feature, features } from './speed-features.ts';

/** Chips of one instruction set share their weights: M7 and M33 execute what M4 does. */
export const modelOf = {
  'cortex-m0': 'cortex-m0',
  'cortex-m3': 'cortex-m3',
  'cortex-m4': 'cortex-m4',
  'cortex-m7': 'cortex-m4',
  'cortex-m33': 'cortex-m4',
  'cortex-m55': 'cortex-m4',
  rv32imc: 'rv32imc',
} as const satisfies Record<string, keyof typeof fitted>;

/** A chip of which instructions are modelled. */
export type CostTarget = keyof typeof modelOf;
export const costTargets = Object.keys(modelOf) as readonly CostTarget[];

/** Of kernels in a form for instructions that only some chips have; others count as plain C does. */
const fittedForms: Readonly<Partial<Record<InstructionSet, Readonly<Record<Feature, number>>>>> = {
  dsp: fitted['cortex-m4 dsp'],
  mve: fitted['cortex-m55 mve'],
};

/**
 * @param set whose instructions the kernel has; absent: plain C
 * @throws InputError for a kernel whose loops depend on the input.
 */
export function modelledInstructions(kernel: Kernel, target: CostTarget, set?: InstructionSet): number {
  const weights = (set && fittedForms[set]) ?? fitted[modelOf[target]];
  const operations = operationsOf(kernel);
  const total = features.reduce((sum, feature, i) => sum + weights[feature] * at(operations, i), 0);
  return Math.round(total);
}

/** Exact: of all its constant tables. */
export const tableBytesOf = (kernel: Kernel): number =>
  kernel.tables.reduce((sum, { data, elem }) => sum + data.length * elemBytes[elem], 0);
