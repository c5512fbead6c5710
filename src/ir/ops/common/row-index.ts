/** Indices of rows that the network computes: none reads beyond the rows. */
import { add, call, compare, constant, int, local, select } from '../../kernel/builders.ts';
import type { Expr, Stmt } from '../../kernel/kernel.ts';

/** Any index as one of a row: negative ones count from the end, and those beyond are the first or the last. */
export function nearestIndex(index: number, rows: number): number {
  const within = Math.max(-rows, Math.min(rows - 1, index));
  return within < 0 ? within + rows : within;
}

/** The same in a kernel: a local `row`, by way of `index`, both with a suffix. */
export function rowAt(index: Expr, rows: number, suffix = ''): readonly Stmt[] {
  const given = local(`index${suffix}`);
  const fromEnd = select(compare('lt', given, 0), add(given, rows), given);
  return [
    constant(`index${suffix}`, call('clamp', 'i32', index, int(-rows), int(rows - 1))),
    constant(`row${suffix}`, call('clamp', 'i32', fromEnd, int(0), int(rows - 1))),
  ];
}
