/** Which macros of the C say that a chip has more instructions, and when the preprocessor defines them. */
import { type InstructionSet, instructionSets } from '../ir/kernel/primitive.ts';
import type { Form } from '../program/measured.ts';
import type { Program } from '../program/program.ts';
import { setsOf } from '../program/variants.ts';
import type { EmitInfo } from './info.ts';

type Named = Pick<Program, 'name'>;

/** Defined in the C where such instructions are used. */
export const usesMacro = ({ name }: Named, set: InstructionSet): string =>
  `${name.toUpperCase()}_USES_${set.toUpperCase()}`;

/** The user defines it to leave them out. */
export const withoutMacro = ({ name }: Named, set: InstructionSet): string =>
  `${name.toUpperCase()}_NO_${set.toUpperCase()}`;

const littleEndian = '!defined(__ARM_BIG_ENDIAN)';

/**
 * What the compiler has to define. ARMv5TE has __ARM_FEATURE_DSP and no dual multiplications: __ARM_FEATURE_SIMD32 says
 * that they are there. Where words may not be accessed at any address (-mno-unaligned-access, clang's default without
 * an operating system), four bytes are four loads and plain C is faster.
 */
const features: Readonly<Record<InstructionSet, readonly string[]>> = {
  mve: ['defined(__ARM_FEATURE_MVE)', '(__ARM_FEATURE_MVE & 1)', littleEndian],
  dsp: [
    ...['defined(__ARM_FEATURE_DSP)', 'defined(__ARM_FEATURE_SIMD32)'],
    ...['defined(__ARM_FEATURE_UNALIGNED)', littleEndian],
  ],
  v6m: ['defined(__ARM_ARCH_6M__)', littleEndian],
  // RV32E has half of the registers.
  rv32: ['defined(__riscv_xlen)', '__riscv_xlen == 32', '!defined(__riscv_32e)'],
};

const titles: Readonly<Record<InstructionSet, string>> = {
  mve: 'Helium',
  dsp: 'DSP instructions',
  v6m: 'loops for eight registers',
  rv32: 'loops for 31 registers',
};
const chips: Readonly<Record<InstructionSet, string>> = {
  mve: 'Cortex-M55, M85',
  dsp: 'Cortex-M4, M7, M33, M55',
  v6m: 'Cortex-M0, M0+, M1',
  rv32: 'RV32I',
};

/** Older compilers have no intrinsics without a header; gcc from 10 on and clang say so. */
const builtin: Readonly<Partial<Record<InstructionSet, string>>> = { dsp: '__builtin_arm_smlad' };
const header: Readonly<Partial<Record<InstructionSet, string>>> = { mve: 'arm_mve.h' };

/** Advances a pointer, in kernels with vectors. */
export const stepMacro = ({ name }: Named): string => `${name.toUpperCase()}_STEP`;

/**
 * gcc 12 turns the addresses of unrolled steps into registers of their own, and spills. Hidden steps stay part of their
 * loads: of 3 x 9 loads and multiply-accumulates, each loop over rows of a window takes 29 instructions instead of 35.
 */
const stepLines = (program: Named): readonly string[] => [
  '#if defined(__GNUC__)',
  `#define ${stepMacro(program)}(p, by) do { (p) += (by); __asm__ volatile("" : "+r"(p)); } while (0)`,
  '#else',
  `#define ${stepMacro(program)}(p, by) ((p) += (by))`,
  '#endif',
];

function definition(program: Named, set: InstructionSet): readonly string[] {
  const without = withoutMacro(program, set);
  const known = builtin[set];
  const conditions = [
    ...features[set],
    ...(known === undefined ? [] : ['defined(__has_builtin)']),
    `!defined(${without})`,
  ];
  const lines = conditions.map((one, i) => `${i === 0 ? '#if ' : '    '}${one}`);
  const include = header[set];
  return [
    `/* -D${without} leaves them out: the bytes are the same. */`,
    ...lines.map((line, i) => (i < lines.length - 1 ? `${line} && \\` : line)),
    ...(known === undefined ? [] : [`#if __has_builtin(${known})`]),
    `#define ${usesMacro(program, set)} /* ${titles[set]}: ${chips[set]} */`,
    ...(include === undefined ? [] : [`#include <${include}>`]),
    ...(set === 'mve' ? stepLines(program) : []),
    ...(known === undefined ? [] : ['#endif']),
    '#endif',
    '',
  ];
}

const forms = { mve: 'MVE', dsp: 'DSP', v6m: 'V6M', rv32: 'RV32' } as const satisfies Record<
  InstructionSet,
  Form
>;

/** What a form of the C is called. */
export const formOf = (set: InstructionSet): Exclude<Form, 'plain'> => forms[set];

/** Flags of the compiler for a form: better ones are left out. */
export function formFlags(program: Named, form: Form): readonly string[] {
  const to = instructionSets.findIndex((set) => formOf(set) === form);
  const without = to < 0 ? instructionSets : instructionSets.slice(0, to);
  return without.map((set) => `-D${withoutMacro(program, set)}`);
}

/** Of which sets a user may choose to leave them out, with a sentence for the header. */
export function choices(program: Named, { variants = new Map() }: Pick<EmitInfo, 'variants'>) {
  const found = setsOf(variants);
  return instructionSets
    .filter((set) => found.has(set))
    .map((set) => ({
      set,
      without: withoutMacro(program, set),
      title: `${titles[set]} on ${chips[set]}`,
      says: `Where the compiler says that the chip has them, the C uses ${titles[set]} (${chips[set]}); -D${withoutMacro(program, set)} leaves them out. The bytes are the same.`,
    }));
}

/** The lines that define the macros of these sets. */
export const instructionMacros = (program: Named, sets: readonly InstructionSet[]): readonly string[] =>
  sets.flatMap((set) => definition(program, set));
