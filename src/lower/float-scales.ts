/** Scales of accumulators as float64, which lanes of two words hold. */
import { at } from '../base/errors.ts';
import { int, load, times } from '../ir/kernel/builders.ts';
import type { Expr, Table } from '../ir/kernel/kernel.ts';
import { wordsOf } from '../ir/kernel/prims/requantize-byte.ts';
import { exprText } from '../ir/kernel/text.ts';

/** A constant, or the rows of a table. */
interface Known {
  /** As a part of a name. */
  readonly name: string;
  readonly numbers: Table['data'];
  /** Of the row. */
  readonly index?: Expr;
}

function knownOf(tables: ReadonlyMap<string, Table>, e: Expr): Known | undefined {
  if (e.kind === 'int') return e.value < 0 ? undefined : { name: `of${e.value}`, numbers: [e.value] };
  if (e.kind !== 'load') return undefined;
  const table = tables.get(e.from);
  return table && { name: e.from, numbers: table.data, index: e.index };
}

/**
 * multiplier / 2^(31 + shift), its high and its low half: constants, or numbers of tables, which are added to `tables`.
 * Undefined where it is no constant of each row.
 */
export function floatScale(
  tables: Map<string, Table>,
  multiplier: Expr,
  shift: Expr,
): readonly [high: Expr, low: Expr] | undefined {
  const [m, s] = [knownOf(tables, multiplier), knownOf(tables, shift)];
  if (m === undefined || s === undefined) return undefined;
  const index = m.index ?? s.index;
  const isOne = [m, s].every(
    (one) => one.index === undefined || (index && exprText(one.index) === exprText(index)),
  );
  const rows = Math.max(m.numbers.length, s.numbers.length);
  const fits = [m, s].every((one) => one.index === undefined || one.numbers.length === rows);
  if (!isOne || !fits) return undefined;
  const of = (one: Known, row: number): number => at(one.numbers, one.index === undefined ? 0 : row);
  const words = times(rows, (row) => wordsOf(of(m, row) * 2 ** (-31 - of(s, row))));
  const half = (which: 'high' | 'low'): Expr => {
    const data = words.map((word) => word[which]);
    if (index === undefined) return int(at(data, 0));
    const name = `${m.name}_${s.name}_${which}`;
    tables.set(name, { name, elem: 'i32', data });
    return load(name, 'i32', index);
  };
  return [half('high'), half('low')];
}
