/** Builders of Kernel IR: short names, constants folded, nothing else. */
import type { Elem, Expr, PlainStmt, Stmt, Type, Vector } from './kernel.ts';
import { lanesOf } from './kernel.ts';
import { type BinaryOp, binaryOperations, brokenRule, type CompareOp } from './operations.ts';
import { scalarTypeOf, typeOf } from './walk.ts';

type Operand = Expr | number;

/** A 0 is never negative: -0 + 0 is 0. */
export const int = (value: number): Expr => ({ kind: 'int', value: value + 0 });
export const float = (value: number): Expr => ({ kind: 'float', value: Math.fround(value) });
export const local = (name: string, type: Type = 'i32'): Expr => ({ kind: 'local', name, type });

const expr = (x: Operand): Expr => (typeof x === 'number' ? int(x) : x);
const isInt = (e: Expr, value: number | undefined): boolean => e.kind === 'int' && e.value === value;

/** Constant operands are folded; x + 0, x * 1 and the like disappear. */
export function binary(op: BinaryOp, left: Operand, right: Operand): Expr {
  const a = expr(left);
  const b = expr(right);
  const { meaning, folding = {} } = binaryOperations[op];
  if (a.kind === 'int' && b.kind === 'int' && brokenRule(op, a.value, b.value) === undefined)
    return int(meaning(a.value, b.value));
  if (isInt(b, folding.right)) return a;
  if (isInt(a, folding.left)) return b;
  if (isInt(a, folding.zero) || isInt(b, folding.zero)) return int(0);
  return { kind: 'binary', op, type: scalarTypeOf(a), a, b };
}

export const add = (...terms: readonly Operand[]): Expr =>
  terms.map(expr).reduce((sum, term) => binary('add', sum, term), int(0));
export const sub = (a: Operand, b: Operand): Expr => binary('sub', a, b);
export const mul = (a: Operand, b: Operand): Expr => binary('mul', a, b);
export const div = (a: Operand, b: Operand): Expr => binary('div', a, b);
export const mod = (a: Operand, b: Operand): Expr => binary('mod', a, b);
export const shr = (a: Operand, b: Operand): Expr => binary('shr', a, b);
export const and = (a: Operand, b: Operand): Expr => binary('and', a, b);

export function compare(op: CompareOp, left: Operand, right: Operand): Expr {
  const a = expr(left);
  return { kind: 'compare', op, type: scalarTypeOf(a), a, b: expr(right) };
}

export function select(test: Expr, yes: Operand, no: Operand): Expr {
  const taken = expr(yes);
  return { kind: 'select', type: scalarTypeOf(taken), test, yes: taken, no: expr(no) };
}

/** Operands are evaluated twice in C: give locals or literals. */
export const maximum = (a: Operand, b: Operand): Expr => select(compare('gt', a, b), a, b);
export const minimum = (a: Operand, b: Operand): Expr => select(compare('lt', a, b), a, b);

export const load = (from: string, elem: Elem, index: Operand): Expr => ({
  kind: 'load',
  from,
  elem,
  index: expr(index),
});

/** All lanes, if `count` does not say how many. */
export const loadVector = (
  type: Vector,
  from: string,
  elem: Elem,
  index: Operand,
  count: Operand = lanesOf[type],
): Expr => ({ kind: 'loadVector', type, from, elem, index: expr(index), count: expr(count) });

/** The first `count` lanes, each from so many elements beyond `index`. */
export const gather = (
  type: Vector,
  from: string,
  elem: Elem,
  index: Operand,
  offsets: Expr,
  count: number,
): Expr => ({ kind: 'loadVector', type, from, elem, index: expr(index), count: int(count), offsets });

export const call = (primitive: string, type: Type, ...args: readonly Operand[]): Expr => ({
  kind: 'call',
  primitive,
  type,
  args: args.map(expr),
});

export const constant = (name: string, value: Operand): Stmt => {
  const e = expr(value);
  return { kind: 'let', name, type: typeOf(e), value: e, mutable: false };
};
export const variable = (name: string, value: Operand): Stmt => {
  const e = expr(value);
  return { kind: 'let', name, type: typeOf(e), value: e, mutable: true };
};
export const assign = (name: string, value: Operand): PlainStmt => {
  const e = expr(value);
  return { kind: 'assign', name, type: typeOf(e), value: e };
};
export const accumulate = (name: string, value: Operand): PlainStmt => {
  const e = expr(value);
  return { kind: 'accumulate', name, type: scalarTypeOf(e), value: e };
};
export const pointer = (
  name: string,
  base: string,
  elem: Elem,
  offset: Operand,
  { mutable = false }: { readonly mutable?: boolean } = {},
): Stmt => ({ kind: 'pointer', name, base, elem, offset: expr(offset), mutable });
/** Nothing when `by` is 0. */
export const advance = (name: string, by: Operand): readonly Stmt[] => {
  const e = expr(by);
  return e.kind === 'int' && e.value === 0 ? [] : [{ kind: 'advance', name, by: e }];
};
export const store = (to: string, elem: Elem, index: Operand, value: Operand): Stmt => ({
  kind: 'store',
  to,
  elem,
  index: expr(index),
  value: expr(value),
});

/** The first `count` lanes. */
export const storeVector = (
  type: Vector,
  to: string,
  elem: Elem,
  index: Operand,
  value: Expr,
  count: Operand = lanesOf[type],
): Stmt => ({ kind: 'storeVector', type, to, elem, index: expr(index), value, count: expr(count) });

interface LoopOptions {
  readonly from?: Operand;
  readonly step?: number;
  readonly rolled?: true;
}

/** A loop over 0, step, 2 step, ... below `to`; a single pass of a constant loop is the body at 0, without a loop. */
export function loop(
  name: string,
  to: Operand,
  body: (i: Expr) => readonly Stmt[],
  { from = 0, step = 1, ...rest }: LoopOptions = {},
): readonly Stmt[] {
  if (typeof to === 'number' && typeof from === 'number' && to - from <= step)
    return to > from ? body(int(from)) : [];
  return [{ kind: 'for', name, from: expr(from), to: expr(to), step, ...rest, body: body(local(name)) }];
}

export const when = (test: Expr, yes: readonly Stmt[], no: readonly Stmt[] = []): Stmt => ({
  kind: 'if',
  test,
  yes,
  no,
});

/** `count` elements; nothing when it is 0. */
export const copy = (
  elem: Elem,
  to: readonly [string, Operand],
  from: readonly [string, Operand],
  count: Operand,
): Stmt => ({
  kind: 'copy',
  elem,
  to: to[0],
  toIndex: expr(to[1]),
  from: from[0],
  fromIndex: expr(from[1]),
  count: expr(count),
});

export const fill = (to: string, elem: 'u8' | 'i8', index: Operand, value: number, count: Operand): Stmt => ({
  kind: 'fill',
  elem,
  to,
  index: expr(index),
  value: int(value),
  count: expr(count),
});

/** 0, 1, ..., n - 1: for what is unrolled while building. */
export const times = <T>(n: number, make: (i: number) => T): T[] =>
  Array.from({ length: n }, (_, i) => make(i));

/** The integer nearest to a float32, halves to even, cut off at 2^21 on either side. */
export const nearestEven = (x: Expr): Expr =>
  call('nearest_within_f32', 'i32', x, int(-(2 ** 21)), int(2 ** 21));
