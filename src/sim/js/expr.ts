/** Expressions of Kernel IR as JavaScript expressions with C's rules. */
import { type Elem, type Expr, elemBytes } from '../../ir/kernel/kernel.ts';
import type { BinaryOp, CompareOp } from '../../ir/kernel/operations.ts';
import { ownerOf, ownerPair } from '../arena.ts';
import type { Rule } from '../trap.ts';
import { type Context, fail, isLive, type JsArray, jsArray, jsName, temporary } from './site.ts';

type Of<K extends Expr['kind']> = Expr & { readonly kind: K };

const compareJs: Readonly<Record<CompareOp, string>> = {
  lt: '<',
  le: '<=',
  gt: '>',
  ge: '>=',
  eq: '===',
  ne: '!==',
};

/** A JavaScript expression of the same value; an i32 is always an integral double in range, never -0. */
export function value(c: Context, e: Expr): string {
  switch (e.kind) {
    case 'int':
      return e.value < 0 ? `(${e.value})` : String(e.value);
    case 'float':
      return Object.is(e.value, -0) ? '(-0)' : `(${e.value})`;
    case 'local':
      return jsName(e.name);
    case 'binary':
      return e.type === 'f32' ? floatBinary(c, e) : intBinary(c, e);
    case 'compare':
      return `(${test(c, e)} ? 1 : 0)`;
    case 'select':
      return `(${test(c, e.test)} ? ${value(c, e.yes)} : ${value(c, e.no)})`;
    case 'load':
      return load(c, e);
    case 'toFloat':
      return `fround(${value(c, e.value)})`;
    case 'toInt':
      return toInt(c, e);
    case 'call':
      return call(c, e);
    default:
      return e satisfies never;
  }
}

/** A JavaScript condition that holds where the expression is not 0. */
export function test(c: Context, e: Expr): string {
  if (e.kind === 'compare') return `(${value(c, e.a)} ${compareJs[e.op]} ${value(c, e.b)})`;
  return `(${value(c, e)} !== 0)`;
}

const floatSymbol: Partial<Record<BinaryOp, string>> = { add: '+', sub: '-', mul: '*', div: '/' };

/**
 * Rounding a double result to binary32 is the binary32 result for + - * /: 53 >= 2 * 24 + 2 (Figueroa 1995).
 */
const floatBinary = (c: Context, e: Of<'binary'>): string =>
  `fround(${value(c, e.a)} ${floatSymbol[e.op]} ${value(c, e.b)})`;

function intBinary(c: Context, e: Of<'binary'>): string {
  const a = value(c, e.a);
  const b = value(c, e.b);
  if (!isLive(c, e)) return uncheckedBinary(e.op, a, b);
  switch (e.op) {
    case 'add':
    case 'sub':
      return overflowing(c, e, a, b, e.op === 'add' ? '+' : '-');
    case 'mul':
      return overflowing(c, e, a, b, '*');
    case 'div':
    case 'mod':
      return division(c, e, a, b);
    case 'shl':
    case 'shr':
      return shift(c, e, a, b);
    case 'and':
    case 'or':
    case 'xor':
      return uncheckedBinary(e.op, a, b);
    default:
      return e.op satisfies never;
  }
}

function uncheckedBinary(op: BinaryOp, a: string, b: string): string {
  switch (op) {
    case 'add':
      return `(${a} + ${b} | 0)`;
    case 'sub':
      return `(${a} - ${b} | 0)`;
    case 'mul':
      return `imul(${a}, ${b})`;
    // A double quotient of two int32 truncates to the right integer: it is never rounded across one.
    case 'div':
      return `(${a} / ${b} | 0)`;
    case 'mod':
      return `(${a} % ${b} | 0)`;
    case 'shl':
      return `(${a} << ${b})`;
    case 'shr':
      return `(${a} >> ${b})`;
    case 'and':
      return `(${a} & ${b})`;
    case 'or':
      return `(${a} | ${b})`;
    case 'xor':
      return `(${a} ^ ${b})`;
    default:
      return op satisfies never;
  }
}

/** A product beyond 2^53 is rounded, but stays beyond int32. */
function overflowing(c: Context, e: Expr, a: string, b: string, symbol: string): string {
  const [x, y, r] = [temporary(c), temporary(c), temporary(c)];
  const trap = fail(c, 'signed overflow', e, `${x}, ${y}`);
  return `(${x} = ${a}, ${y} = ${b}, ${r} = ${x} ${symbol} ${y}, ${r} === (${r} | 0) ? ${r} | 0 : ${trap})`;
}

