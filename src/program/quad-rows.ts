/**
 * Reads rows of weights back from a table of words of four of them, by nothing but its description, and checks that
 * their sums can be told apart. Independent of src/lower, which writes the table.
 */
import { at, DefectError, must } from '../base/errors.ts';
import type { Interval } from '../ir/kernel/interval.ts';
import type { Kernel, Quads } from '../ir/kernel/kernel.ts';
import { termsOf, type WeightLayout } from '../ir/kernel/weight-format.ts';
import { rangeOfRows } from './byte-rows.ts';

/**
 * The weights of each row, and where the sums of rows lie.
 * @throws DefectError for a table of another length, for a weight where there is no row, and for sums beyond 24 bits
 */
export function readQuads(
  kernel: Kernel,
  layout: WeightLayout,
  { words, last }: Quads,
): { readonly rows: readonly Int32Array[]; readonly sums: Interval } {
  const name = `${kernel.name}_quads`;
  const { data } = must(
    kernel.tables.find((table) => table.name === name),
    `a table '${name}'`,
  );
  const wrong = (what: string) => new DefectError(`table '${name}' has ${what}`);
  const rows = Array.from({ length: layout.rows }, () => new Int32Array(termsOf(layout)));
  let next = 0;
  const word = (own: readonly Int32Array[], term: number): void => {
    const four = at(data, next++);
    for (let i = 0; i < 4; i++) {
      const weight = ((four >>> (8 * i)) & 255) - 128;
      const row = own[i];
      if (row !== undefined) row[term] = weight;
      else if (weight !== 0) throw wrong(`${weight} where there is no weight`);
    }
  };
  for (let first = 0; first < rows.length; ) {
    const end = first + 4 * words;
    const pass = rows.slice(first, rows.length - end < last ? rows.length : end);
    first += pass.length;
    for (let term = 0; term < termsOf(layout); term++)
      for (let from = 0; from < pass.length; from += 4) word(pass.slice(from), term);
  }
  if (next !== data.length) throw wrong(`${data.length} words`);
  const sums = rangeOfRows(rows);
  if (sums.lo < -(2 ** 23) || sums.hi >= 2 ** 23)
    throw wrong(`sums in ${sums.lo}..${sums.hi}: beyond 24 bits`);
  return { rows, sums };
}
