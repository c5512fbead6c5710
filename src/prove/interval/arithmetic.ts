/** Interval arithmetic as code, exact where both operands are plain numbers. */

import { type Interval, isInt32 } from '../../ir/kernel/interval.ts';
import type { ExprOf } from '../../ir/kernel/kernel.ts';
import {
  allowedOf,
  atEnds,
  type BinaryOp,
  binaryOperations,
  intervalOf,
  type OperandRule,
} from '../../ir/kernel/operations.ts';
import {
  type Code,
  exactly,
  fresh,
  isOne,
  mustLie,
  one,
  pair,
  rangeOf,
  type Value,
  wrapped,
} from './bounds.ts';

type Binary = ExprOf<'binary'>;
type Operands = { readonly a: Value; readonly b: Value };

/** The value of an i32 operation on these operands; notes its rules. */
export function arithmetic(c: Code, e: Binary, a: Value, b: Value): Value {
  const { rules } = binaryOperations[e.op];
  for (const rule of rules) operandRule(c, e, rule, { a, b });
  const exact = exactResult(c, e.op, cut(c, a, allowedOf(e.op, 'a')), cut(c, b, allowedOf(e.op, 'b')));
  const overflow = rules.find(({ kind }) => kind === 'overflow');
  return overflow === undefined ? exact : wrapped(c, exact, e, { what: overflow.what });
}

function operandRule(c: Code, e: Binary, rule: OperandRule, operands: Operands): void {
  switch (rule.kind) {
    case 'within':
      mustLie(c, operands[rule.operand], e, rule.limits, { what: rule.what });
      return;
    case 'never':
      never(c, e, rule, operands);
      return;
    case 'overflow':
      return;
    default:
      rule satisfies never;
  }
}

/** Broken where each operand can be its number. */
function never(c: Code, e: Binary, rule: OperandRule & { kind: 'never' }, operands: Operands): void {
  const forbidden = rule.operands.map(([operand, x]) => [operands[operand], x] as const);
  if (!forbidden.every(([v, x]) => v.min <= x && v.max >= x)) return;
  const can = forbidden.map(([v, x]) => `${v.lo} <= ${x} && ${v.hi} >= ${x}`).join(' && ');
  mustLie(c, one(c, `${can} ? 1 : 0`), e, { lo: 0, hi: 0 }, { what: rule.what });
}

/** What remains of a value where the limits hold. */
function cut(c: Code, v: Value, { lo, hi }: Interval): Value {
  if (v.min >= lo && v.max <= hi) return v;
  const js = (x: string) => `min(${hi}, max(${lo}, ${x}))`;
  const [low, high] = [Math.max(lo, v.min), Math.min(hi, v.max)];
  return isOne(v) ? one(c, js(v.lo), low, high) : pair(c, js(v.lo), js(v.hi), low, high);
}

/** The exact sum; its bounds may leave i32. */
export const sum = (c: Code, a: Value, b: Value): Value => exactResult(c, 'add', a, b);

/** The result of operands that no rule forbids; with overflow its bounds leave i32. */
function exactResult(c: Code, op: BinaryOp, a: Value, b: Value): Value {
  const { interval, js } = binaryOperations[op];
  const known = intervalOf(op, rangeOf(a), rangeOf(b));
  const spelled = isInt32(known) ? js.int : js.real;
  if (isOne(a) && isOne(b)) {
    const only = spelled(a.lo, b.lo);
    return exactly(c, true, only, only, known);
  }
  if (typeof interval === 'function') return computed(c, op, a, b, known);
  const ends = atEnds(interval, a, b, spelled);
  if (interval !== 'all') return exactly(c, false, ends[0], ends[1], known);
  // Where one operand is a plain number, corners meet.
  const corners = [...new Set(ends)].map((js) => one(c, js).lo).join(', ');
  return exactly(c, false, `min(${corners})`, `max(${corners})`, known);
}

function computed(c: Code, op: BinaryOp, a: Value, b: Value, known: Interval): Value {
  const r = fresh(c);
  c.lines.push(
    `const ${r} = binaryOperations.${op}.interval({ lo: ${a.lo}, hi: ${a.hi} }, { lo: ${b.lo}, hi: ${b.hi} });`,
  );
  return pair(c, `${r}.lo`, `${r}.hi`, known.lo, known.hi);
}
