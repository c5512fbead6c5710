/**
 * Sums of dense 8-bit weights with the DSP instructions of Cortex-M4, M7, M33 and M55: four inputs and four
 * weights a load, two products an instruction. It stands beside the portable statements, which it equals: sums of
 * integers may be made in any order, and SMLAD wraps.
 */
import { must } from '../ir/errors.ts';
import { dense8, formatName } from '../ir/formats/format.ts';
import type { Expr, Kernel, StoredWeights } from '../ir/kernel.ts';
import type { Program } from '../ir/program.ts';
import { namesIn, rowSumSites, type SumSite } from '../ir/row-sums.ts';
import { cAddress, type Rename } from './expr.ts';
import { statementsIn } from './walk.ts';

/** Defined by who compiles the C for such a chip. */
export const dspMacro = ({ name }: Pick<Program, 'name'>): string => `${name.toUpperCase()}_DSP`;

const step = '    ';
const own = ['row', 'px', 'ky', 'kx', 'i', 'w4', 'even', 'odd', 'x4'] as const;

interface Start {
  readonly moving: string;
  readonly offset: number;
}

/** An index as what varies, as text that is equal for equal expressions, plus a constant. */
function startOf(first: Expr): Start {
  if (first.kind === 'int') return { moving: '', offset: first.value };
  if (first.kind === 'binary' && first.op === 'add' && first.b.kind === 'int')
    return { moving: JSON.stringify(first.a), offset: first.b.value };
  return { moving: JSON.stringify(first), offset: 0 };
}

/** Elements from the first sum's inputs to each sum's; undefined where they are not constants, or before it. */
function offsetsOf({ sums }: SumSite): readonly number[] | undefined {
  const [zero, ...others] = sums.map(({ first }) => startOf(first)) as [Start, ...Start[]];
  if (others.some(({ moving, offset }) => moving !== zero.moving || offset < zero.offset)) return undefined;
  return [zero, ...others].map(({ offset }) => offset - zero.offset);
}

interface Parts {
  /** The pointer that walks the weights. */
  readonly wt: string;
  readonly weights: StoredWeights;
  readonly sums: readonly { readonly local: string; readonly offset: number }[];
  /** C of the address of the first sum's inputs. */
  readonly start: string;
}

/** Undefined where two products at a time do not help, or are not known to be the same. */
function partsOf(kernel: Kernel, site: SumSite, rename: Rename): Parts | undefined {
  const { weights } = kernel;
  const [first] = site.sums;
  const offsets = offsetsOf(site);
  if (weights === undefined || first === undefined || offsets === undefined) return undefined;
  const { format, layout, codebook, stream } = weights;
  const plain = formatName(format) === formatName(dense8) && codebook === undefined && layout.lanes === 1;
  const { from } = first;
  const bytes = kernel.params.some(({ name, elem }) => name === from && elem === 'u8');
  const walker = [...statementsIn(kernel.body)].find((s) => s.kind === 'pointer' && s.base === stream);
  if (!plain || layout.run < 4 || !bytes || walker?.kind !== 'pointer') return undefined;
  const taken = new Set([from, walker.name, ...namesIn(first.first), ...site.sums.map((s) => s.local)]);
  if (own.some((name) => taken.has(name)) || site.sums.some((sum) => sum.from !== from)) return undefined;
  return {
    wt: walker.name,
    weights,
    sums: site.sums.map(({ local }, i) => ({ local, offset: must(offsets[i], 'an offset per sum') })),
    start: cAddress(from, first.first, rename),
  };
}

const at = (pointer: string, offset: number): string => (offset === 0 ? pointer : `${pointer} + ${offset}`);

/** Four terms of a run, of every sum. */
const four = ({ wt, sums }: Parts): readonly string[] => [
  `int32_t w4 = four_bytes(${wt});`,
  'int32_t even = even_i8(w4);',
  'int32_t odd = odd_i8(w4);',
  'int32_t x4;',
  ...sums.flatMap(({ local, offset }) => [
    `x4 = four_bytes(${at('px', offset)});`,
    `${local} = __smlad(even_u8(x4), even, ${local});`,
    `${local} = __smlad(odd_u8(x4), odd, ${local});`,
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

function sum(p: Parts): readonly string[] {
  const { segments, segmentStride } = p.weights.layout;
  const rows = segments === 1 ? row(p) : loop('ky', segments, 1, [...row(p), `row += ${segmentStride};`]);
  return ['{', ...indented([`const uint8_t *row = ${p.start};`, ...rows]), '}'];
}

/** Sites of the kernel where DSP instructions help, and what to print there, without indentation. */
export const dspSites = (
  kernel: Kernel,
  rename: Rename,
): readonly { readonly site: SumSite; readonly lines: readonly string[] }[] =>
  rowSumSites(kernel).flatMap((site) => {
    const parts = partsOf(kernel, site, rename);
    return parts === undefined ? [] : [{ site, lines: sum(parts) }];
  });

const helper = (head: string, body: readonly string[]): readonly string[] => [
  `static inline int32_t ${head}`,
  '{',
  ...indented(body),
  '}',
];

const rotated = (instruction: string): readonly string[] => [
  'int32_t pair;',
  `__asm__("${instruction} %0, %1, ror #8" : "=r"(pair) : "r"(x));`,
  'return pair;',
];

/** What the sums need, for programs that have any. */
export function dspHelpers(program: Program): readonly string[] {
  const macro = dspMacro(program);
  return [
    `#ifdef ${macro} /* sums of dense weights for Cortex-M4, M7, M33 and M55 */`,
    '#ifndef __ARM_FEATURE_DSP',
    `#error "${macro} is defined, but this chip has no DSP instructions"`,
    '#endif',
    '#include <arm_acle.h>',
    '#include <string.h>',
    ...helper('four_bytes(const void *from)', [
      'int32_t bytes;',
      'memcpy(&bytes, from, sizeof bytes); /* one load, at any address */',
      'return bytes;',
    ]),
    '/* bytes 0 and 2 (even) or 1 and 3 (odd) as two numbers of 16 bits */',
    ...helper('even_u8(int32_t x)', ['return (int32_t)__uxtb16((uint32_t)x);']),
    ...helper('odd_u8(int32_t x)', rotated('uxtb16')),
    ...helper('even_i8(int32_t x)', ['return (int32_t)__sxtb16((uint32_t)x);']),
    ...helper('odd_i8(int32_t x)', rotated('sxtb16')),
    '#endif',
    '',
  ];
}
