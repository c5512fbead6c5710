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
import { provenance } from './header.ts';
import type { EmitInfo } from './info.ts';
import { type FileNames, fileNames, namesIn } from './names.ts';
import { outputFunctions, portStems, returnsOutput, runType } from './port-names.ts';
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
  const { name, arith } = program;
  const contraction = [
    '#ifdef __clang__',
    '#pragma STDC FP_CONTRACT OFF /* no fused multiply-add */',
    '#endif',
    '',
  ];
  // Measured with gcc 12 -O3 on a 5x5 network of 6.6 M MAC: with its scheduler and predictive commoning gcc
  // loads a whole unrolled step before the first product and spills; without, Cortex-M4 executes 20 % fewer
  // instructions, RV32IMC 53 % fewer. Float kernels have registers enough and gain from both.
  const registers = arith === 'float32' ? [] : ['no-schedule-insns', 'no-predictive-commoning'];
  // gcc 12 -Os for Cortex-M0 frees a kernel's stack by popping into r0 to r2, and -fipa-ra then believes that
  // the caller's r0 survived the call: the next function gets a wrong pointer.
  const optimizations = [...registers, 'no-ipa-ra'].map((name) => `"${name}"`).join(', ');
  const pragma = [
    '#if defined(__GNUC__) && !defined(__clang__)',
    `#pragma GCC optimize(${optimizations}) /* ${arith === 'float32' ? '' : 'the first two would spill registers, '}ipa-ra is wrong at -Os on Cortex-M0 */`,
    '#endif',
    '',
  ];
  return [
    ...(hasFloats(program) ? contraction : []),
    ...pragma,
    ...comment(['Does not compile unless >> of negative numbers is arithmetic and int has 32 bits.']),
    `typedef char ${name}_c_is_as_expected[(-1 >> 1) == -1 && sizeof(int) >= 4 ? 1 : -1];`,
    '',
  ];
}

const kernelMacro = ({ name }: Program): string => `${name.toUpperCase()}_KERNEL`;

/**
 * Measured with gcc 12 -O3 on LeNet-5: merged into one function, kernels share what registers there are and
 * spill inside of their loops. Apart, Cortex-M0 executes 33 % fewer instructions, Cortex-M4 27 %, RV32IMC 3 %.
 */
function apart(program: Program): string[] {
  const macro = kernelMacro(program);
  return [
    '#ifdef __GNUC__',
    `#define ${macro} static __attribute__((noinline)) /* together they would spill registers */`,
    '#else',
    `#define ${macro} static`,
    '#endif',
    '',
  ];
}

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
  return [...used].sort().map((name) => printPrimitive(primitiveOf(name)));
}

/** Tables that other kernels use too stand above the first of them. */
function kernelsText(program: Program, names: FileNames, info: EmitInfo): string[] {
  const printed = new Set<unknown>();
  return kernelsOf(program).flatMap((kernel) => {
    const used = arraysUsed(kernel.body);
    const own = kernel.tables.filter((t) => used.has(t.name) && !printed.has(t));
    for (const table of own) printed.add(table);
    const ranges = info.ranges?.get(kernel.name);
    const options = {
      ...namesIn(kernel, names),
      linkage: kernelMacro(program),
      dsp: dspMacro(program),
      ...(ranges === undefined ? {} : { ranges }),
    };
    return [...own.map((t) => printTable(t, names.tables.get(t))), printKernel(kernel, options)];
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
    `${runType(program)}${program.name}_run(struct ${program.name} *net)`,
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
    ...apart(program),
    ...hook(program),
    ...primitivesText(program),
    ...(usesDsp(program) ? dspHelpers(program) : []),
    ...kernelsText(program, names, info),
    ...inputFunctions(program, arena),
    ...trace(program),
    ...runFunction(program, arena, names),
  ].join('\n');
}
