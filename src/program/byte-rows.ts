/**
 * Reads weights back from tables of bytes for Helium, by nothing but their description. Independent of src/lower, which
 * writes them.
 */
import { at, DefectError, must } from '../base/errors.ts';
import { hull, type Interval } from '../ir/kernel/interval.ts';
import type { Kernel } from '../ir/kernel/kernel.ts';
import { termsOf, type WeightLayout } from '../ir/kernel/weight-format.ts';

/**
 * How weights stand in a table of bytes: 128 more each, 16 of a row one after the other, a group of rows in turns. Runs
 * are filled up to whole vectors with 0.
 */
export interface ByteRows {
  /** Name of the kernel's table. */
  readonly table: string;
  /** Terms of a row that lie side by side. */
  readonly run: number;
  /** Rows in turns. */
  readonly group: number;
}

const lanes = 16;

/**
 * The weights of each row, in the order of its terms.
 * @throws DefectError for a table of another length, and for a number where there is no weight
 */
export function readBytes(
  kernel: Kernel,
  layout: WeightLayout,
  { table: name, run, group }: ByteRows,
): readonly Int32Array[] {
  const { data } = must(
    kernel.tables.find((table) => table.name === name),
    `kernel '${kernel.name}' has a table '${name}'`,
  );
  const rows = Array.from({ length: layout.rows }, () => new Int32Array(termsOf(layout)));
  const perRun = Math.ceil(run / lanes);
  const vectors = (termsOf(layout) / run) * perRun;
  let next = 0;
  const vector = (row: Int32Array, v: number): void => {
    for (let lane = 0; lane < lanes; lane++) {
      const [byte, inRun] = [at(data, next++), (v % perRun) * lanes + lane];
      if (inRun < run) row[Math.floor(v / perRun) * run + inRun] = byte - 128;
      else if (byte !== 0) throw new DefectError(`table '${name}' has ${byte} where there is no weight`);
    }
  };
  for (let first = 0; first < rows.length; first += group)
    for (let v = 0; v < vectors; v++) for (const row of rows.slice(first, first + group)) vector(row, v);
  if (next !== data.length) throw new DefectError(`table '${name}' has ${data.length} bytes`);
  return rows;
}

/** Where sums of rows of weights times bytes lie. */
export const rangeOfRows = (rows: readonly Int32Array[]): Interval =>
  hull(
    rows.flatMap((row) => [
      255 * row.reduce((sum, w) => sum + Math.min(0, w), 0),
      255 * row.reduce((sum, w) => sum + Math.max(0, w), 0),
    ]),
  );
