/** Expressions of Kernel IR as C99, with the parentheses that C needs or that compilers ask for. */
import type { Expr } from '../../ir/kernel/kernel.ts';
import { type BinaryOp, binaryOperations, compareOperations } from '../../ir/kernel/operations.ts';
import { cFloat } from './floats.ts';
import { cInt } from './lines.ts';
import { widened } from './promotion.ts';
import { accessName, hasCount } from './vector-access.ts';

/** C's spelling of the names of arrays and functions: they may be called otherwise in the file. */
export type Rename = (name: string, what?: 'function') => string;

function binaryInBinary(child: BinaryOp, parent: BinaryOp, right: boolean): boolean {
  const { precedence: inner, chains } = binaryOperations[child];
  const outer = binaryOperations[parent].precedence;
  if (inner !== undefined && outer !== undefined) return right ? inner <= outer : inner < outer;
  return right || child !== parent || chains === undefined;
}

/** Whether `child` needs parentheses as an operand of `parent`. */
function enclosed(child: Expr, parent: BinaryOp | 'compare', right: boolean): boolean {
  switch (child.kind) {
    case 'binary':
      if (parent === 'compare') return binaryOperations[child.op].precedence === undefined;
      return binaryInBinary(child.op, parent, right);
    case 'compare':
    case 'select':
      return true;
    case 'int':
    case 'float':
    case 'local':
    case 'load':
    case 'loadVector':
    case 'toFloat':
    case 'toInt':
    case 'call':
      return false;
    default:
      return child satisfies never;
  }
}

const isSimple = (e: Expr): boolean =>
  e.kind === 'local' ||
  e.kind === 'load' ||
  e.kind === 'call' ||
  e.kind === 'toFloat' ||
  e.kind === 'toInt' ||
  ((e.kind === 'int' || e.kind === 'float') && e.value >= 0);

/** `(type)value`, for a value of any precedence. */
export const cCast = (type: string, value: Expr, rename: Rename): string =>
  `(${type})${isSimple(value) ? cExpr(value, rename) : `(${cExpr(value, rename)})`}`;

/** `-n` for a negative constant of which the positive is an int32 too. */
function negated(e: Expr): Expr | undefined {
  return e.kind === 'int' && e.value < 0 && e.value > -(2 ** 31)
    ? { kind: 'int', value: -e.value }
    : undefined;
}

function binary(e: Expr & { kind: 'binary' }, rename: Rename): string {
  const { opposite } = binaryOperations[e.op];
  const flipped = opposite && e.type === 'i32' ? negated(e.b) : undefined;
  // x + -3 is x - 3, for every x and with the same overflow.
  const op = flipped && opposite ? opposite : e.op;
  const wide = widened(e);
  const a = operand(e.a, op, false, rename, wide.a);
  return `${a} ${binaryOperations[op].sign} ${operand(flipped ?? e.b, op, true, rename, wide.b)}`;
}

/** @param wide `(int32_t)` stands before it */
function operand(
  e: Expr,
  parent: BinaryOp | 'compare',
  right: boolean,
  rename: Rename,
  wide: boolean,
): string {
  if (wide) return cCast('int32_t', e, rename);
  const text = cExpr(e, rename);
  return enclosed(e, parent, right) ? `(${text})` : text;
}

/**
 * Nested choices read on in the last arm; elsewhere they stand in parentheses.
 * @param wide `(int32_t)` stands before it
 */
function arm(e: Expr, last: boolean, rename: Rename, wide = false): string {
  if (wide) return cCast('int32_t', e, rename);
  return e.kind === 'select' && !last ? `(${cExpr(e, rename)})` : cExpr(e, rename);
}

export function cExpr(e: Expr, rename: Rename): string {
  switch (e.kind) {
    case 'int':
      return cInt(e.value);
    case 'float':
      return cFloat(e.value);
    case 'local':
      return e.name;
    case 'binary':
      return binary(e, rename);
    case 'compare': {
      const wide = widened(e);
      const a = operand(e.a, 'compare', false, rename, wide.a);
      return `${a} ${compareOperations[e.op].sign} ${operand(e.b, 'compare', true, rename, wide.b)}`;
    }
    case 'select': {
      const wide = widened(e);
      const [yes, no] = [arm(e.yes, false, rename, wide.a), arm(e.no, true, rename, wide.b)];
      return `${arm(e.test, false, rename)} ? ${yes} : ${no}`;
    }
    case 'load':
      return `${rename(e.from)}[${cExpr(e.index, rename)}]`;
    case 'loadVector': {
      const rest = [...(e.offsets === undefined ? [] : [e.offsets]), ...(hasCount(e) ? [e.count] : [])];
      const args = [cAddress(e.from, e.index, rename), ...rest.map((part) => cExpr(part, rename))];
      return `${rename(accessName(e), 'function')}(${args.join(', ')})`;
    }
    case 'toFloat':
      return cCast('float', e.value, rename);
    case 'toInt':
      return cCast('int32_t', e.value, rename);
    case 'call':
      return `${rename(e.primitive, 'function')}(${e.args.map((a) => cExpr(a, rename)).join(', ')})`;
    default:
      return e satisfies never;
  }
}

/**
 * A pointer `index` elements into `base`. Sums are written `&base[sum]`: `base + a + b` would be another
 * expression, with a pointer between that may lie outside of the array.
 */
export function cAddress(base: string, index: Expr, rename: Rename): string {
  const name = rename(base);
  if (index.kind === 'int' && index.value === 0) return name;
  if (enclosed(index, 'add', true) || negated(index)) return `&${name}[${cExpr(index, rename)}]`;
  return `${name} + ${cExpr(index, rename)}`;
}
