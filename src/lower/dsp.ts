/**
 * Sums of dense 8-bit weights with the DSP instructions of Cortex-M4, M7, M33 and M55. Weights lie in a table of their
 * own, in the order of use; where that pays, as the pairs of 16 bits that SMLAD takes.
 */
import { at } from '../base/errors.ts';
import { pointer, times } from '../ir/kernel/builders.ts';
import type { Kernel, RowSum, Table } from '../ir/kernel/kernel.ts';
import { rowSumsIn } from '../ir/kernel/walk.ts';
import { dense8, formatName, termsOf, type WeightLayout } from '../ir/kernel/weight-format.ts';
import type { Aim } from '../program/program.ts';
import { decodeRows } from '../program/rows.ts';
import type { Variant } from '../program/variants.ts';
import { dualSums, pairsIn, type Width, wordsOf } from './dual-sums.ts';
import { fromRows } from './jam.ts';

/**
 * Numbers of passes at a time that add up to `count`.
 * @param each rows of a pass
 * @param most rows at a time, where two places are summed
 */
function rowsAtATime(places: number, each: number, count: number, most: number): readonly number[] {
  const width = Math.max(1, Math.floor((places === 1 ? 5 : most) / each));
  const left = count % width;
  return [...times(Math.floor(count / width), () => width), ...(left === 0 ? [] : [left])];
}

const halves = (low: number, high: number): number => (high << 16) | (low & 0xffff);

const bytes = (weights: readonly number[]): number =>
  weights.reduce((word, weight, i) => word | ((weight & 0xff) << (8 * i)), 0);

/** The weights of rows that are taken together, in the order of use. */
function wordsFor(
  rows: readonly Int32Array[],
  { segments, pieces, run: length }: WeightLayout,
  width: Width,
): readonly number[] {
  const words = wordsOf(length);
  return times(segments * pieces, (stretch) =>
    words.flatMap((word) =>
      rows.flatMap((row) => {
        const weight = (byte: number): number => {
          const term = word.terms[byte];
          return term === undefined ? 0 : at(row, stretch * length + term);
        };
        if (width === 8) return [bytes(times(4, weight))];
        return pairsIn(word).map(({ bytes: [low, high] }) => halves(weight(low), weight(high)));
      }),
    ),
  ).flat();
}

const tableWords: Readonly<Record<Width, string>> = {
  16: 'Weights for SMLAD as pairs of 16 bits, in the order of use: of four neighbours the first and third, then the second and fourth.',
  8: 'Weights of four neighbours to a word, a byte each, in the order of use.',
};

function tableOf(
  kernel: Kernel,
  name: string,
  layout: WeightLayout,
  passes: readonly number[],
  width: Width,
): Table {
  const rows = decodeRows(kernel);
  let first = 0;
  const data = passes.flatMap((count) => {
    first += count;
    return wordsFor(rows.slice(first - count, first), layout, width);
  });
  return {
    name,
    elem: 'i32',
    data: Int32Array.from(data),
    says: tableWords[width],
  };
}

/**
 * How a kernel is lowered, by what its program is made for: rows at a time, code, and how often a weight is used at
 * least for which 16 bits of it are stored. Each use then saves about a third of an instruction, and a weight takes a
 * byte more: balanced, 16 instructions have to be saved for a byte.
 */
const scales = {
  speed: { rows: 3, straight: 15, perPass: 4, usesOfWide: 1 },
  balanced: { rows: 3, straight: 15, perPass: 4, usesOfWide: 48 },
  tables: { rows: 2, straight: 4, perPass: 2, usesOfWide: Infinity },
} as const satisfies Record<Exclude<Aim, 'flash'>, unknown>;

/** Whether two products at a time help. */
function takes({ stored, elem, type, sums }: RowSum): boolean {
  const { format, layout, codebook } = stored;
  const isPlain = stored.elem === 'i8' && formatName(format) === formatName(dense8) && codebook === undefined;
  return isPlain && elem === 'u8' && type === 'i32' && layout.run >= 3 && sums.length > 0;
}

/** A kernel with DSP instructions, and how its weights stand. */
export type DspForm = Required<Pick<Variant, 'kernel' | 'words'>>;

/** The kernel with DSP instructions; undefined where they do not help. */
export function dspForm(kernel: Kernel, aim: keyof typeof scales = 'balanced'): DspForm | undefined {
  const { weights, tables } = kernel;
  const sums = rowSumsIn(kernel.body);
  if (weights === undefined || sums.length === 0 || !sums.every(({ sum }) => takes(sum))) return undefined;
  const { layout, stream } = weights;
  const table = `${kernel.name}_words`;
  const { rows, usesOfWide, ...extent } = scales[aim];
  const width = kernel.macs >= usesOfWide * layout.rows * termsOf(layout) ? 16 : 8;
  const found = fromRows(kernel.body, {
    takes,
    joined: ({ sums: each }, count) =>
      rowsAtATime(
        new Set(each.map(({ offset }) => offset)).size,
        new Set(each.map(({ row }) => row)).size,
        count,
        rows,
      ),
    start: () => [pointer('wt', table, 'i32', 0, { mutable: true })],
    body: (pass) => dualSums(pass, layout, { ...extent, width }),
  });
  if (found === undefined || found.passes.reduce((sum, n) => sum + n, 0) !== layout.rows) return undefined;
  const { weights: _, ...rest } = kernel;
  const lowered: Kernel = {
    ...rest,
    doc: ['With DSP instructions: two products of 16 bits at a time, the same sums in another order.'],
    tables: [
      tableOf(kernel, table, layout, found.passes, width),
      ...tables.filter(({ name }) => name !== stream),
    ],
    body: found.body,
  };
  return { kernel: lowered, words: { table, width, passes: found.passes } };
}
