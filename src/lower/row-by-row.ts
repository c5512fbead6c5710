/** Loops over rows, a few rows a pass written out, as loops over one row: what a pass does with each is then told apart. */
import { at } from '../base/errors.ts';
import { add, local, times } from '../ir/kernel/builders.ts';
import type { RowSum, Stmt } from '../ir/kernel/kernel.ts';
import { declaredIn, type Loop } from '../ir/kernel/walk.ts';
import { copied } from './copies.ts';

/**
 * The statements, where each pass of a loop that sums rows in one place sums one row, if a pass did the same with each of
 * its rows. The sums' expansions stay those of several: they are to be lowered.
 */
export const rowByRow = (body: readonly Stmt[]): readonly Stmt[] =>
  body.map((s) => (s.kind === 'for' ? (oneRow(s) ?? { ...s, body: rowByRow(s.body) }) : s));

function oneRow(loop: Loop): Loop | undefined {
  const index = loop.body.findIndex(({ kind }) => kind === 'rowSum');
  const sum = loop.body[index];
  if (sum?.kind !== 'rowSum' || !isInOrder(sum, loop)) return undefined;
  const rows = sum.sums.length;
  const [before, after] = [loop.body.slice(0, index), loop.body.slice(index + 1)];
  const parts = [before, after].map((body) => partsOf(body, rows));
  const declared = times(rows, (k) => [...declaredIn(parts.flatMap((part) => at(part, k)))]);
  const isAlike = (k: number): boolean => {
    const names = new Map(at(declared, 0).map((name, i) => [name, declared[k]?.[i] ?? name]));
    const changes = {
      name: (name: string) => names.get(name) ?? name,
      values: new Map([[loop.name, add(local(loop.name), k)]]),
    };
    const same = (body: readonly (readonly Stmt[])[]) =>
      JSON.stringify(copied(at(body, 0), changes)) === JSON.stringify(at(body, k));
    return changes.name(at(sum.sums, 0).local) === at(sum.sums, k).local && parts.every(same);
  };
  if (before.length % rows !== 0 || after.length % rows !== 0 || !times(rows, isAlike).every(Boolean))
    return undefined;
  const [first, last] = parts.map((part) => at(part, 0)) as [readonly Stmt[], readonly Stmt[]];
  return { ...loop, step: 1, body: [...first, { ...sum, sums: sum.sums.slice(0, 1) }, ...last] };
}

/** Whether a pass takes the rows of the loop's counter one after the other, in one place. */
function isInOrder({ row, sums }: RowSum, { name, step }: Loop): boolean {
  const isCounter = row.kind === 'local' && row.name === name;
  return (
    isCounter &&
    step === sums.length &&
    sums.every((sum, i) => sum.row === i && sum.offset === sums[0]?.offset)
  );
}

const partsOf = (body: readonly Stmt[], rows: number): readonly (readonly Stmt[])[] =>
  times(rows, (k) => body.slice((k * body.length) / rows, ((k + 1) * body.length) / rows));
