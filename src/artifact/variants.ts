/** The forms of a program's kernels that C has, held to the program. */
import { at, DefectError, must } from '../base/errors.ts';
import type { EmitInfo } from '../emit/info.ts';
import type { Interval } from '../ir/kernel/interval.ts';
import type { Kernel, Table } from '../ir/kernel/kernel.ts';
import { instructionSets } from '../ir/kernel/primitive.ts';
import { plainProgram, variantsOf } from '../lower/variants.ts';
import { rangeOfRows, readBytes } from '../program/byte-rows.ts';
import { readPacked } from '../program/paired-rows.ts';
import type { Outcome, Program } from '../program/program.ts';
import { programOn, setsOf, type Variant } from '../program/variants.ts';
import { proveForm } from '../prove/lowered.ts';
import type { Facts, Rules } from '../prove/prove.ts';
import { compareOutcomes, differenceText } from '../sim/difference.ts';
import { createSimulator } from '../sim/simulate.ts';

/** `packed`: of every compiler, with two rows of weights a product. */
export const formNames = ['packed', ...instructionSets] as const;

/** A form of a kernel, and what of it could not be proved for all inputs. */
export interface ProvedForm {
  readonly kernel: string;
  readonly form: (typeof formNames)[number];
  readonly unproven: readonly string[];
}

/** Whether the C has it: what is not proved is left out where there is another form. */
export const isPrinted = ({ form, unproven }: ProvedForm): boolean =>
  form === 'packed' || unproven.length === 0;

/** What C is printed from: the plain program, the forms of its kernels, and the bounds of locals. */
export type Printed = Required<Pick<EmitInfo, 'variants' | 'ranges'>> & {
  readonly program: Program;
  /** Forms for some chips that are not proved are not among the variants: these chips run another form. */
  readonly proved: readonly ProvedForm[];
};

/**
 * Proves each form with the tables that the C gets.
 * @param facts of the program's own kernels
 * @param found its kernels' forms
 * @throws DefectError for a form of every compiler that breaks a rule: there is no other one, and its bounds are chosen
 * so that they hold
 */
export function printedOf(program: Program, facts: Facts, found = variantsOf(program)): Printed {
  const plain = plainProgram(program);
  const kernels = new Map(program.steps.map(({ kernel }, i) => [kernel, at(plain.steps, i).kernel]));
  const proved: ProvedForm[] = [];
  const variants = new Map<Kernel, readonly Variant[]>();
  for (const [kernel, form] of kernels) {
    if (form !== kernel) proved.push(provedPacked(kernel, form));
    const sure = (found.get(kernel) ?? []).filter((variant) => {
      const own = variant.kernel === kernel ? facts.get(kernel) : undefined;
      const one = provedVariant(kernel, variant, own);
      proved.push(one);
      return isPrinted(one);
    });
    if (sure.length > 0) variants.set(form, withSharedTables(form, sure));
  }
  const ranges = [...kernels].flatMap(([kernel, form]) => {
    const known = form === kernel ? facts.get(kernel) : undefined;
    return known === undefined ? [] : [[form.name, known.ranges] as const];
  });
  return { program: plain, variants, ranges: new Map(ranges), proved };
}

/** Tables that are alike in several forms of a kernel become one, which C then has once. */
function withSharedTables({ tables }: Kernel, variants: readonly Variant[]): readonly Variant[] {
  const known = [...tables];
  const shared = (table: Table): Table => {
    const same = known.find((one) => areAlike(one, table));
    if (same === undefined) known.push(table);
    return same ?? table;
  };
  return variants.map((variant) => {
    const own = variant.kernel.tables.map(shared);
    const isSame = own.every((table) => variant.kernel.tables.includes(table));
    return isSame ? variant : { ...variant, kernel: { ...variant.kernel, tables: own } };
  });
}

function areAlike({ data: a, ...one }: Table, { data: b, ...other }: Table): boolean {
  return (
    a.length === b.length &&
    JSON.stringify(one) === JSON.stringify(other) &&
    Array.prototype.every.call(a, (x, i) => Object.is(x, b[i]))
  );
}

const whyOf = ({ unproven }: Rules): readonly string[] => [...new Set(unproven.map(({ why }) => why))];

function provedPacked({ name, weights }: Kernel, form: Kernel): ProvedForm {
  const packing = must(weights?.packing, 'a kernel with another plain form is packed');
  const facts = proveForm(form, readPacked(form, must(weights, 'weights').layout, packing).sums);
  const [why] = whyOf(facts);
  if (facts.complete && why !== undefined) throw new DefectError(`'${name}', two weights at a time: ${why}`);
  return { kernel: name, form: 'packed', unproven: whyOf(facts) };
}

/** @param known what holds of the form, where that is the kernel itself */
function provedVariant(kernel: Kernel, variant: Variant, known: Rules | undefined): ProvedForm {
  const facts = known ?? proveForm(variant.kernel, sumsOf(kernel, variant));
  return { kernel: kernel.name, form: variant.set, unproven: whyOf(facts) };
}

/** Where sums of rows lie, by the tables that the form has; undefined: its code does not say it. */
function sumsOf({ weights }: Kernel, { kernel: form, packing, bytes }: Variant): Interval | undefined {
  if (weights === undefined) return undefined;
  const { layout } = weights;
  if (bytes !== undefined) return rangeOfRows(readBytes(form, layout, bytes));
  return packing === undefined ? undefined : readPacked(form, layout, packing).sums;
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
