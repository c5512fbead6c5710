/** `<name>.c`: tables, kernels, and the function that runs them. */

import { at, DefectError, must } from '../base/errors.ts';
import { elemBytes, type Kernel } from '../ir/kernel/kernel.ts';
import type { InstructionSet, Primitive, VectorPrimitive } from '../ir/kernel/primitive.ts';
import { anyPrimitive } from '../ir/kernel/prims/index.ts';
import type { Quant } from '../ir/kernel/stored.ts';
import { expressionsIn, primitivesUsed, statementsIn } from '../ir/kernel/walk.ts';
import type { Program, Slot, Step } from '../program/program.ts';
import { hasFloats, inputSlots, outputSlots, slotAt } from '../program/slots.ts';
import type { Arena } from './arena.ts';
import { copiesWords, type PrintOptions, printKernel, printPrimitive } from './c/kernel.ts';
import { comment, wrapCode } from './c/lines.ts';
import { neighbourMacros } from './c/neighbour-loads.ts';
import { accessesIn, printAccess } from './c/vector-access.ts';
import { constantMacros, hasInfinity, mathHeader, tablesText, weightsFile } from './constants.ts';
import { provenance } from './header.ts';
import type { EmitInfo } from './info.ts';
import { instructionMacros, stepMacro, usesMacro } from './instruction-sets.ts';
import { type FileNames, fileNames, namesIn } from './names.ts';
import { portStems, returnsOutput, runType, statusOr } from './port-names.ts';
import { placementMacros, prefixOf } from './prefix.ts';
import {
  allKernels,
  conditionOf,
  type Forms,
  formsOf,
  guarded,
  sameWhere,
  type TableGroup,
  tableGroups,
  tablesCondition,
  type Where,
  whereRuns,
  whereSome,
} from './printed-forms.ts';
import { realText } from './table-text.ts';
import { traceFile } from './trace-header.ts';

function namesInfinity(kernel: Kernel, hasTables: boolean): boolean {
  if (hasTables && kernel.tables.some(hasInfinity)) return true;
  for (const e of expressionsIn(kernel.body))
    if (e.kind === 'float' && !Number.isFinite(e.value)) return true;
  return false;
}

function usesLibrary(kernel: Kernel): boolean {
  for (const s of statementsIn(kernel.body)) if (s.kind === 'copy' || s.kind === 'fill') return true;
  return false;
}

/** Where the arithmetic is defined that comments name. */
const meanings =
  "The comment above a layer's function says what it computes; thimble's docs/numerics.md defines every operator's arithmetic. Images lie as height, width, channel.";

function includes(forms: Forms, { weightsFile: isApart = false }: EmitInfo): string[] {
  const { program } = forms;
  const kernels = allKernels(forms);
  return [
    `#include "${program.name}.h"`,
    ...(isApart ? [`#include "${weightsFile(program, 'h')}"`] : []),
    ...(kernels.some((kernel) => namesInfinity(kernel, !isApart)) ? [mathHeader] : []),
    ...(kernels.some(usesLibrary) ? ['#include <string.h>'] : []),
    '',
  ];
}

/**
 * What gcc does otherwise than its flags say. Its scheduler and predictive commoning load a whole unrolled step before
 * the first product, and spill: measured with gcc 12 -O3 on a 5x5 network of 6.6 M MAC, Cortex-M4 executes 20 % fewer
 * instructions without, RV32IMC 53 % fewer; in float32 Cortex-M4F 10 % fewer.
 */
function gccOptions(program: Program): string[] {
  const options = [
    'no-schedule-insns',
    'no-predictive-commoning',
    ...(hasFloats(program) ? ['fp-contract=off'] : []),
  ];
  return [
    '#if defined(__GNUC__) && !defined(__clang__)',
    `#pragma GCC optimize(${options.map((option) => `"${option}"`).join(', ')})`,
    '#endif',
    '',
  ];
}

/** What C leaves to the compiler and this code relies on. */
function assumptions(program: Program): string[] {
  const { name } = program;
  const contraction = [
    '#ifdef __clang__',
    '#pragma STDC FP_CONTRACT OFF /* no fused multiply-add */',
    '#endif',
    '',
  ];
  return [
    '#if (-1 >> 1) != -1',
    `#error "${name}.c needs a compiler whose >> of negative numbers is arithmetic"`,
    '#endif',
    '',
    ...(hasFloats(program) ? contraction : []),
    ...gccOptions(program),
  ];
}

