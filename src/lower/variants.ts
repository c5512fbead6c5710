/** Which kernels of a program have forms for chips with more instructions. */
import type { Kernel } from '../ir/kernel/kernel.ts';
import type { InstructionSet } from '../ir/kernel/primitive.ts';
import type { Program } from '../program/program.ts';
import { kernelsOf } from '../program/slots.ts';
import type { Variants } from '../program/variants.ts';
import { dspForm } from './dsp.ts';

/** A kernel that computes the same with such instructions; undefined where they do not help. */
type Lowering = (kernel: Kernel) => Kernel | undefined;

/** The best first: a chip with several sets takes the first that there is. */
const lowerings: readonly { readonly set: InstructionSet; readonly lower: Lowering }[] = [
  { set: 'dsp', lower: dspForm },
];

/** Of kernels that have any. */
export const variantsOf = (program: Program): Variants =>
  new Map(
    kernelsOf(program)
      .map((kernel) => {
        const found = lowerings.map(({ set, lower }) => ({ set, kernel: lower(kernel) }));
        return [
          kernel,
          found.flatMap(({ set, kernel: lowered }) =>
            lowered === undefined ? [] : [{ set, kernel: lowered }],
          ),
        ] as const;
      })
      .filter(([, variants]) => variants.length > 0),
  );
