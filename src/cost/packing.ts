/** Which kernels of a program multiply by two rows of weights at once in C: where that executes fewer instructions. */
import type { Kernel, Packing } from '../ir/kernel/kernel.ts';
import { packed } from '../lower/packed.ts';
import { bestTerms } from '../lower/packed-rows.ts';
import type { Program } from '../program/program.ts';
import { decodeRows } from '../program/rows.ts';
import { kernelsOf } from '../program/slots.ts';
import { type CostTarget, modelledInstructions, tableBytesOf } from './speed.ts';

/** `balanced`: where a byte more of tables saves enough instructions. */
export type PackingObjective = 'speed' | 'balanced';

/** Instructions of an inference that a byte has to save: a weight of a convolution is used once for each pixel. */
const worthAByte = 16;

/** Of a pass: sums of these share what they load. */
const shape = { pixels: 2, pairs: 2 } as const;

function packingOf(kernel: Kernel, objective: PackingObjective, target: CostTarget): Packing | undefined {
  const { weights } = kernel;
  if (weights === undefined || weights.format.kind !== 'dense' || weights.format.bits !== 8) return undefined;
  const terms = bestTerms(decodeRows(kernel), weights.layout);
  const lowered = packed(kernel, { ...shape, terms });
  if (lowered === undefined) return undefined;
  const saved = modelledInstructions(kernel, target) - modelledInstructions(lowered, target);
  const tableBytes = tableBytesOf(lowered);
  const grown = objective === 'speed' ? 0 : Math.max(0, tableBytes - tableBytesOf(kernel));
  return saved > worthAByte * grown ? { ...shape, terms, tableBytes } : undefined;
}

/**
 * The program with the packing of each kernel that gains from it.
 * @param target whose instructions are modelled
 */
export function withPacking(program: Program, objective: PackingObjective, target: CostTarget): Program {
  const chosen = new Map(
    kernelsOf(program).map((kernel) => {
      const packing = packingOf(kernel, objective, target);
      if (packing === undefined || kernel.weights === undefined) return [kernel, kernel];
      return [kernel, { ...kernel, weights: { ...kernel.weights, packing } }];
    }),
  );
  return {
    ...program,
    steps: program.steps.map((step) => ({ ...step, kernel: chosen.get(step.kernel) ?? step.kernel })),
  };
}
