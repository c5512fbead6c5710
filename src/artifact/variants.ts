/** The forms of a program's kernels that C has, held to the program. */
import { at, DefectError } from '../base/errors.ts';
import type { EmitInfo } from '../emit/info.ts';
import { plainProgram, variantsOf } from '../lower/variants.ts';
import type { Outcome, Program } from '../program/program.ts';
import { programOn, setsOf } from '../program/variants.ts';
import type { Facts } from '../prove/prove.ts';
import { compareOutcomes, differenceText } from '../sim/difference.ts';
import { createSimulator } from '../sim/simulate.ts';

/** What C is printed from: the plain program, the forms of its kernels, and the bounds of locals. */
export type Printed = Required<Pick<EmitInfo, 'variants' | 'ranges'>> & { readonly program: Program };

/** @param facts of the program's own kernels: those of weights two at a time hold by the certificate */
export function printedOf(program: Program, facts: Facts): Printed {
  const plain = plainProgram(program);
  const variants = variantsOf(program);
  const kernels = program.steps.map(({ kernel }, i) => ({ kernel, form: at(plain.steps, i).kernel }));
  return {
    program: plain,
    variants: new Map(
      kernels.flatMap(({ kernel, form }) => {
        const forms = variants.get(kernel);
        return forms === undefined ? [] : [[form, forms] as const];
      }),
    ),
    ranges: new Map(
      kernels.flatMap(({ kernel, form }) => {
        const known = form === kernel ? facts.get(kernel) : undefined;
        return known === undefined ? [] : [[form.name, known.ranges] as const];
      }),
    ),
  };
}

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
  const forms = [
    ...(program.steps.some(({ kernel }) => kernel.weights?.packing !== undefined)
      ? [{ what: 'packed weights', form: plainProgram(program) }]
      : []),
    ...[...setsOf(variants)].map((set) => ({
      what: set,
      form: programOn(program, variants, new Set([set])),
    })),
  ];
  for (const { what, form } of forms) {
    const simulator = createSimulator(form, { mode: 'checked' });
    inputs.forEach((input, i) => {
      const found = simulator.run(input, { keepArenas: true });
      const difference = compareOutcomes(program, at(expected, i), found);
      if (difference !== undefined)
        throw new DefectError(`${what}, input ${i}: ${differenceText(difference)}`);
    });
  }
}
