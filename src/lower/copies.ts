/** Copies of statements under other names, and with other values for some locals. */
import { DefectError } from '../base/errors.ts';
import { binary } from '../ir/kernel/builders.ts';
import type { Expr, Stmt } from '../ir/kernel/kernel.ts';

export interface Changes {
  /** Names of what the copied statements declare: locals, counters, pointers. */
  readonly name: (name: string) => string;
  /** What stands in place of a local from outside. */
  readonly values: ReadonlyMap<string, Expr>;
  /** What stands in place of a load's index, if anything does. */
  readonly index?: (from: string, index: Expr) => Expr;
}

const kept = (_from: string, index: Expr): Expr => index;

/** Constants are folded. */
export function copiedExpr(e: Expr, changes: Changes): Expr {
  const of = (part: Expr): Expr => copiedExpr(part, changes);
  switch (e.kind) {
    case 'int':
    case 'float':
      return e;
    case 'local':
      return changes.values.get(e.name) ?? { ...e, name: changes.name(e.name) };
    case 'binary':
      return binary(e.op, of(e.a), of(e.b));
    case 'compare':
      return { ...e, a: of(e.a), b: of(e.b) };
    case 'select':
      return { ...e, test: of(e.test), yes: of(e.yes), no: of(e.no) };
    case 'load':
      return { ...e, from: changes.name(e.from), index: (changes.index ?? kept)(e.from, of(e.index)) };
    case 'loadVector':
      return {
        ...e,
        from: changes.name(e.from),
        index: of(e.index),
        count: of(e.count),
        ...(e.offsets === undefined ? {} : { offsets: of(e.offsets) }),
      };
    case 'toFloat':
    case 'toInt':
      return { ...e, value: of(e.value) };
    case 'call':
      return { ...e, args: e.args.map(of) };
    default:
      return e satisfies never;
  }
}

export const copied = (body: readonly Stmt[], changes: Changes): readonly Stmt[] =>
  body.map((s) => copiedStmt(s, changes));

function copiedStmt(s: Stmt, changes: Changes): Stmt {
  const { name } = changes;
  const of = (e: Expr): Expr => copiedExpr(e, changes);
  switch (s.kind) {
    case 'let':
    case 'assign':
    case 'accumulate':
      return { ...s, name: name(s.name), value: of(s.value) };
    case 'pointer':
      return { ...s, name: name(s.name), base: name(s.base), offset: of(s.offset) };
    case 'advance':
      return { ...s, name: name(s.name), by: of(s.by) };
    case 'store':
      return { ...s, to: name(s.to), index: of(s.index), value: of(s.value) };
    case 'for':
      return { ...s, name: name(s.name), from: of(s.from), to: of(s.to), body: copied(s.body, changes) };
    case 'if':
      return { ...s, test: of(s.test), yes: copied(s.yes, changes), no: copied(s.no, changes) };
    case 'copy':
      return {
        ...s,
        to: name(s.to),
        toIndex: of(s.toIndex),
        from: name(s.from),
        fromIndex: of(s.fromIndex),
        count: of(s.count),
      };
    case 'storeVector':
    case 'fill':
      return { ...s, to: name(s.to), index: of(s.index), value: of(s.value), count: of(s.count) };
    case 'comment':
      return s;
    case 'startRows':
    case 'rowSum':
      throw new DefectError('sums of rows are not copied');
    default:
      return s satisfies never;
  }
}

/** Names that a body declares get the suffix, all others stay. */
export function suffixed(declared: ReadonlySet<string>, suffix: string): Changes['name'] {
  return (name) => (suffix !== '' && declared.has(name) ? name + suffix : name);
}
