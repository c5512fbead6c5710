/**
 * A program's kernels in all forms, with what of the C each kind of chip takes: by which of the instruction sets
 * that the program has variants for its compiler has.
 */
import { at, must } from '../base/errors.ts';
import type { Kernel, Table } from '../ir/kernel/kernel.ts';
import { type InstructionSet, instructionSets } from '../ir/kernel/primitive.ts';
import { arraysUsed } from '../ir/kernel/walk.ts';
import type { Program } from '../program/program.ts';
import { kernelsOf } from '../program/slots.ts';
import { formOn, setsOf, type Variant } from '../program/variants.ts';
import type { EmitInfo } from './info.ts';
import { usesMacro } from './instruction-sets.ts';

/** The instruction sets of a kind of chip. */
type Chip = ReadonlySet<InstructionSet>;

/** A function of the C in one of its forms. */
export interface Form {
  readonly kernel: Kernel;
  /** Absent: plain C. */
  readonly variant?: Variant;
}

export interface Forms {
  readonly program: Program;
  /** Those that there are variants for. */
  readonly sets: readonly InstructionSet[];
  readonly chips: readonly Chip[];
  /** By kernel, the plain one last. */
  readonly forms: ReadonlyMap<Kernel, readonly Form[]>;
  /** What each kind of chip runs, in the order of `chips`. */
  readonly running: readonly (readonly Kernel[])[];
  /** The tables that each form reads, in its order. */
  readonly tables: ReadonlyMap<Kernel, readonly Table[]>;
}

function tablesRead({ tables, body }: Kernel): readonly Table[] {
  const used = arraysUsed(body);
  return tables.filter(({ name }) => used.has(name));
}

const subsets = (sets: readonly InstructionSet[]): readonly Chip[] =>
  sets.reduce<readonly Chip[]>(
    (chips, set) => chips.concat(chips.map((chip) => new Set([...chip, set]))),
    [new Set()],
  );

export function formsOf(program: Program, { variants = new Map() }: Pick<EmitInfo, 'variants'>): Forms {
  const found = setsOf(variants);
  const sets = instructionSets.filter((set) => found.has(set));
  const chips = subsets(sets);
  const kernels = kernelsOf(program);
  const formsFor = (kernel: Kernel): readonly Form[] => [
    ...(variants.get(kernel) ?? []).map((variant) => ({ kernel: variant.kernel, variant })),
    { kernel },
  ];
  const forms = new Map(kernels.map((kernel) => [kernel, formsFor(kernel)]));
  return {
    program,
    sets,
    chips,
    forms,
    running: chips.map((chip) => kernels.map((kernel) => formOn(kernel, variants, chip))),
    tables: new Map([...forms.values()].flat().map(({ kernel }) => [kernel, tablesRead(kernel)])),
  };
}

/** Every kernel in every form. */
export const allKernels = ({ forms }: Forms): readonly Kernel[] =>
  [...forms.values()].flat().map(({ kernel }) => kernel);

/** By kind of chip, whether something is there. */
export type Where = readonly boolean[];

/** Where some kernel is run for which `test` holds. */
export const whereSome = ({ running }: Forms, test: (kernel: Kernel) => boolean): Where =>
  running.map((kernels) => kernels.some(test));

export const whereRuns = (forms: Forms, kernel: Kernel): Where => whereSome(forms, (one) => one === kernel);

export const tablesOf = ({ tables }: Forms, kernel: Kernel): readonly Table[] =>
  must(tables.get(kernel), `'${kernel.name}' is a form of a kernel`);

const whereRead = (forms: Forms, table: Table): Where =>
  whereSome(forms, (kernel) => tablesOf(forms, kernel).includes(table));

export const sameWhere = (a: Where, b: Where): boolean => a.every((there, i) => there === b[i]);

/** Conditions that each set is there, is not there, or may be: as text, and what they hold for. */
function termsOf({
  program,
  sets,
  chips,
}: Forms): readonly { readonly text: string; readonly holds: Where }[] {
  const empty = { parts: [] as readonly string[], holds: chips.map(() => true) as Where };
  const terms = sets.reduce(
    (found, set) =>
      found.flatMap((term) => [
        term,
        ...['', '!'].map((not) => ({
          parts: [...term.parts, `${not}defined(${usesMacro(program, set)})`],
          holds: term.holds.map((there, i) => there && chips[i]?.has(set) === (not === '')),
        })),
      ]),
    [empty],
  );
  return terms.map(({ parts, holds }) => ({ text: parts.join(' && '), holds }));
}

const inBrackets = (text: string): string => (text.includes('&&') ? `(${text})` : text);

/** What the preprocessor asks; empty where everything is taken. Shorter terms are taken before longer ones. */
export function conditionOf(forms: Forms, where: Where): string {
  const inside = termsOf(forms)
    .filter(({ holds }) => holds.every((there, i) => !there || where[i] === true))
    .sort((a, b) => a.text.length - b.text.length);
  const found: string[] = [];
  let covered: Where = where.map(() => false);
  for (const { text, holds } of inside) {
    if (holds.every((there, i) => !there || covered[i] === true)) continue;
    found.push(text);
    covered = covered.map((there, i) => there || holds[i] === true);
  }
  return found.length === 1 ? at(found, 0) : found.map(inBrackets).join(' || ');
}

/** The tables of a kernel that stand at one place. */
export interface TableGroup {
  /** The first form that reads them. */
  readonly kernel: Kernel;
  readonly where: Where;
  readonly tables: readonly Table[];
}

/** By kernel the tables that its forms read and that no kernel before it has, by where they are read. */
export function tableGroups(forms: Forms): ReadonlyMap<Kernel, readonly TableGroup[]> {
  const seen = new Set<Table>();
  const groupsFor = (each: readonly Form[]): readonly TableGroup[] => {
    const groups: TableGroup[] = [];
    // The plain form first: what it shares with others is its own.
    for (const { kernel } of [...each].reverse())
      for (const table of tablesOf(forms, kernel)) {
        if (seen.has(table)) continue;
        seen.add(table);
        const where = whereRead(forms, table);
        const at = groups.findIndex((group) => group.kernel === kernel && sameWhere(group.where, where));
        const old = groups[at];
        if (old === undefined) groups.push({ kernel, where, tables: [table] });
        else groups[at] = { ...old, tables: [...old.tables, table] };
      }
    return groups;
  };
  return new Map([...forms.forms].map(([kernel, each]) => [kernel, groupsFor(each)]));
}

/** The condition for a group's tables. The trace reads those of plain C on every chip. */
export function tablesCondition(forms: Forms, { kernel, where }: TableGroup): string {
  const condition = conditionOf(forms, where);
  if (condition === '' || !forms.forms.has(kernel)) return condition;
  const traced = `${forms.program.name.toUpperCase()}_TRACE`;
  return `${inBrackets(condition)} || (defined(${traced}) && ${traced} + 0 > 0)`;
}

/** Lines that are there under a condition; they end with an empty one, as all blocks of the C. */
export const guarded = (condition: string, lines: readonly string[]): readonly string[] =>
  condition === '' || lines.length === 0 ? lines : [`#if ${condition}`, ...lines, '#endif', ''];
