/**
 * Sums of dense 8-bit weights with the DSP instructions of Cortex-M4, M7, M33 and M55: four inputs and four
 * weights a load, two products an instruction. It stands beside the plain statements, which it equals: sums of
 * integers may be made in any order, and SMLAD wraps. The preprocessor takes it where the compiler says that the
 * chip has these instructions.
 */
import { add } from '../ir/kernel/builders.ts';
import type { Kernel, RowSum, StoredRows } from '../ir/kernel/kernel.ts';
import { namesIn, rowSumsIn, statementsIn } from '../ir/kernel/walk.ts';
import { dense8, formatName } from '../ir/kernel/weight-format.ts';
import type { Program } from '../program/program.ts';
import { cAddress, type Rename } from './c/expr.ts';
import { prefixOf } from './prefix.ts';

type Named = Pick<Program, 'name'>;

/** Defined in the C where DSP instructions are used. */
export const dspMacro = ({ name }: Named): string => `${name.toUpperCase()}_USES_DSP`;

/** The user defines it for plain C on a chip that has DSP instructions. */
export const noDspMacro = ({ name }: Named): string => `${name.toUpperCase()}_NO_DSP`;

const step = '    ';
const own = ['row', 'px', 'ky', 'kx', 'i', 'w4', 'even', 'odd', 'x4'] as const;

/** The functions that `dspHelpers` defines. */
export const dspNames = ['four_bytes', 'even_u8', 'odd_u8', 'even_i8', 'odd_i8', 'dual_mac'] as const;

interface Parts {
  /** The pointer that walks the weights. */
  readonly wt: string;
  readonly weights: StoredRows;
  readonly sums: readonly { readonly local: string; readonly offset: number }[];
  /** C of the address of the first sum's inputs. */
  readonly start: string;
  /** What the helpers are called. */
  readonly helper: (name: (typeof dspNames)[number]) => string;
}

/** Undefined where two products at a time do not help. */
function partsOf(kernel: Kernel, sum: RowSum, rename: Rename): Parts | undefined {
  const { stored, from, sums } = sum;
  const { format, layout, codebook, stream, elem } = stored;
  const plain = elem === 'i8' && formatName(format) === formatName(dense8) && codebook === undefined;
  const bytes = kernel.params.some(({ name, elem: of }) => name === from && of === 'u8');
  const walker = [...statementsIn(kernel.body)].find((s) => s.kind === 'pointer' && s.base === stream);
  if (!plain || layout.lanes !== 1 || layout.run < 4 || !bytes || walker?.kind !== 'pointer')
    return undefined;
  const first = add(sum.first, sum.skip);
  const taken = new Set([from, walker.name, ...namesIn(first), ...sums.map((s) => s.local)]);
  if (own.some((name) => taken.has(name)) || sums.some(({ offset }) => offset < 0)) return undefined;
  return {
    wt: walker.name,
    weights: stored,
    sums,
    start: cAddress(from, first, rename),
    helper: (name) => rename(name, 'function'),
  };
}

const at = (pointer: string, offset: number): string => (offset === 0 ? pointer : `${pointer} + ${offset}`);

/** Four terms of a run, of every sum. */
const four = ({ wt, sums, helper: f }: Parts): readonly string[] => [
  `int32_t w4 = ${f('four_bytes')}(${wt});`,
  `int32_t even = ${f('even_i8')}(w4);`,
  `int32_t odd = ${f('odd_i8')}(w4);`,
  'int32_t x4;',
  ...sums.flatMap(({ local, offset }) => [
    `x4 = ${f('four_bytes')}(${at('px', offset)});`,
    `${local} = ${f('dual_mac')}(${f('even_u8')}(x4), even, ${local});`,
    `${local} = ${f('dual_mac')}(${f('odd_u8')}(x4), odd, ${local});`,
  ]),
  'px += 4;',
  `${wt} += 4;`,
];

const indented = (lines: readonly string[]): readonly string[] => lines.map((line) => step + line);
const loop = (name: string, to: number, by: number, body: readonly string[]): readonly string[] => [
  `for (int32_t ${name} = 0; ${name} < ${to}; ${by === 1 ? `${name}++` : `${name} += ${by}`}) {`,
  ...indented(body),
  '}',
];

/** A run of neighbours, from `px` on. */
function run(p: Parts): readonly string[] {
  const { wt, sums, weights } = p;
  const rest = weights.layout.run % 4;
  const products = Array.from({ length: rest }, (_, i) =>
    sums.map(({ local, offset }) => `${local} += px[${offset + i}] * ${wt}[${i}];`),
  ).flat();
  const whole = weights.layout.run - rest;
  return [
    ...(whole === 4 ? four(p) : loop('i', whole, 4, four(p))),
    ...products,
    ...(rest === 0 ? [] : [`${wt} += ${rest};`]),
  ];
}