/**
 * Each kernel is a function that the compiler knows nothing of where it calls it. Measured with gcc 12 -O3 on
 * LeNet-5: merged into one function, kernels share what registers there are and spill inside of their loops. Apart,
 * Cortex-M0 executes 33 % fewer instructions, Cortex-M4 27 %, RV32IMC 3 %. And gcc 12.2 -Os for Cortex-M0 frees a
 * kernel's stack by popping into r0 to r2, of which -fipa-ra then believes that they survived the call: the next
 * kernel gets a wrong pointer. noipa (gcc 8 and later) prevents both.
 */
function placement(forms: Forms, { weightsFile: isApart = false }: EmitInfo): string[] {
  const { program } = forms;
  const { kernel, code, copyTable, rolled } = placementMacros(program);
  return [
    ...comment([
      'Attributes and sections of functions and constants. Each macro may be defined on the command line.',
    ]),
    `#ifndef ${kernel} /* keeps each layer a function of its own: merged layers run out of registers */`,
    '#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8',
    `#define ${kernel} __attribute__((noipa)) /* also avoids a bug of gcc 12.2 -Os for Cortex-M0: -fipa-ra */`,
    '#elif defined(__GNUC__)',
    `#define ${kernel} __attribute__((noinline))`,
    '#else',
    `#define ${kernel}`,
    '#endif',
    '#endif',
    `#ifndef ${code} /* before each layer's function and ${program.name}_run: a section for hot code */`,
    `#define ${code}`,
    '#endif',
    ...(isApart ? [] : constantMacros(program)),
    ...(allKernels(forms).some(copiesTables) ? copyMacro(copyTable) : []),
    ...wordMacros(forms),
    ...(allKernels(forms).some(staysLoop) ? rolledMacro(rolled) : []),
    '',
  ];
}

const staysLoop = ({ body }: Kernel): boolean =>
  [...statementsIn(body)].some((s) => s.kind === 'for' && s.rolled === true);

/**
 * Written out, passes have weights that gcc knows, and on Cortex-M0 gcc 12 -O3 multiplies by these with shifts and
 * additions: LeNet-5's first convolution then takes twice as many instructions.
 */
const rolledMacro = (macro: string): string[] => [
  `#ifndef ${macro} /* before loops that are best not written out */`,
  '#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8',
  `#define ${macro} _Pragma("GCC unroll 1")`,
  '#else',
  `#define ${macro}`,
  '#endif',
  '#endif',
];

function copiesTables({ body, tables }: Kernel): boolean {
  const names = new Set(tables.map(({ name }) => name));
  for (const s of statementsIn(body)) {
    if (s.kind === 'pointer' && names.has(s.base)) names.add(s.name);
    if (s.kind === 'copy' && names.has(s.from)) return true;
  }
  return false;
}

/**
 * What copies and sets multiples of four bytes; not where code is to be small. Small C libraries copy bytes: picolibc's
 * memcpy for RV32IMC takes 6 instructions for each, and copies took 6 % of ResNet-8's. gcc replaces loops like these by
 * calls of memcpy and memset unless it is told not to.
 */
function wordMacros(forms: Forms): string[] {
  const { program } = forms;
  const { copy, fill } = placementMacros(program);
  const prefix = prefixOf(program);
  return allKernels(forms).some((kernel) => movesWords(program, kernel))
    ? [
        ...wordMacro(copy, 'memcpy', `${prefix}copy`, copyLines),
        ...wordMacro(fill, 'memset', `${prefix}fill`, fillLines),
      ]
    : [];
}

const movesWords = ({ aim }: Program, kernel: Kernel): boolean => aim !== 'flash' && copiesWords(kernel);

const copyLines = [
  '(void *to, const void *from, size_t bytes)',
  '{',
  '    if (((uintptr_t)to | (uintptr_t)from | bytes) % 4u != 0u) {',
  '        memcpy(to, from, bytes);',
  '        return;',
  '    }',
  '    uint8_t *words = (uint8_t *)__builtin_assume_aligned(to, 4);',
  '    const uint8_t *source = (const uint8_t *)__builtin_assume_aligned(from, 4);',
  '    for (; bytes >= 16u; bytes -= 16u, words += 16, source += 16) {',
  '        memcpy(words, source, 16u);',
  '    }',
  '    for (; bytes != 0u; bytes -= 4u, words += 4, source += 4) {',
  '        memcpy(words, source, 4u);',
  '    }',
  '}',
];

