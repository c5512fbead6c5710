/** How indices move with the counter of a loop. */
import type { Expr } from '../ir/kernel/kernel.ts';
import { isLoad, partsIn } from '../ir/kernel/walk.ts';

export const sumTerms = (e: Expr): readonly Expr[] =>
  e.kind === 'binary' && e.op === 'add' ? [...sumTerms(e.a), ...sumTerms(e.b)] : [e];

/** Whether an expression reads a local or an array of such a name. */
export const mentions = (e: Expr, has: (name: string) => boolean): boolean =>
  [...partsIn(e)].some(
    (part) => (part.kind === 'local' && has(part.name)) || (isLoad(part) && has(part.from)),
  );

/** Whether an index is the counter plus what is the same in every pass. */
export function isNeighbour(index: Expr, counter: string, varies: (name: string) => boolean): boolean {
  const terms = sumTerms(index);
  const own = terms.filter((t) => t.kind === 'local' && t.name === counter);
  const others = terms.filter((t) => !(t.kind === 'local' && t.name === counter));
  return own.length === 1 && !others.some((t) => mentions(t, varies));
}
