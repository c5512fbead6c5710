/** The forms of a program's kernels: what every compiler takes, and forms for chips with more instructions. */
import { must } from '../base/errors.ts';
import type { Kernel } from '../ir/kernel/kernel.ts';
import type { InstructionSet } from '../ir/kernel/primitive.ts';
import type { Aim, Program } from '../program/program.ts';
import { kernelsOf } from '../program/slots.ts';
import type { Variant, Variants } from '../program/variants.ts';
import { dspForm } from './dsp.ts';
import { helium } from './helium.ts';
import { packed } from './packed.ts';

/** A kernel that computes the same with such instructions; undefined where they do not help. */
type Lowering = (kernel: Kernel, aim: Aim | undefined) => Omit<Variant, 'set'> | undefined;

const alone = (kernel: Kernel | undefined) => kernel && { kernel };

/** The best first: a chip with several sets takes the first that there is. */
const lowerings: readonly { readonly set: InstructionSet; readonly lower: Lowering }[] = [
  { set: 'mve', lower: (kernel) => alone(helium(kernel)) },
  { set: 'dsp', lower: dspForm },
  { set: 'v6m', lower: (kernel) => alone(formV6m(kernel)) },
];

const known = new WeakMap<Program, Variants>();

/** Of kernels that have any. */
export function variantsOf(program: Program): Variants {
  const found = known.get(program) ?? variantsFor(program);
  known.set(program, found);
  return found;
}

const variantsFor = (program: Program): Variants =>
  new Map(
    kernelsOf(program)
      .map((kernel) => {
        const found = lowerings.flatMap(({ set, lower }): readonly Variant[] => {
          const form = lower(kernel, program.aim);
          return form === undefined ? [] : [{ set, ...form }];
        });
        return [kernel, found] as const;
      })
      .filter(([, variants]) => variants.length > 0),
  );

/** For Armv6-M, where that is not what every compiler takes. */
export function formV6m(kernel: Kernel): Kernel | undefined {
  const packing = kernel.weights?.packingV6m;
  if (packing === undefined || packing === 'none') return packing === undefined ? undefined : kernel;
  return packed(kernel, packing);
}

/** A kernel as plain C has it: with two rows of weights a product where it says so. */
export function plainForm(kernel: Kernel): Kernel {
  const packing = kernel.weights?.packing;
  return packing === undefined
    ? kernel
    : must(packed(kernel, packing), 'a packing is of rows that can be packed');
}

/** The program that plain C is printed from. A kernel of several steps stays one. */
export function plainProgram(program: Program): Program {
  const forms = new Map(kernelsOf(program).map((kernel) => [kernel, plainForm(kernel)]));
  return {
    ...program,
    steps: program.steps.map((step) => ({ ...step, kernel: must(forms.get(step.kernel), 'every kernel') })),
  };
}
