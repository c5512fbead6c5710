/** memcpy and memset of bytes, 16 at a time: a call takes longer than the rows of a patch. */
import {
  advance,
  and,
  call,
  compare,
  constant,
  int,
  loadVector,
  local,
  pointer,
  storeVector,
  sub,
  when,
} from '../ir/kernel/builders.ts';
import type { Expr, Stmt, StmtOf } from '../ir/kernel/kernel.ts';
import { rewritten } from '../ir/kernel/walk.ts';
import type { NewName } from './fresh-names.ts';

const width = 16;

/** A body whose copies and fills of bytes are loops over vectors. */
export const withMoves = (body: readonly Stmt[], names: NewName): readonly Stmt[] =>
  rewritten(body, (s) => {
    if (s.kind === 'copy' && s.elem === 'u8') return copied(s, names);
    return s.kind === 'fill' && s.elem === 'u8' ? filled(s, names) : undefined;
  });

/** Whether a number of bytes is so many whole vectors, whatever it is. */
const isWhole = (e: Expr): boolean =>
  e.kind === 'int'
    ? e.value % width === 0
    : e.kind === 'binary' && e.op === 'mul' && (isWhole(e.a) || isWhole(e.b));

/** `one(n)`: the statements of n bytes, and of the steps to the next where there are any. */
function inVectors(
  count: Expr,
  names: NewName,
  one: (n: Expr, isLast: boolean) => readonly Stmt[],
): readonly Stmt[] {
  const bytes = names('bytes');
  const passes: Stmt = {
    kind: 'for',
    name: names('byte'),
    from: int(0),
    to: sub(local(bytes), width - 1),
    step: width,
    body: one(int(width), false),
  };
  const rest = names('rest');
  const last = [
    constant(rest, and(local(bytes), width - 1)),
    when(compare('gt', local(rest), 0), one(local(rest), true)),
  ];
  return [constant(bytes, count), passes, ...(isWhole(count) ? [] : last)];
}

function copied(s: StmtOf<'copy'>, names: NewName): readonly Stmt[] {
  const [to, from] = [names('to'), names('from')];
  return [
    pointer(to, s.to, 'u8', s.toIndex, { mutable: true }),
    pointer(from, s.from, 'u8', s.fromIndex, { mutable: true }),
    ...inVectors(s.count, names, (n, isLast) => [
      storeVector('u8x16', to, 'u8', 0, loadVector('u8x16', from, 'u8', 0, n), n),
      ...(isLast ? [] : [...advance(to, width), ...advance(from, width)]),
    ]),
  ];
}

function filled(s: StmtOf<'fill'>, names: NewName): readonly Stmt[] {
  const [to, value] = [names('to'), names('value')];
  return [
    pointer(to, s.to, 'u8', s.index, { mutable: true }),
    constant(value, call('splat_u8x16', 'u8x16', s.value)),
    ...inVectors(s.count, names, (n, isLast) => [
      storeVector('u8x16', to, 'u8', 0, local(value, 'u8x16'), n),
      ...(isLast ? [] : advance(to, width)),
    ]),
  ];
}
