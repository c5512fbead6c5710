/** The forms of a program's kernels that C has: bounded, and held to the program. */
import { at, DefectError } from '../base/errors.ts';
import type { Interval } from '../ir/kernel/interval.ts';
import { plainProgram, variantsOf } from '../lower/variants.ts';
import type { Outcome, Program } from '../program/program.ts';
import { programOn, setsOf, type Variants } from '../program/variants.ts';
import { type Facts, prove } from '../prove/prove.ts';
import { compareOutcomes, differenceText } from '../sim/difference.ts';
import { createSimulator } from '../sim/simulate.ts';

/** What C is printed from: the plain program, the forms of its kernels, and the bounds of all their locals. */
export interface Printed {
  readonly program: Program;
  readonly variants: Variants;
  /** By name of a plain kernel. */
  readonly ranges: ReadonlyMap<string, ReadonlyMap<string, Interval>>;
}

/** @param facts of the program's own kernels */
export function printedOf(program: Program, facts: Facts): Printed {
  const plain = plainProgram(program);
  const variants = variantsOf(program);
  const bounded = program.steps.map(({ kernel }, i) => {
    const form = at(plain.steps, i).kernel;
    const forms = variants.get(kernel) ?? [];
    return {
      form,
      forms,
      ranges: (form === kernel ? (facts.get(kernel) ?? prove(kernel)) : prove(form)).ranges,
    };
  });
  return {
    program: plain,
    variants: new Map(bounded.flatMap((b) => (b.forms.length > 0 ? [[b.form, b.forms] as const] : []))),
    ranges: new Map(bounded.map((b) => [b.form.name, b.ranges])),
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
