/** What holds of a form of a kernel (src/lower) for all inputs: of the code that a chip runs, with its tables. */
import type { Interval } from '../ir/kernel/interval.ts';
import type { Expr, Kernel, PlainStmt } from '../ir/kernel/kernel.ts';
import { proveRules, type Rules } from './prove.ts';

/**
 * Proves of a form what `prove` proves of a kernel.
 *
 * Where a row's sum lies does not always follow from intervals, because what was added to it is subtracted again: in low
 * - 65536 high what the high halves of packed sums add to both, and with Helium 128 times the inputs. The code then says
 * where the sum lies, and that holds if its weights, read back from the form's tables, let it lie there.
 * @param sums of rows, by the weights of the form's tables; absent: nothing is known of them
 */
export function proveForm(form: Kernel, sums?: Interval): Rules {
  return proveRules(form, (site) => sums !== undefined && isWithin(site, sums));
}

/** Whether it says no more than that a sum lies in `sums`. */
function isWithin(site: Expr | PlainStmt, sums: Interval): boolean {
  if (site.kind !== 'call' || site.primitive !== 'known_within') return false;
  const [, lo, hi] = site.args;
  return lo?.kind === 'int' && hi?.kind === 'int' && lo.value <= sums.lo && hi.value >= sums.hi;
}
