/** What holds of a form of a kernel (src/lower) for all inputs: of the code that a chip runs, with its tables. */
import type { Interval } from '../ir/kernel/interval.ts';
import type { Expr, Kernel, Packing, PlainStmt } from '../ir/kernel/kernel.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import { readPacked } from '../program/paired-rows.ts';
import { proveRules, type Rules } from './prove.ts';

/**
 * Proves of a form what `prove` proves of a kernel.
 *
 * Of weights two at a time, where a row's sum lies does not follow from intervals: in low - 65536 high, what the high
 * halves add to both cancels. But the tables are read back, and no half of them reaches the other one. So each sum is
 * that of its own row's weights, and the code may say that it lies where these let it.
 * @param packing how the form has two weights a product, if it has; and how its rows lie
 * @throws DefectError where a half of an accumulator can reach the other one
 */
export function proveForm(form: Kernel): Rules;
export function proveForm(form: Kernel, packing: Packing, layout: WeightLayout): Rules;
export function proveForm(form: Kernel, packing?: Packing, layout?: WeightLayout): Rules {
  const sums = packing && layout && readPacked(form, layout, packing).sums;
  const holds = (site: Expr | PlainStmt): boolean => sums !== undefined && isWithin(site, sums);
  return proveRules(form, holds);
}

/** Whether it says no more than that a sum lies in `sums`. */
function isWithin(site: Expr | PlainStmt, sums: Interval): boolean {
  if (site.kind !== 'call' || site.primitive !== 'known_within') return false;
  const [, lo, hi] = site.args;
  return lo?.kind === 'int' && hi?.kind === 'int' && lo.value <= sums.lo && hi.value >= sums.hi;
}
