/** Interval arithmetic as code, exact where both operands are plain numbers. */

import type { Interval } from '../../ir/kernel/interval.ts';
import type { Expr } from '../../ir/kernel/kernel.ts';
import type { BinaryOp } from '../../ir/kernel/operations.ts';
import {
  type Code,
  exactly,
  fresh,
  isOne,
  maxInt,
  minInt,
  mustLie,
  one,
  pair,
  type Value,
  wrapped,
} from './bounds.ts';
import { rareRange } from './runtime.ts';

type Binary = Expr & { readonly kind: 'binary' };

/** The value of an i32 operation on these operands; notes its rules. */
export function arithmetic(c: Code, e: Binary, a: Value, b: Value): Value {
  switch (e.op) {
    case 'add':
      return wrapped(c, sum(c, a, b), e, { what: 'sum' });
    case 'sub':
      return wrapped(c, difference(c, a, b), e, { what: 'difference' });
    case 'mul':
      return multiplied(c, e, a, b);
    case 'div':
    case 'mod':
      divisionRules(c, e, a, b);
      return rare(c, e.op, a, b);
    case 'shl':
    case 'shr':
      shiftRules(c, e, a, b);
      return rare(c, e.op, a, b);
    case 'and':
    case 'or':
    case 'xor':
      return rare(c, e.op, a, b);
    default:
      return e.op satisfies never;
  }
}

/** The exact sum; its bounds may leave i32. */
export function sum(c: Code, a: Value, b: Value): Value {
  const both = isOne(a) && isOne(b);
  const known = { lo: a.min + b.min, hi: a.max + b.max };
  return exactly(c, both, `${a.lo} + ${b.lo}`, `${a.hi} + ${b.hi}`, known);
}

function difference(c: Code, a: Value, b: Value): Value {
  const both = isOne(a) && isOne(b);
  const known = { lo: a.min - b.max, hi: a.max - b.min };
  return exactly(c, both, `${a.lo} - ${b.hi}`, `${a.hi} - ${b.lo}`, known);
}

export const multiplied = (c: Code, e: Expr, a: Value, b: Value): Value =>
  wrapped(c, product(c, a, b), e, { what: 'product' });

/** Products beyond 2^53 are rounded, but stay on their side of i32's bounds. */
function product(c: Code, a: Value, b: Value): Value {
  const corners = [a.min * b.min, a.min * b.max, a.max * b.min, a.max * b.max];
  const known = { lo: Math.min(...corners), hi: Math.max(...corners) };
  if (isOne(a) && isOne(b)) {
    const small = known.lo >= minInt && known.hi <= maxInt;
    const js = small ? `imul(${a.lo}, ${b.lo})` : `${a.lo} * ${b.lo}`;
    return exactly(c, true, js, js, known);
  }
  if (isOne(a)) return scaled(c, a.lo, b, known);
  if (isOne(b)) return scaled(c, b.lo, a, known);
  const all = [`${a.lo} * ${b.lo}`, `${a.lo} * ${b.hi}`, `${a.hi} * ${b.lo}`, `${a.hi} * ${b.hi}`].join(', ');
  return exactly(c, false, `min(${all})`, `max(${all})`, known);
}

/** A number times an interval: which end becomes which depends on the number's sign. */
function scaled(c: Code, k: string, x: Value, known: Interval): Value {
  const small = known.lo >= minInt && known.hi <= maxInt;
  const times = (end: string) => (small ? `imul(${k}, ${end})` : `${k} * ${end}`);
  const ends = exactly(c, false, times(x.lo), times(x.hi), known);
  return exactly(c, false, `min(${ends.lo}, ${ends.hi})`, `max(${ends.lo}, ${ends.hi})`, known);
}

function divisionRules(c: Code, e: Binary, a: Value, b: Value): void {
  if (b.min <= 0 && b.max >= 0) {
    const zero = one(c, `${b.lo} <= 0 && ${b.hi} >= 0 ? 1 : 0`);
    mustLie(c, zero, e, { lo: 0, hi: 0 }, { what: 'whether the divisor can be 0' });
  }
  if (a.min === minInt && b.min <= -1 && b.max >= -1) {
    const js = `${a.lo} === ${minInt} && ${b.lo} <= -1 && ${b.hi} >= -1 ? 1 : 0`;
    mustLie(c, one(c, js), e, { lo: 0, hi: 0 }, { what: 'whether it can be INT32_MIN / -1' });
  }
}

function shiftRules(c: Code, e: Binary, a: Value, b: Value): void {
  mustLie(c, b, e, { lo: 0, hi: 31 }, { what: 'shift amount' });
  if (e.op === 'shr') return;
  mustLie(c, a, e, { lo: 0, hi: maxInt }, { what: 'shifted value' });
  if (Math.max(0, a.max) * 2 ** Math.max(0, b.max) <= maxInt) return;
  const shifted = one(c, `${a.hi} * 2 ** ${b.hi}`);
  mustLie(c, { ...shifted, max: Infinity }, e, { lo: -Infinity, hi: maxInt }, { what: 'shifted result' });
}

const concreteJs: Readonly<Record<Exclude<BinaryOp, 'add' | 'sub' | 'mul'>, string>> = {
  div: '/',
  mod: '%',
  shl: '<<',
  shr: '>>',
  and: '&',
  or: '|',
  xor: '^',
};

function rare(c: Code, op: Exclude<BinaryOp, 'add' | 'sub' | 'mul'>, a: Value, b: Value): Value {
  const known = rareRange(op, { lo: a.min, hi: a.max }, { lo: b.min, hi: b.max });
  if (isOne(a) && isOne(b)) return one(c, `(${a.lo} ${concreteJs[op]} ${b.lo}) | 0`, known.lo, known.hi);
  const r = fresh(c);
  c.lines.push(
    `const ${r} = rareRange('${op}', { lo: ${a.lo}, hi: ${a.hi} }, { lo: ${b.lo}, hi: ${b.hi} });`,
  );
  return pair(c, `${r}.lo`, `${r}.hi`, known.lo, known.hi);
}
