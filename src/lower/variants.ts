/** The forms of a program's kernels: what every compiler takes, and forms for chips with more instructions. */
import { must } from '../base/errors.ts';
import type { Kernel, PackedSet, Packing, Quads } from '../ir/kernel/kernel.ts';
import { type InstructionSet, instructionSets } from '../ir/kernel/primitive.ts';
import { tableLength } from '../ir/kernel/table-bytes.ts';
import type { Aim, Program } from '../program/program.ts';
import { kernelsOf } from '../program/slots.ts';
import type { Variant, Variants } from '../program/variants.ts';
import { dspForm } from './dsp.ts';
import { heliumForm } from './helium.ts';
import { packed } from './packed.ts';
import { quads } from './quads.ts';

/** A kernel that computes the same with such instructions; undefined where they do not help. */
type Lowering = (kernel: Kernel, aim: Exclude<Aim, 'flash'> | undefined) => Form | undefined;
type Form = Omit<Variant, 'set'>;

const lowerings: Readonly<Record<InstructionSet, Lowering>> = {
  mve: heliumForm,
  dsp: dspForm,
  v6m: packedOn('v6m'),
  rv32: packedOn('rv32'),
};

/** Where that is not what every compiler takes: with other pairs of rows, or one row at a time. */
function packedOn(set: PackedSet): Lowering {
  return (kernel) => {
    const packing = kernel.weights?.packings?.[set];
    if (packing === undefined) return undefined;
    return packing === 'none' ? { kernel } : { kernel: packedAs(kernel, packing), packing };
  };
}

const packedAs = (kernel: Kernel, packing: Packing | Quads): Kernel =>
  must(
    'words' in packing ? quads(kernel, packing) : packed(kernel, packing),
    'a packing is of rows that can be packed',
  );

const bytesOf = ({ tables }: Kernel): number => tables.reduce((sum, table) => sum + tableLength(table), 0);

/** A kernel's form for these instructions, of a program with this aim. */
export function formWith(kernel: Kernel, set: InstructionSet, aim: Aim | undefined): Form | undefined {
  if (aim === 'flash') return undefined;
  const form = lowerings[set](kernel, aim);
  const grows = form !== undefined && bytesOf(form.kernel) > bytesOf(kernel);
  return aim === 'tables' && grows ? undefined : form;
}

const known = new WeakMap<Program, Variants>();

/** Of kernels that have any. The best first: a chip with several sets takes the first that there is. */
export function variantsOf(program: Program): Variants {
  const found = known.get(program) ?? variantsFor(program);
  known.set(program, found);
  return found;
}

const variantsFor = (program: Program): Variants =>
  new Map(
    kernelsOf(program)
      .map((kernel) => {
        const found = instructionSets.flatMap((set): readonly Variant[] => {
          const form = formWith(kernel, set, program.aim);
          return form === undefined ? [] : [{ set, ...form }];
        });
        return [kernel, found] as const;
      })
      .filter(([, variants]) => variants.length > 0),
  );

/** A kernel as plain C has it: with several rows of weights a product where it says so. */
export function plainForm(kernel: Kernel): Kernel {
  const packing = kernel.weights?.packing;
  return packing === undefined ? kernel : packedAs(kernel, packing);
}

/** The program that plain C is printed from. A kernel of several steps stays one. */
export function plainProgram(program: Program): Program {
  const forms = new Map(kernelsOf(program).map((kernel) => [kernel, plainForm(kernel)]));
  return {
    ...program,
    steps: program.steps.map((step) => ({ ...step, kernel: must(forms.get(step.kernel), 'every kernel') })),
  };
}
