/** Kernels whose sums of rows are made ahead of where they are added, into scratch. */

import { accumulate, load } from '../ir/kernel/builders.ts';
import type { Expr, Kernel, Param, RowSum, Stmt, Table } from '../ir/kernel/kernel.ts';
import { withMoves } from './byte-moves.ts';
import { newNames } from './fresh-names.ts';

export interface MadeSums {
  readonly doc: string;
  readonly scratch: readonly Param[];
  readonly tables: readonly Table[];
  /** The array of the sums, i32. */
  readonly sums: string;
  /** In front of statements of the kernel. */
  readonly before: ReadonlyMap<Stmt, readonly Stmt[]>;
  /** Statements of the kernel that have no effect any more. */
  readonly dropped?: ReadonlySet<Stmt>;
  /** Where the array has what each local of a statement gains. */
  readonly added: ReadonlyMap<RowSum, readonly { readonly local: string; readonly index: Expr }[]>;
}

/** Both in front of where they belong, the first one first where that is the same statement. */
export const inFront = (
  [start, first]: readonly [Stmt, readonly Stmt[]],
  [ahead, second]: readonly [Stmt, readonly Stmt[]],
): MadeSums['before'] =>
  start === ahead
    ? new Map([[start, [...first, ...second]]])
    : new Map([
        [start, first],
        [ahead, second],
      ]);

/** The kernel with these sums; all that its own rows of weights need is left out. */
export function withSums(kernel: Kernel, made: MadeSums): Kernel {
  const block = (body: readonly Stmt[]): readonly Stmt[] =>
    body.flatMap((s) => [...(made.before.get(s) ?? []), ...statement(s)]);
  const statement = (s: Stmt): readonly Stmt[] => {
    if (s.kind === 'startRows' || made.dropped?.has(s)) return [];
    if (s.kind === 'for') return [{ ...s, body: block(s.body) }];
    if (s.kind === 'if') return [{ ...s, yes: block(s.yes), no: block(s.no) }];
    const added = s.kind === 'rowSum' ? made.added.get(s) : undefined;
    return added?.map(({ local, index }) => accumulate(local, load(made.sums, 'i32', index))) ?? [s];
  };
  const added = {
    ...kernel,
    params: [...kernel.params, ...made.scratch],
    tables: [...kernel.tables, ...made.tables],
  };
  const summed = block(kernel.body);
  const body = withMoves(summed, newNames({ ...added, body: summed }));
  const { weights, ...rest } = kernel;
  const unused = [weights?.stream, weights?.counts, weights?.codebook];
  return {
    ...rest,
    doc: [...kernel.doc, made.doc],
    params: added.params,
    tables: added.tables.filter(({ name }) => !unused.includes(name)),
    body,
  };
}