function row(p: Parts): readonly string[] {
  const { pieces, pieceStride } = p.weights.layout;
  if (pieces === 1) return ['const uint8_t *px = row;', ...run(p)];
  return loop('kx', pieces, 1, [`const uint8_t *px = row + kx * ${pieceStride};`, ...run(p)]);
}

/** The pointer walks: an index of each run, `row + ky * stride`, costs LeNet-5 7 % more instructions. */
function rowOf(p: Parts): readonly string[] {
  const { segments, segmentStride } = p.weights.layout;
  const rows = segments === 1 ? row(p) : loop('ky', segments, 1, [...row(p), `row += ${segmentStride};`]);
  return ['{', ...indented([`const uint8_t *row = ${p.start};`, ...rows]), '}'];
}

/** Sums of the kernel that DSP instructions make faster, and what to print there, without indentation. */
export const dspSites = (
  kernel: Kernel,
  rename: Rename,
): readonly { readonly sum: RowSum; readonly lines: readonly string[] }[] =>
  rowSumsIn(kernel.body).flatMap(({ sum }) => {
    const parts = partsOf(kernel, sum, rename);
    return parts === undefined ? [] : [{ sum, lines: rowOf(parts) }];
  });

/** Whether the C has sums that DSP instructions make. */
export const usesDsp = (program: Program): boolean =>
  program.steps.some(({ kernel }) => dspSites(kernel, (name) => name).length > 0);

const helper = (head: string, body: readonly string[]): readonly string[] => [
  `static inline int32_t ${head}`,
  '{',
  ...indented(body),
  '}',
];

const intrinsic = (instruction: string): readonly string[] => [
  `return (int32_t)__builtin_arm_${instruction}((uint32_t)x);`,
];

/** No compiler's intrinsics rotate. */
const rotated = (instruction: string): readonly string[] => [
  'int32_t pair;',
  `__asm__("${instruction} %0, %1, ror #8" : "=r"(pair) : "r"(x));`,
  'return pair;',
];

/**
 * What the sums need, for programs that have any. ARMv5TE has __ARM_FEATURE_DSP and none of these instructions:
 * __ARM_FEATURE_SIMD32 says that they are there, __has_builtin that the compiler knows them (gcc from 10 on, clang);
 * they need no header then, and through assembly LeNet-5 takes 4 % more instructions. Where the compiler may not
 * access words at any address (-mno-unaligned-access, clang's default without an operating system), four_bytes is
 * four loads and plain C is faster.
 */
export function dspHelpers(program: Program): readonly string[] {
  const macro = dspMacro(program);
  const f = (head: string): string => `${prefixOf(program)}${head}`;
  return [
    `/* Plain C and DSP instructions give the same bytes. -D${noDspMacro(program)} leaves them out. */`,
    '#if defined(__ARM_FEATURE_DSP) && defined(__ARM_FEATURE_SIMD32) && \\',
    '    defined(__ARM_FEATURE_UNALIGNED) && !defined(__ARM_BIG_ENDIAN) && \\',
    `    defined(__has_builtin) && !defined(${noDspMacro(program)})`,
    '#if __has_builtin(__builtin_arm_smlad)',
    `#define ${macro} /* sums of dense weights for Cortex-M4, M7, M33 and M55 */`,
    '#include <string.h>',
    ...helper(f('four_bytes(const void *from)'), [
      'int32_t bytes;',
      'memcpy(&bytes, from, sizeof bytes); /* one load, at any address */',
      'return bytes;',
    ]),
    '/* bytes 0 and 2 (even) or 1 and 3 (odd) as two numbers of 16 bits */',
    ...helper(f('even_u8(int32_t x)'), intrinsic('uxtb16')),
    ...helper(f('odd_u8(int32_t x)'), rotated('uxtb16')),
    ...helper(f('even_i8(int32_t x)'), intrinsic('sxtb16')),
    ...helper(f('odd_i8(int32_t x)'), rotated('sxtb16')),
    '/* sum + a[0] * b[0] + a[1] * b[1], modulo 2^32 */',
    ...helper(f('dual_mac(int32_t a, int32_t b, int32_t sum)'), ['return __builtin_arm_smlad(a, b, sum);']),
    '#endif',
    '#endif',
    '',
  ];
}
