/**
 * Modelled instructions of a kernel on a chip: its operations, counted exactly, times what each costs there.
 * docs/sparse.md says how far the model is from exact counts of gcc's code at -O3.
 */

import { at, must } from '../base/errors.ts';
import { elemBytes, type Kernel } from '../ir/kernel/kernel.ts';
import { operationsOf } from './counts.ts';
import { fitted } from './fitted-speed.ts';
import { features } from './speed-features.ts';

/** Chips of one instruction set share their weights: M7 and M33 execute what M4 does. */
export const modelOf = {
  'cortex-m0': 'cortex-m0',
  'cortex-m3': 'cortex-m3',
  'cortex-m4': 'cortex-m4',
  'cortex-m7': 'cortex-m4',
  'cortex-m33': 'cortex-m4',
  rv32imc: 'rv32imc',
} as const satisfies Record<string, keyof typeof fitted>;

/** A chip of which instructions are modelled. */
export type CostTarget = keyof typeof modelOf;
export const costTargets = Object.keys(modelOf) as readonly CostTarget[];

/** @throws InputError for a kernel whose loops depend on the input. */
export function modelledInstructions(kernel: Kernel, target: CostTarget): number {
  const weights = must(fitted[modelOf[target]], `weights of '${target}' were fitted`);
  const operations = operationsOf(kernel);
  const total = features.reduce((sum, feature, i) => sum + weights[feature] * at(operations, i), 0);
  return Math.round(total);
}

/** Exact: of all its constant tables. */
export const tableBytesOf = (kernel: Kernel): number =>
  kernel.tables.reduce((sum, { data, elem }) => sum + data.length * elemBytes[elem], 0);
