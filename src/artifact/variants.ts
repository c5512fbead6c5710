/** The forms of a program's kernels for chips with more instructions: bounded, and held to the plain ones. */
import { at, DefectError } from '../base/errors.ts';
import type { PrintedVariant } from '../emit/info.ts';
import type { Kernel } from '../ir/kernel/kernel.ts';
import { variantsOf } from '../lower/variants.ts';
import type { Outcome, Program } from '../program/program.ts';
import { programOn, setsOf } from '../program/variants.ts';
import { prove } from '../prove/prove.ts';
import { compareOutcomes, differenceText } from '../sim/difference.ts';
import { createSimulator } from '../sim/simulate.ts';

/** With the bounds of their locals. */
export const boundedVariants = (program: Program): ReadonlyMap<Kernel, readonly PrintedVariant[]> =>
  new Map(
    [...variantsOf(program)].map(([kernel, variants]) => [
      kernel,
      variants.map((variant) => ({ ...variant, ranges: prove(variant.kernel).ranges })),
    ]),
  );

/**
 * Runs each form under all of C's rules, and compares the arena after every step.
 * @param expected what the plain kernels make of the inputs, with arenas
 * @throws DefectError for other bytes, Trap for a broken rule
 */
export function checkVariants(
  program: Program,
  inputs: readonly Uint8Array[],
  expected: readonly Outcome[],
): void {
  const variants = variantsOf(program);
  for (const set of setsOf(variants)) {
    const simulator = createSimulator(programOn(program, variants, new Set([set])), { mode: 'checked' });
    inputs.forEach((input, i) => {
      const found = simulator.run(input, { keepArenas: true });
      const difference = compareOutcomes(program, at(expected, i), found);
      if (difference !== undefined)
        throw new DefectError(`${set}, input ${i}: ${differenceText(difference)}`);
    });
  }
}