function division(c: Context, e: Of<'binary'>, a: string, b: string): string {
  const [x, y] = [temporary(c), temporary(c)];
  const zero = fail(c, 'division by zero', e, `${x}, ${y}`);
  const overflow = fail(c, 'signed overflow', e, `${x}, ${y}`);
  const result = uncheckedBinary(e.op, x, y);
  const tooBig = `${y} === -1 && ${x} === -2147483648`;
  return `(${x} = ${a}, ${y} = ${b}, ${y} === 0 ? ${zero} : ${tooBig} ? ${overflow} : ${result})`;
}

/** C99 6.5.7: amounts 0..31; a left shift of a non-negative value whose result is representable. */
function shift(c: Context, e: Of<'binary'>, a: string, b: string): string {
  const [x, y] = [temporary(c), temporary(c)];
  const trap = fail(c, 'bad shift', e, `${x}, ${y}`);
  const amount = `${y} < 0 || ${y} > 31`;
  const bad = e.op === 'shr' ? amount : `${amount} || ${x} < 0 || ${x} > 2147483647 >> ${y}`;
  return `(${x} = ${a}, ${y} = ${b}, ${bad} ? ${trap} : ${uncheckedBinary(e.op, x, y)})`;
}

function toInt(c: Context, e: Of<'toInt'>): string {
  const x = value(c, e.value);
  if (!isLive(c, e)) return `(${x} | 0)`;
  const t = temporary(c);
  const trap = fail(c, 'float out of int range', e, t);
  return `(${t} = ${x}, ${t} > -2147483649 && ${t} < 2147483648 ? ${t} | 0 : ${trap})`;
}

function call(c: Context, e: Of<'call'>): string {
  c.primitives.add(e.primitive);
  const args = e.args.map((arg) => value(c, arg));
  const rounded = (js: string) => (e.type === 'f32' ? `fround(${js})` : `(${js} | 0)`);
  if (!isLive(c, e)) return rounded(`prim_${e.primitive}(${args.join(', ')})`);
  const names = args.map(() => temporary(c));
  const list = names.join(', ');
  const trap = fail(c, 'precondition', e, list);
  const sets = names.map((name, i) => `${name} = ${args[i]}, `).join('');
  const valid = `valid('${e.primitive}', [${list}])`;
  return `(${sets}${valid} ? ${rounded(`prim_${e.primitive}(${list})`)} : ${trap})`;
}

function load(c: Context, e: Of<'load'>): string {
  const array = jsArray(c, e.from);
  const index = elementIndex(array, value(c, e.index));
  if (!c.checked || (array.slot === undefined && !isLive(c, e))) return `${array.view}[${index}]`;
  const t = temporary(c);
  const outside = isLive(c, e) ? `${outOfBounds(c, array, t, e, e.from)} : ` : '';
  const read = `${array.view}[${t}]`;
  if (array.slot === undefined) return `(${t} = ${index}, ${outside}${read})`;
  const lost = fail(c, 'overwritten byte', e, t, e.from);
  return `(${t} = ${index}, ${outside}${owned(array.elem, array.slot, t)} ? ${read} : ${lost})`;
}

/** `origin + index`, in elements of the view. */
export const elementIndex = (array: JsArray, index: string): string =>
  array.origin === '0' ? index : index === '0' ? array.origin : `${array.origin} + ${index}`;

/** `condition ? trap`, to be followed by ` : `; the trap gets the absolute element, made relative later. */
function outOfBounds(c: Context, array: JsArray, at: string, node: Expr, name: string): string {
  const trap = failAt(c, 'out of bounds', node, array, at, name);
  return `${at} < ${array.start} || ${at} >= ${array.end} ? ${trap}`;
}

const failAt = (c: Context, rule: Rule, node: Expr, array: JsArray, at: string, name: string): string =>
  fail(c, rule, node, `${at} - ${array.start}, ${array.end - array.start}`, name);

/** Whether all bytes of element `at` belong to the slot. Alignment lets pairs be compared at once. */
function owned(elem: Elem, slot: number, at: string): string {
  const pair = ownerPair(slot);
  switch (elemBytes[elem]) {
    case 1:
      return `owners[${at}] === ${ownerOf(slot)}`;
    case 2:
      return `ownerPairs[${at}] === ${pair}`;
    default:
      return `ownerPairs[2 * ${at}] === ${pair} && ownerPairs[2 * ${at} + 1] === ${pair}`;
  }
}

/** Statements that make the slot the owner of element `at`. */
export function own(elem: Elem, slot: number, at: string): string {
  const pair = ownerPair(slot);
  switch (elemBytes[elem]) {
    case 1:
      return `owners[${at}] = ${ownerOf(slot)};`;
    case 2:
      return `ownerPairs[${at}] = ${pair};`;
    default:
      return `ownerPairs[2 * ${at}] = ${pair}; ownerPairs[2 * ${at} + 1] = ${pair};`;
  }
}