const fillLines = [
  '(void *to, int value, size_t bytes)',
  '{',
  '    if (((uintptr_t)to | bytes) % 4u != 0u) {',
  '        memset(to, value, bytes);',
  '        return;',
  '    }',
  '    uint8_t *words = (uint8_t *)__builtin_assume_aligned(to, 4);',
  '    uint32_t word = (uint8_t)value * UINT32_C(0x01010101);',
  '    for (; bytes != 0u; bytes -= 4u, words += 4) {',
  '        memcpy(words, &word, 4u);',
  '    }',
  '}',
];

const wordMacro = (macro: string, usual: string, name: string, lines: readonly string[]): string[] => [
  `#ifndef ${macro} /* ${usual} of multiples of four bytes */`,
  '#if defined(__GNUC__) && !defined(__clang__) && (defined(__riscv) || defined(__ARM_ARCH_6M__))',
  `#define ${macro} ${name}`,
  '/* A word at a time where all lies at multiples of four bytes: small C libraries go byte by byte. */',
  '__attribute__((noinline, unused, optimize("no-tree-loop-distribute-patterns")))',
  `static void ${name}${lines[0] ?? ''}`,
  ...lines.slice(1),
  '#else',
  `#define ${macro} ${usual}`,
  '#endif',
  '#endif',
];

const copyMacro = (macro: string): string[] => [
  `#ifndef ${macro} /* memcpy that reads constant arrays */`,
  '#ifdef __FLASH',
  '#include <avr/pgmspace.h>',
  `#define ${macro}(to, from, bytes) memcpy_P(to, (const void *)(from), bytes)`,
  '#else',
  `#define ${macro} memcpy`,
  '#endif',
  '#endif',
];

function hook({ name }: Program): string[] {
  const upper = name.toUpperCase();
  return [
    `#ifdef ${upper}_HOOK`,
    `void ${upper}_HOOK(const struct ${name} *net, int step);`,
    '#else',
    `#define ${upper}_HOOK(net, step) ((void)0)`,
    '#endif',
    '',
  ];
}

/** What the run calls around its steps: the hook alone, or the trace with the hook in it. */
function trace(program: Program): string[] {
  const upper = program.name.toUpperCase();
  return [
    `#if defined(${upper}_TRACE) && ${upper}_TRACE + 0 > 0`,
    `#include "${traceFile(program)}"`,
    '#else',
    `#define ${upper}_BEGIN() ${upper}_HOOK(net, -1)`,
    `#define ${upper}_AFTER(step) ${upper}_HOOK(net, step)`,
    '#endif',
    '',
  ];
}

/** The set that all chips of a kind have. */
const setOfAll = ({ chips, sets }: Forms, where: Where): InstructionSet | undefined =>
  sets.find((set) => chips.every((chip, i) => where[i] !== true || chip.has(set)));

/** With how a primitive is computed in the registers of Armv6-M, where that is another way. */
function eightRegisters(
  { program, sets }: Forms,
  primitive: Primitive | VectorPrimitive,
  text: string,
): readonly string[] {
  const hasOther = 'c99' in primitive && primitive.instructions?.v6m !== undefined;
  if (!sets.includes('v6m') || !hasOther) return [text];
  const small = printPrimitive(primitive, prefixOf(program), 'v6m');
  return [`#if defined(${usesMacro(program, 'v6m')})`, small, '#else', text, '#endif', ''];
}

function primitivesText(forms: Forms): string[] {
  const prefix = prefixOf(forms.program);
  const kernels = allKernels(forms);
  const used = new Set(kernels.flatMap((k) => [...primitivesUsed(k.body)]));
  const accesses = new Map(kernels.flatMap((k) => [...accessesIn(k.body)]));
  return [
    ...[...used].sort().flatMap((name) => {
      const where = whereSome(forms, (kernel) => primitivesUsed(kernel.body).has(name));
      const primitive = must(anyPrimitive(name), `a primitive is called '${name}'`);
      const text = printPrimitive(primitive, prefix, setOfAll(forms, where));
      return guarded(conditionOf(forms, where), eightRegisters(forms, primitive, text));
    }),
    ...[...accesses].flatMap(([name, node]) => {
      const where = whereSome(forms, (kernel) => accessesIn(kernel.body).has(name));
      return guarded(conditionOf(forms, where), [printAccess(node, prefix)]);
    }),
  ];
}

