/** Walks over the terms of a row: loops inside of loops, the longest innermost, pairs of terms at a time. */
import { at } from '../base/errors.ts';
import { loop, mul, pointer } from '../ir/kernel/builders.ts';
import type { Elem, Expr, Stmt } from '../ir/kernel/kernel.ts';
import type { WeightLayout } from '../ir/kernel/weight-format.ts';
import type { NewName } from './fresh-names.ts';

/** Stretches of terms: `count` of them, `step` elements of input apart and `terms` of the row. */
export interface Level {
  readonly count: number;
  readonly step: number;
  readonly terms: number;
}

/** With the terms of a run one by one. */
export const levelsOf = (l: WeightLayout): readonly Level[] =>
  [
    { count: l.segments, step: l.segmentStride, terms: l.pieces * l.run },
    { count: l.pieces, step: l.pieceStride, terms: l.run },
    { count: l.run, step: 1, terms: 1 },
  ].filter(({ count }) => count > 1);

/** What all levels come to, in the order of loops over them: the terms and inputs that stretches begin with. */
export const startsOf = (levels: readonly Level[]): readonly number[] =>
  levels.reduce<readonly number[]>(
    (starts, { count, terms }) =>
      starts.flatMap((start) => Array.from({ length: count }, (_, i) => start + i * terms)),
    [0],
  );

/** Loops over all levels; `body` is given pointers to the inputs of one stretch for those to the first ones. */
export function loopsOver(
  levels: readonly Level[],
  pointers: readonly string[],
  elem: Elem,
  names: NewName,
  body: (pointers: readonly string[]) => readonly Stmt[],
): readonly Stmt[] {
  const [level, ...inner] = levels;
  if (level === undefined) return body(pointers);
  const own = pointers.map(() => names('part'));
  return loop(names('stretch'), level.count, (i: Expr) => [
    ...own.map((name, j) => pointer(name, at(pointers, j), elem, mul(i, level.step))),
    ...loopsOver(inner, own, elem, names, body),
  ]);
}
