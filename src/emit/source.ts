/** `<name>.c`: tables, kernels, and the function that runs them. */

import { at, DefectError, must } from '../base/errors.ts';
import type { Kernel } from '../ir/kernel/kernel.ts';
import { primitiveOf } from '../ir/kernel/prims/index.ts';
import { arraysUsed, expressionsIn, primitivesUsed, statementsIn } from '../ir/kernel/walk.ts';
import type { Program, Slot, Step } from '../program/program.ts';
import { hasFloats, inputSlots, kernelsOf, outputSlots, slotAt } from '../program/slots.ts';
import type { Arena } from './arena.ts';
import { printKernel, printPrimitive } from './c/kernel.ts';
import { comment, wrapCode } from './c/lines.ts';
import { printTable } from './c/tables.ts';
import { dspHelpers, dspMacro, usesDsp } from './dsp.ts';
import { constantBytes, provenance } from './header.ts';
import type { EmitInfo } from './info.ts';
import { type FileNames, fileNames, namesIn } from './names.ts';
import { outputFunctions, portStems, returnsOutput, runType } from './port-names.ts';
import { placementMacros, prefixOf } from './prefix.ts';
import { tableWords } from './table-text.ts';
import { traceFile } from './trace-header.ts';

function hasInfinity(kernel: Kernel): boolean {
  const tables = kernel.tables.some((t) => t.elem === 'f32' && !t.data.every(Number.isFinite));
  if (tables) return true;
  for (const e of expressionsIn(kernel.body))
    if (e.kind === 'float' && !Number.isFinite(e.value)) return true;
  return false;
}

function usesLibrary(kernel: Kernel): boolean {
  for (const s of statementsIn(kernel.body)) if (s.kind === 'copy' || s.kind === 'fill') return true;
  return false;
}

function includes(program: Program): string[] {
  const kernels = kernelsOf(program);
  return [
    `#include "${program.name}.h"`,
    ...(kernels.some(hasInfinity) ? ['#include <math.h> /* INFINITY */'] : []),
    ...(kernels.some(usesLibrary) ? ['#include <string.h>'] : []),
    '',
  ];
}

/** What C leaves to the compiler and this code relies on. gcc has only the command line for contraction. */
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
  ];
}

/**
 * Each kernel is a function that the compiler knows nothing of where it calls it. Measured with gcc 12 -O3 on
 * LeNet-5: merged into one function, kernels share what registers there are and spill inside of their loops. Apart,
 * Cortex-M0 executes 33 % fewer instructions, Cortex-M4 27 %, RV32IMC 3 %. And gcc 12.2 -Os for Cortex-M0 frees a
 * kernel's stack by popping into r0 to r2, of which -fipa-ra then believes that they survived the call: the next
 * kernel gets a wrong pointer. noipa (gcc 8 and later) prevents both.
 */
function placement(program: Program): string[] {
  const { kernel, code, constant, space, copyTable } = placementMacros(program);
  return [
    ...comment([
      'Where things lie and how they are called; define any of these on the command line to choose otherwise.',
    ]),
    `#ifndef ${kernel} /* each layer stays a function: merged, they would spill registers */`,
    '#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 8',
    `#define ${kernel} __attribute__((noipa)) /* gcc 12.2's -fipa-ra is wrong at -Os on Cortex-M0 */`,
    '#elif defined(__GNUC__)',
    `#define ${kernel} __attribute__((noinline))`,
    '#else',
    `#define ${kernel}`,
    '#endif',
    '#endif',
    `#ifndef ${code} /* before each layer's function and ${program.name}_run: a section for hot code */`,
    `#define ${code}`,
    '#endif',
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
    ...(kernelsOf(program).some(copiesTables) ? copyMacro(copyTable) : []),
    '',
  ];
}

/** A pointer into AVR's program memory has 16 bits; a little is left to the vectors and to others' constants. */
const flashReach = 60_000;