const neighbourMacroPrefix = ({ name }: Program): string => `${name.toUpperCase()}_`;

/** What each kernel's text takes from the program around it. */
function optionsFor({ program }: Forms, names: FileNames, kernel: Kernel): PrintOptions {
  const { kernel: apart, code, space, copyTable, copy, fill, rolled } = placementMacros(program);
  return {
    ...(movesWords(program, kernel) ? { copy, fill } : {}),
    ...namesIn(kernel, names),
    prefix: prefixOf(program),
    linkage: `static ${apart} ${code}`,
    space,
    copyTable,
    step: stepMacro(program),
    neighbours: neighbourMacroPrefix(program),
    rolled,
  };
}

/** Tables that other kernels use too stand above the first of them. */
function kernelsText(forms: Forms, names: FileNames, info: EmitInfo): string[] {
  const { program } = forms;
  return [...tableGroups(forms)].flatMap(([kernel, groups]) => {
    const options = { ...optionsFor(forms, names, kernel), says: gridWords(program, kernel) };
    const ranges = info.ranges?.get(kernel.name);
    const plain = printKernel(kernel, {
      ...options,
      ...(ranges === undefined ? {} : { ranges }),
    });
    const printed = info.weightsFile === true ? [] : groups;
    const variants = variantsText(forms, names, kernel, printed);
    const isOutside = (group: TableGroup): boolean => !variants.inside.has(group);
    const tables = printed
      .filter(isOutside)
      .flatMap((group) => guarded(tablesCondition(forms, group), tablesText(program, names, group, false)));
    return [
      ...tables,
      ...(variants.lines.length === 0 ? [plain] : [...variants.lines, '#else', plain, '#endif', '']),
    ];
  });
}

/** A kernel's forms for chips with more instructions, the best first, each with the tables that it alone reads. */
function variantsText(forms: Forms, names: FileNames, plain: Kernel, groups: readonly TableGroup[]) {
  const { program } = forms;
  const inside = new Set<TableGroup>();
  const lines = must(forms.forms.get(plain), 'a kernel has forms').flatMap(({ kernel, variant }, i) => {
    if (variant === undefined) return [];
    const where = whereRuns(forms, kernel);
    const own = groups.filter((group) => group.kernel === kernel && sameWhere(group.where, where));
    for (const group of own) inside.add(group);
    return [
      `#${i === 0 ? 'if' : 'elif'} defined(${usesMacro(program, variant.set)})`,
      ...own.flatMap((group) => tablesText(program, names, group, false)),
      printKernel(kernel, optionsFor(forms, names, kernel)),
    ];
  });
  return { lines, inside };
}

/** What the numbers of a kernel's arrays stand for, where they stand for real ones. */
function gridWords(program: Program, kernel: Kernel): string[] {
  const step = program.steps.find((step) => step.kernel === kernel);
  return kernel.params.flatMap(({ name, role }, i) => {
    const slot = slotAt(program, at(step?.args ?? [], i));
    return role === 'scratch' || slot.quant === undefined ? [] : [gridText(name, slot, slot.quant)];
  });
}

function gridText(param: string, { name }: Slot, { scale, zeroPoint, channels }: Quant): string {
  const list = (numbers: readonly number[]): string => numbers.map(realText).join(', ');
  const grid =
    channels === undefined
      ? `${realText(scale)} * (q - ${zeroPoint})`
      : `scale[c] * (q - zero[c]); scale ${list(channels.map((c) => c.scale))}; zero ${list(channels.map((c) => c.zeroPoint))}`;
  return `${param} is ${name}: real = ${grid}.`;
}

/** The bytes of the arena that a step's arrays are. */
const placesOf = (program: Program, { kernel, args }: Step): string =>
  args
    .map((index, i) => {
      const { address, length, elem } = slotAt(program, index);
      return `${at(kernel.params, i).name} ${address}..${address + length * elemBytes[elem] - 1}`;
    })
    .join(', ');

function callOf(step: Step, program: Program, arena: Arena, names: FileNames): string[] {
  const name = must(names.kernels.get(step.kernel), 'every kernel has a name');
  if (step.args.length !== step.kernel.params.length)
    throw new DefectError(`kernel '${name}' is called with ${step.args.length} arguments`);
  const args = step.args.map((index) => arena.pointer(slotAt(program, index)));
  return wrapCode(`    ${name}(${args.join(', ')});`);
}

