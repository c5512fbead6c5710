/**
 * The constant arrays of a network: in `<name>.c`, above the functions that read them, or in `<name>_weights.c`,
 * declared in `<name>_weights.h`.
 */
import { must } from '../base/errors.ts';
import type { Kernel, Table } from '../ir/kernel/kernel.ts';
import type { Program } from '../program/program.ts';
import { comment } from './c/lines.ts';
import { printTable, tableHead } from './c/tables.ts';
import { constantBytes, provenance } from './header.ts';
import type { EmitInfo } from './info.ts';
import { instructionMacros } from './instruction-sets.ts';
import { type FileNames, fileNames } from './names.ts';
import { placementMacros } from './prefix.ts';
import { formsOf, guarded, type TableGroup, tableGroups, tablesCondition } from './printed-forms.ts';
import { tableWords } from './table-text.ts';

/** A pointer into AVR's program memory has 16 bits; a little is left to the vectors and to others' constants. */
const flashReach = 60_000;

const tooFar = (program: Program): string =>
  `#error "${program.name}.c has ${constantBytes(program)} bytes of constants, of which AVR's __flash reaches ${flashReach}"`;

/** The macros that stand before constant arrays. */
export function constantMacros(program: Program): string[] {
  const { constant, space } = placementMacros(program);
  return [
    `#ifndef ${constant} /* before each constant array: a section for constants */`,
    `#define ${constant}`,
    '#endif',
    `#ifndef ${space} /* their address space: on AVR they stay in program memory */`,
    '#ifdef __FLASH',
    ...(constantBytes(program) > flashReach ? [tooFar(program)] : []),
    `#define ${space} __flash`,
    '#else',
    `#define ${space}`,
    '#endif',
    '#endif',
  ];
}

const optionsOf = (program: Program, names: FileNames, table: Table) => ({
  name: must(names.tables.get(table), 'every table has a name'),
  place: `${placementMacros(program).space} ${placementMacros(program).constant}`,
});

/** A variant has the origin of its kernel, whose name it has. */
const originOf = ({ steps }: Program, { name }: Kernel): readonly string[] =>
  steps.find((step) => step.kernel.name === name)?.origin ?? [];

/** Of weights that read raw pixels, why the model has other numbers. */
function pixelWords({ rawInput, inputs, steps }: Program, { weights, ...kernel }: Kernel, table: Table) {
  const [input] = inputs;
  const step = steps.find((one) => one.kernel.name === kernel.name);
  if (rawInput === undefined || input === undefined || table.name !== weights?.stream) return [];
  return step?.args.includes(input.slot) === true
    ? ["Real weights are the model's divided by std, because the input is raw pixels; the bias has the mean."]
    : [];
}

/** Tables with their comments. @param shared they are not `static` */
export const tablesText = (
  program: Program,
  names: FileNames,
  { kernel, tables }: TableGroup,
  shared: boolean,
): string[] =>
  tables.flatMap((table) => [
    ...comment([
      ...tableWords(kernel, table, originOf(program, kernel)),
      ...pixelWords(program, kernel, table),
    ]),
    printTable(table, { ...optionsOf(program, names, table), shared }),
  ]);

export const hasInfinity = ({ elem, data }: Table): boolean => elem === 'f32' && !data.every(Number.isFinite);

export const mathHeader = '#include <math.h> /* INFINITY */';

export const weightsFile = ({ name }: Program, end: 'c' | 'h'): string => `${name}_weights.${end}`;

/** `<name>_weights.h`: what `<name>.c` and `<name>_weights.c` agree on. */
function declarations(program: Program, info: EmitInfo): string {
  const { name } = program;
  const guard = `${name.toUpperCase()}_WEIGHTS_H`;
  const forms = formsOf(program, info);
  const names = fileNames(forms);
  const declared = (group: TableGroup): readonly string[] =>
    guarded(
      tablesCondition(forms, group),
      group.tables.map((table) => `extern ${tableHead(table, optionsOf(program, names, table))};`),
    );
  return [
    ...comment([
      ...provenance(info),
      '',
      `The constant arrays of ${name}.c. Only ${name}.c and ${weightsFile(program, 'c')} include this file.`,
    ]),
    `#ifndef ${guard}`,
    `#define ${guard}`,
    '',
    '#include <stdint.h>',
    '',
    ...constantMacros(program),
    '',
    ...instructionMacros(program, forms.sets),
    '#ifdef __cplusplus',
    'extern "C" {',
    '#endif',
    '',
    ...[...tableGroups(forms).values()].flat().flatMap(declared),
    '',
    '#ifdef __cplusplus',
    '}',
    '#endif',
    '',
    '#endif',
    '',
  ].join('\n');
}

/** `<name>_weights.c`: the arrays themselves. */
function definitions(program: Program, info: EmitInfo): string {
  const forms = formsOf(program, info);
  const names = fileNames(forms);
  const each = [...tableGroups(forms).values()].flat();
  return [
    ...comment(provenance(info)),
    `#include "${weightsFile(program, 'h')}"`,
    ...(each.some(({ tables }) => tables.some(hasInfinity)) ? [mathHeader] : []),
    '',
    ...each.flatMap((one) => guarded(tablesCondition(forms, one), tablesText(program, names, one, true))),
  ].join('\n');
}

type FileText = readonly [name: string, text: string];

/** What is compiled beside `<name>.c`, and what both include. */
export const weightsFiles = (
  program: Program,
  info: EmitInfo,
): { readonly sources: readonly FileText[]; readonly parts: readonly FileText[] } => ({
  sources: [[weightsFile(program, 'c'), definitions(program, info)]],
  parts: [[weightsFile(program, 'h'), declarations(program, info)]],
});