const tooFar = (program: Program): string =>
  `#error "${program.name}.c has ${constantBytes(program)} bytes of constants, of which AVR's __flash reaches ${flashReach}"`;

function copiesTables({ body, tables }: Kernel): boolean {
  const names = new Set(tables.map(({ name }) => name));
  for (const s of statementsIn(body)) {
    if (s.kind === 'pointer' && names.has(s.base)) names.add(s.name);
    if (s.kind === 'copy' && names.has(s.from)) return true;
  }
  return false;
}

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

function primitivesText(program: Program): string[] {
  const used = new Set(kernelsOf(program).flatMap((k) => [...primitivesUsed(k.body)]));
  return [...used].sort().map((name) => printPrimitive(primitiveOf(name), prefixOf(program)));
}

/** Tables that other kernels use too stand above the first of them. */
function kernelsText(program: Program, names: FileNames, info: EmitInfo): string[] {
  const printed = new Set<unknown>();
  return kernelsOf(program).flatMap((kernel) => {
    const used = arraysUsed(kernel.body);
    const own = kernel.tables.filter((t) => used.has(t.name) && !printed.has(t));
    for (const table of own) printed.add(table);
    const ranges = info.ranges?.get(kernel.name);
    const { kernel: apart, code, constant, space, copyTable } = placementMacros(program);
    const options = {
      ...namesIn(kernel, names),
      prefix: prefixOf(program),
      linkage: `static ${apart} ${code}`,
      space,
      copyTable,
      dsp: dspMacro(program),
      ...(ranges === undefined ? {} : { ranges }),
    };
    const tables = own.flatMap((t) => [
      ...comment(tableWords(kernel, t)),
      printTable(t, { name: names.tables.get(t), place: `${space} ${constant}` }),
    ]);
    return [...tables, printKernel(kernel, options)];
  });
}

function callOf(step: Step, program: Program, arena: Arena, names: FileNames): string[] {
  const name = must(names.kernels.get(step.kernel), 'every kernel has a name');
  if (step.args.length !== step.kernel.params.length)
    throw new DefectError(`kernel '${name}' is called with ${step.args.length} arguments`);
  const args = step.args.map((index) => arena.pointer(slotAt(program, index)));
  return wrapCode(`    ${name}(${args.join(', ')});`);
}

function runFunction(program: Program, arena: Arena, names: FileNames): string[] {
  const after = `    ${program.name.toUpperCase()}_AFTER`;
  const calls = program.steps.flatMap((step, i) => [
    ...callOf(step, program, arena, names),
    `${after}(${i});`,
  ]);
  const title = 'Layer by layer: the number for the hook, the function, and what it stands for in the model.';
  const list = program.steps.map((step, i) => `  ${i}  ${step.kernel.name}: ${step.origin.join(', ')}`);
  return [
    ...comment([title, ...list]),
    `${placementMacros(program).code} ${runType(program)}${program.name}_run(struct ${program.name} *net)`,
    '{',
    `    ${program.name.toUpperCase()}_BEGIN();`,
    ...calls,
    ...(returnsOutput(program) ? [`    return ${arena.pointer(at(outputSlots(program), 0))};`] : []),
    '}',
    '',
    ...outputFunctions(program).flatMap((stem, i) =>
      pointerFunction(
        `const ${stem}_t *${stem}(const struct ${program.name} *net)`,
        at(outputSlots(program), i),
        arena,
      ),
    ),
  ];
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
  const names = fileNames(program);
  return [
    ...comment(provenance(info)),
    ...includes(program),
    ...assumptions(program),
    ...placement(program),
    ...hook(program),
    ...primitivesText(program),
    ...(usesDsp(program) ? dspHelpers(program) : []),
    ...kernelsText(program, names, info),
    ...inputFunctions(program, arena),
    ...trace(program),
    ...runFunction(program, arena, names),
  ].join('\n');
}