/** The macro that is called with what a run relies on. */
function checks(program: Program): string[] {
  const { name } = program;
  const upper = name.toUpperCase();
  return [
    ...comment([
      `${name}_run passes what it relies on to this macro, for example with -include assert.h -D${upper}_ASSERT=assert.`,
    ]),
    `#if defined(${upper}_ASSERT) || defined(${upper}_STATUS)`,
    '#include <stddef.h>',
    `struct ${name}_aligned { /* a struct behind one byte shows its alignment */`,
    '    char byte;',
    `    struct ${name} net;`,
    '};',
    `#define ${upper}_ALIGNMENT offsetof(struct ${name}_aligned, net)`,
    '#endif',
    `#ifndef ${upper}_ASSERT`,
    `#define ${upper}_ASSERT(condition) ((void)0)`,
    '#endif',
    '',
  ];
}

/** Lines of the run before its first step. */
function entry({ name }: Program): string[] {
  const upper = name.toUpperCase();
  const rest = `(uintptr_t)net % ${upper}_ALIGNMENT`;
  return [
    `    ${upper}_ASSERT(net != NULL);`,
    `    ${upper}_ASSERT(${rest} == 0u);`,
    `#ifdef ${upper}_STATUS`,
    '    if (net == NULL) {',
    `        return ${upper}_NULL;`,
    '    }',
    `    if (${rest} != 0u) {`,
    `        return ${upper}_MISALIGNED;`,
    '    }',
    '#endif',
  ];
}

function runFunction(program: Program, arena: Arena, names: FileNames): string[] {
  const after = `    ${program.name.toUpperCase()}_AFTER`;
  const calls = program.steps.flatMap((step, i) => [
    ...callOf(step, program, arena, names),
    `${after}(${i});`,
  ]);
  const title =
    'The layers: number for the hook, function, nodes of the model; then the bytes of the arena that are its arrays.';
  const list = program.steps.flatMap((step, i) => [
    `  ${i}  ${step.kernel.name}: ${step.origin.join(', ')}`,
    `     ${placesOf(program, step)}`,
  ]);
  return [
    ...comment([title, ...list]),
    ...statusOr(program, ['int'], [runType(program).trimEnd()], `${placementMacros(program).code} `),
    `${program.name}_run(struct ${program.name} *net)`,
    '{',
    ...entry(program),
    `    ${program.name.toUpperCase()}_BEGIN();`,
    ...calls,
    ...statusOr(
      program,
      ['    return 0;'],
      returnsOutput(program) ? [`    return ${arena.pointer(at(outputSlots(program), 0))};`] : [],
    ),
    '}',
    '',
    ...outputsText(program, arena),
  ];
}

/** Functions that give a pointer to each output: one output has it where the run returns a status. */
function outputsText(program: Program, arena: Arena): string[] {
  const each = portStems(program, 'output').flatMap((stem, i) =>
    pointerFunction(
      `const ${stem}_t *${stem}(const struct ${program.name} *net)`,
      at(outputSlots(program), i),
      arena,
    ),
  );
  return returnsOutput(program) ? statusOr(program, each.slice(0, -1), []).concat('') : each;
}

const pointerFunction = (head: string, slot: Slot, arena: Arena): string[] => [
  head,
  '{',
  `    return ${arena.pointer(slot)};`,
  '}',
  '',
];

const inputFunctions = (program: Program, arena: Arena): string[] =>
  portStems(program, 'input').flatMap((stem, i) =>
    pointerFunction(`${stem}_t *${stem}(struct ${program.name} *net)`, at(inputSlots(program), i), arena),
  );

export function sourceFile(program: Program, arena: Arena, info: EmitInfo): string {
  const forms = formsOf(program, info);
  const names = fileNames(forms);
  const isApart = info.weightsFile === true;
  return [
    ...comment([...provenance(info), '', meanings]),
    ...includes(forms, info),
    ...assumptions(program),
    ...placement(forms, info),
    ...(isApart ? [] : instructionMacros(program, forms.sets)),
    ...checks(program),
    ...hook(program),
    ...primitivesText(forms),
    ...neighbourMacros(neighbourMacroPrefix(program), allKernels(forms)),
    ...kernelsText(forms, names, info),
    ...inputFunctions(program, arena),
    ...trace(program),
    ...runFunction(program, arena, names),
  ].join('\n');
}
