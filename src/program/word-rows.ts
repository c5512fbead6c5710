/**
 * Reads weights back from tables of words for DSP instructions, by nothing but their description. Independent of
 * src/lower, which writes them.
 */
import { at, DefectError, must } from '../base/errors.ts';
import type { Kernel } from '../ir/kernel/kernel.ts';
import { termsOf, type WeightLayout } from '../ir/kernel/weight-format.ts';

/** How weights stand in a table of words of 32 bits. */
export interface WordRows {
  /** Name of the kernel's table. */
  readonly table: string;
  /** Bits of a weight. */
  readonly width: 16 | 8;
  /** Rows that are taken together, one after the other. */
  readonly passes: readonly number[];
}

/** Four neighbouring terms of a run, from `from` on; undefined: another word has it, or there is none. */
function termsAt(from: number, run: number): readonly (number | undefined)[] {
  const start = Math.min(from, Math.max(0, run - 4));
  return [0, 1, 2, 3].map((byte) => (start + byte >= from && start + byte < run ? start + byte : undefined));
}

const signed = (n: number, bits: number): number => (n << (32 - bits)) >> (32 - bits);

/** A weight of a word, and which byte of the inputs it meets. */
type Met = readonly [byte: number, weight: number];

/** The words of a row for four terms: all bytes in one, or even and odd ones apart, where there are any. */
function met(take: () => number, width: WordRows['width'], terms: readonly unknown[]): readonly Met[] {
  if (width === 8) {
    const word = take();
    return [0, 1, 2, 3].map((byte) => [byte, signed(word >> (8 * byte), 8)]);
  }
  return [0, 1].flatMap((odd): readonly Met[] => {
    if (terms[odd] === undefined && terms[odd + 2] === undefined) return [];
    const word = take();
    return [
      [odd, signed(word, 16)],
      [odd + 2, word >> 16],
    ];
  });
}

/**
 * The weights of each row, in the order of its terms.
 * @throws DefectError for a table of another length, and for a number where there is no weight
 */
export function readWords(kernel: Kernel, layout: WeightLayout, how: WordRows): readonly Int32Array[] {
  const table = must(
    kernel.tables.find(({ name }) => name === how.table),
    `kernel '${kernel.name}' has a table '${how.table}'`,
  );
  const rows = Array.from({ length: layout.rows }, () => new Int32Array(termsOf(layout)));
  let next = 0;
  const wrong = (what: string) => new DefectError(`table '${how.table}' ${what}`);
  const read = (row: Int32Array, stretch: number, from: number): void => {
    const terms = termsAt(from, layout.run);
    for (const [byte, weight] of met(() => at(table.data, next++), how.width, terms)) {
      const term = terms[byte];
      if (term !== undefined) row[stretch * layout.run + term] = weight;
      else if (weight !== 0) throw wrong(`has ${weight} where there is no weight`);
    }
  };
  let first = 0;
  for (const count of how.passes) {
    const together = rows.slice(first, first + count);
    first += count;
    for (let stretch = 0; stretch < layout.segments * layout.pieces; stretch++)
      for (let from = 0; from < layout.run; from += 4) for (const row of together) read(row, stretch, from);
  }
  if (next !== table.data.length || first !== layout.rows) throw wrong(`has ${table.data.length} words`);
  return rows;
}
