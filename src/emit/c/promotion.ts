/**
 * C computes with operands narrower than int in int, which may have 16 bits (AVR, MSP430). Here is which operations
 * of Kernel IR C would compute in int, and which of them need int32_t: those whose result may not fit 16 bits, shifts
 * by what may be 16 or more, and those (choices too) that meet an element of type uint16_t, which promotes to
 * unsigned there.
 */
import type { Interval } from '../../ir/kernel/interval.ts';
import type { Elem, Expr, ExprOf } from '../../ir/kernel/kernel.ts';
import { intervalOf } from '../../ir/kernel/operations.ts';

const int16: Interval = { lo: -32768, hi: 32767 };
const inside = ({ lo, hi }: Interval): boolean => lo >= int16.lo && hi <= int16.hi;

/** Elements that promote to an int of 16 bits. */
const promoted: Readonly<Partial<Record<Elem, Interval>>> = {
  u8: { lo: 0, hi: 255 },
  i8: { lo: -128, hi: 127 },
  i16: int16,
};

const both = (a: Interval | undefined, b: Interval | undefined): Interval | undefined =>
  a && b && { lo: Math.min(a.lo, b.lo), hi: Math.max(a.hi, b.hi) };

/** The values of an expression that has C's type int where int has 16 bits; undefined: it has int32_t or another. */
function asInt(e: Expr): Interval | undefined {
  switch (e.kind) {
    case 'int':
      return inside({ lo: e.value, hi: e.value }) ? { lo: e.value, hi: e.value } : undefined;
    case 'load':
      return promoted[e.elem];
    case 'compare':
      return { lo: 0, hi: 1 };
    case 'select':
      return both(asInt(e.yes), asInt(e.no));
    case 'binary': {
      const found = unwidened(e);
      return found && inside(found) ? found : undefined;
    }
    case 'float':
    case 'local':
    case 'loadVector':
    case 'toFloat':
    case 'toInt':
    case 'call':
      return undefined;
    default:
      return e satisfies never;
  }
}

const isShift = ({ op }: ExprOf<'binary'>): boolean => op === 'shl' || op === 'shr';

/** By how much an expression shifts at most. */
function farthest(e: Expr): number {
  if (e.kind === 'int') return e.value;
  return e.kind === 'binary' && e.op === 'and' && e.b.kind === 'int' && e.b.value >= 0 ? e.b.value : 31;
}

/** What an operation gives that C would compute in int; a shift has the type of its left operand. */
function unwidened(e: ExprOf<'binary'>): Interval | undefined {
  const [a, b] = [asInt(e.a), asInt(e.b)];
  if (a !== undefined && isShift(e) && farthest(e.b) > 15) return { lo: -(2 ** 31), hi: 2 ** 31 - 1 };
  if (a !== undefined && isShift(e)) return intervalOf(e.op, a, b ?? { lo: 0, hi: 31 });
  return a && b && intervalOf(e.op, a, b);
}

const isWord = (e: Expr): boolean =>
  (e.kind === 'load' && e.elem === 'u16') || (e.kind === 'select' && isWord(e.yes) && isWord(e.no));

/** Which operands of an operation or comparison, or arms of a choice, stand as `(int32_t)x`. */
export function widened(e: ExprOf<'binary' | 'compare' | 'select'>): {
  readonly a: boolean;
  readonly b: boolean;
} {
  const [a, b] = e.kind === 'select' ? [e.yes, e.no] : [e.a, e.b];
  const words = { a: isWord(a), b: isWord(b) };
  if (e.kind === 'compare') return words;
  // Arms of int would become unsigned too.
  if (e.kind === 'select')
    return { a: words.a && asInt(b) !== undefined, b: words.b && asInt(a) !== undefined };
  const found = unwidened(e);
  return { a: words.a || (found !== undefined && !inside(found)), b: words.b };
}
