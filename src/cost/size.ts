/**
 * Modelled machine code of a kernel: its parts, each counted once, times what each takes in gcc's code at -Os.
 * docs/sparse.md says how far the model is from the compiler.
 */
import { at, must } from '../base/errors.ts';
import type { Kernel } from '../ir/kernel/kernel.ts';
import { fittedCode } from './fitted-size.ts';
import { codeFeatures, codeParts } from './size-features.ts';
import { type CostTarget, modelOf } from './speed.ts';

/** Bytes of the kernel's function; primitives that are not inlined are shared and do not count. */
export function modelledCode(kernel: Kernel, target: CostTarget): number {
  const weights = must(fittedCode[`${modelOf[target]} -Os`], `code of '${target}' was fitted`);
  const parts = codeParts(kernel);
  return Math.round(codeFeatures.reduce((sum, feature, i) => sum + weights[feature] * at(parts, i), 0));
}
