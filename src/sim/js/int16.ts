/**
 * C's types where int has 16 bits (AVR, MSP430): what an expression's type is as the C is printed, and when a value
 * is not the one that 32 bits give. The types follow C99 6.3.1 alone; how the casts were chosen is not asked.
 */
import type { Elem, Expr, ExprOf, Type } from '../../ir/kernel/kernel.ts';

type Pair = ExprOf<'binary' | 'compare' | 'select'>;

/** Which operands of an operation or comparison, or arms of a choice, the C casts to int32_t. */
export type Casts = (e: Pair) => { readonly a: boolean; readonly b: boolean };

/** By rank: of two operands the later one is the type of both. */
const ranks = ['int', 'unsigned', 'int32_t', 'float'] as const;
export type CType = (typeof ranks)[number];

const elemType: Readonly<Record<Elem, CType>> = {
  u8: 'int',
  i8: 'int',
  i16: 'int',
  u16: 'unsigned',
  i32: 'int32_t',
  f32: 'float',
};

const common = (a: CType, b: CType): CType => (ranks.indexOf(a) > ranks.indexOf(b) ? a : b);
/** Vectors meet no other type. */
const scalarType = (type: Type): CType => (type === 'f32' ? 'float' : 'int32_t');

/** `-32768` is 32768, which is a long, negated. */
const constantType = (value: number): CType => (value > -32768 && value <= 32767 ? 'int' : 'int32_t');

export function cTypeOf(e: Expr, casts: Casts): CType {
  switch (e.kind) {
    case 'int':
      return constantType(e.value);
    case 'load':
      return elemType[e.elem];
    case 'compare':
      return 'int';
    case 'select':
      return computedIn(e, casts);
    case 'binary':
      return e.op === 'shl' || e.op === 'shr' ? operandTypes(e, casts).a : computedIn(e, casts);
    case 'float':
    case 'toFloat':
      return 'float';
    case 'toInt':
      return 'int32_t';
    case 'local':
    case 'call':
    case 'loadVector':
      return scalarType(e.type);
    default:
      return e satisfies never;
  }
}

function operandTypes(e: Pair, casts: Casts): { readonly a: CType; readonly b: CType } {
  const cast = casts(e);
  const [a, b] = e.kind === 'select' ? [e.yes, e.no] : [e.a, e.b];
  return { a: cast.a ? 'int32_t' : cTypeOf(a, casts), b: cast.b ? 'int32_t' : cTypeOf(b, casts) };
}

/** What both operands become. */
export function computedIn(e: Pair, casts: Casts): CType {
  const { a, b } = operandTypes(e, casts);
  return common(a, b);
}

/**
 * The JavaScript condition under which an operation of a 16-bit type is not that on 32 bits: `result` leaves the
 * type; a shift by 16 or more; a quotient of a negative number that became unsigned, or of INT_MIN and -1.
 */
export function differsIn16(
  { op }: ExprOf<'binary'>,
  type: 'int' | 'unsigned',
  { a, b, result }: { readonly a: string; readonly b: string; readonly result: string },
): string {
  const [lo, hi] = type === 'int' ? [-32768, 32767] : [0, 65535];
  const outside = `${result} < ${lo} || ${result} > ${hi}`;
  if (op === 'shl' || op === 'shr') return `${b} > 15 || ${outside}`;
  if (op !== 'div' && op !== 'mod') return outside;
  return type === 'int' ? `${a} === -32768 && ${b} === -1` : `${a} < 0 || ${b} < 0`;
}
