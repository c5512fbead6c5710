/**
 * The operations of Kernel IR, everything about each in one literal: what C, JavaScript and WebAssembly call it,
 * what it means, what C leaves undefined, how it bounds, what it costs.
 */
import type { Code } from '../../wasm/code.ts';
import { f32, i32, i32x4 } from '../../wasm/instructions.ts';
import { allInts, andRange, cutTo, divRange, hull, type Interval, modRange, orRange } from './interval.ts';

type Numbers<Result> = (a: number, b: number) => Result;
/** Operands are JavaScript's literals, names, or in parentheses. */
type Spelling = (a: string, b: string) => string;
type Instruction = (a: Code, b: Code) => Code;
type Operand = 'a' | 'b';
/** Which ends give an operation's bounds: those of the same side, those of opposite sides, the extremes of all. */
type Ends = 'same' | 'opposite' | 'all';

/** What C leaves undefined on i32. */
export type OperandRule = {
  /** The simulator's trap. */
  readonly trap: 'signed overflow' | 'division by zero' | 'bad shift';
  /** What the number is that breaks it, for reports. */
  readonly what: string;
} & (
  | { readonly kind: 'within'; readonly operand: Operand; readonly limits: Interval }
  /** The operands that may not be these numbers, all at once. */
  | { readonly kind: 'never'; readonly operands: readonly (readonly [Operand, number])[] }
  /** The exact result has to be an i32. */
  | { readonly kind: 'overflow' }
);

interface BinaryOperation<Op> {
  /** As C, messages and most of JavaScript write it. */
  readonly sign: string;
  /** Whether it is one of the operators whose precedence is well known; other mixtures get parentheses. */
  readonly precedence?: number;
  /** `a op b op c` without parentheses, where no precedence says so. */
  readonly chains?: true;
  /** a op -n is a opposite n, with the same overflow. */
  readonly opposite?: Op;
  /** On i32, never -0; exact where C defines it. */
  readonly meaning: Numbers<number>;
  /** a op right = a; left op b = b; a op zero = zero op b = 0. */
  readonly folding?: { readonly left?: number; readonly right?: number; readonly zero?: number };
  readonly rules: readonly OperandRule[];
  readonly interval: Ends | ((a: Interval, b: Interval) => Interval);
  /** On i32 where no rule is broken; in float64, exact where overflow is a rule, to be rounded for f32. */
  readonly js: { readonly int: Spelling; readonly real: Spelling };
  readonly wasm: Instruction;
  /** What has no meaning on f32 has none of it. */
  readonly f32?: { readonly meaning: Numbers<number>; readonly wasm: Instruction };
  /** Which kind of operation the models of speed and size count. */
  readonly cost: 'add' | 'mul' | 'divide' | 'bits';
}

const overflow = (what: string, trap: OperandRule['trap'] = 'signed overflow'): OperandRule => ({
  kind: 'overflow',
  trap,
  what,
});
const never = (
  trap: OperandRule['trap'],
  what: string,
  ...operands: readonly (readonly [Operand, number])[]
): OperandRule => ({ kind: 'never', trap, what, operands });
/** C99 6.5.7 */
const shift = (operand: Operand, hi: number, what: string): OperandRule => ({
  kind: 'within',
  trap: 'bad shift',
  what,
  operand,
  limits: { lo: 0, hi },
});
/** INT32_MIN % -1 too, since its quotient overflows. */
const division: readonly OperandRule[] = [
  never('division by zero', 'whether the divisor can be 0', ['b', 0]),
  never('signed overflow', 'whether it can be INT32_MIN / -1', ['a', allInts.lo], ['b', -1]),
];

const signed = (sign: string): Pick<BinaryOperation<never>, 'sign' | 'js'> => ({
  sign,
  js: { int: (a, b) => `(${a} ${sign} ${b} | 0)`, real: (a, b) => `${a} ${sign} ${b}` },
});
const bitwise = { chains: true, rules: [], cost: 'bits' } as const;
const rounded = Math.fround;

const binaryTable = <Op extends string>(
  operations: Readonly<Record<Op, BinaryOperation<NoInfer<Op>>>>,
): typeof operations => operations;

export const binaryOperations = binaryTable({
  add: {
    ...signed('+'),
    precedence: 1,
    opposite: 'sub',
    meaning: (a, b) => a + b,
    folding: { left: 0, right: 0 },
    rules: [overflow('sum')],
    interval: 'same',
    wasm: i32.add,
    f32: { meaning: (a, b) => rounded(a + b), wasm: f32.add },
    cost: 'add',
  },
  sub: {
    ...signed('-'),
    precedence: 1,
    opposite: 'add',
    meaning: (a, b) => a - b,
    folding: { right: 0 },
    rules: [overflow('difference')],
    interval: 'opposite',
    wasm: i32.sub,
    f32: { meaning: (a, b) => rounded(a - b), wasm: f32.sub },
    cost: 'add',
  },
  /** A product beyond 2^53 is rounded, but stays on its side of i32's bounds. */
  mul: {
    sign: '*',
    precedence: 2,
    meaning: (a, b) => a * b + 0,
    folding: { left: 1, right: 1, zero: 0 },
    rules: [overflow('product')],
    interval: 'all',
    js: { int: (a, b) => `imul(${a}, ${b})`, real: (a, b) => `${a} * ${b}` },
    wasm: i32.mul,
    f32: { meaning: (a, b) => rounded(a * b), wasm: f32.mul },
    cost: 'mul',
  },
  /** Truncates on i32. The double quotient of two int32 is never rounded across an integer. */
  div: {
    ...signed('/'),
    precedence: 2,
    meaning: (a, b) => Math.trunc(a / b) + 0,
    rules: division,
    interval: divRange,
    wasm: i32.div,
    f32: { meaning: (a, b) => rounded(a / b), wasm: f32.div },
    cost: 'divide',
  },
  mod: {
    ...signed('%'),
    precedence: 2,
    meaning: (a, b) => (a % b) + 0,
    rules: division,
    interval: modRange,
    wasm: i32.rem,
    cost: 'divide',
  },
  shl: {
    sign: '<<',
    meaning: (a, b) => a * 2 ** b,
    folding: { right: 0 },
    rules: [
      shift('b', 31, 'shift amount'),
      shift('a', allInts.hi, 'shifted value'),
      overflow('shifted result', 'bad shift'),
    ],
    interval: 'same',
    js: { int: (a, b) => `(${a} << ${b} | 0)`, real: (a, b) => `${a} * 2 ** ${b}` },
    wasm: i32.shl,
    cost: 'bits',
  },
  /** Arithmetic: rounds down. */
  shr: {
    ...signed('>>'),
    meaning: (a, b) => a >> b,
    folding: { right: 0 },
    rules: [shift('b', 31, 'shift amount')],
    interval: 'all',
    wasm: i32.shr,
    cost: 'bits',
  },
  and: {
    ...signed('&'),
    ...bitwise,
    meaning: (a, b) => a & b,
    interval: andRange,
    wasm: i32.and,
  },
  or: {
    ...signed('|'),
    ...bitwise,
    meaning: (a, b) => a | b,
    folding: { right: 0 },
    interval: orRange,
    wasm: i32.or,
  },
  xor: {
    ...signed('^'),
    ...bitwise,
    meaning: (a, b) => a ^ b,
    folding: { right: 0 },
    interval: orRange,
    wasm: i32.xor,
  },
});

export type BinaryOp = keyof typeof binaryOperations;

/** The first rule that the operands of an i32 operation break. */
export function brokenRule(op: BinaryOp, a: number, b: number): OperandRule | undefined {
  const { rules, meaning } = binaryOperations[op];
  const numbers = { a, b };
  const holds = ({ lo, hi }: Interval, x: number) => lo <= x && x <= hi;
  return rules.find((rule) => {
    switch (rule.kind) {
      case 'within':
        return !holds(rule.limits, numbers[rule.operand]);
      case 'never':
        return rule.operands.every(([operand, x]) => numbers[operand] === x);
      case 'overflow':
        return !holds(allInts, meaning(a, b));
      default:
        return rule satisfies never;
    }
  });
}

/** The numbers of one operand that no rule forbids whatever the other is. */
export const allowedOf = (op: BinaryOp, operand: Operand): Interval =>
  binaryOperations[op].rules.reduce(
    (all, rule) => (rule.kind === 'within' && rule.operand === operand ? rule.limits : all),
    allInts,
  );

/** f of those ends of a and b that give the bounds of an operation. */
export function atEnds<T, R>(
  which: Ends,
  a: Interval<T>,
  b: Interval<T>,
  f: (a: T, b: T) => R,
): readonly [R, R, ...R[]] {
  if (which === 'same') return [f(a.lo, b.lo), f(a.hi, b.hi)];
  if (which === 'opposite') return [f(a.lo, b.hi), f(a.hi, b.lo)];
  return [f(a.lo, b.lo), f(a.lo, b.hi), f(a.hi, b.lo), f(a.hi, b.hi)];
}

/** Bounds of an i32 operation on all operands that no rule forbids; with overflow they may leave i32. */
export function intervalOf(op: BinaryOp, a: Interval, b: Interval): Interval {
  const { interval, meaning } = binaryOperations[op];
  const [x, y] = [cutTo(a, allowedOf(op, 'a')), cutTo(b, allowedOf(op, 'b'))];
  return typeof interval === 'function' ? interval(x, y) : hull(atEnds(interval, x, y, meaning));
}

interface CompareOperation<Op> {
  readonly sign: string;
  readonly js: string;
  readonly meaning: Numbers<boolean>;
  /** What holds where this does not, NaN aside. */
  readonly opposite: Op;
  /** JavaScript: whether it holds for every pair of integers. */
  readonly always: (a: Interval<string>, b: Interval<string>) => string;
  /** What `a op b ? a : b` is. */
  readonly picks?: 'max' | 'min';
  readonly wasm: Readonly<Record<'i32' | 'f32' | 'i32x4', Instruction>>;
  /** Which kind of operation the models of speed and size count: mostly a part of a choice. */
  readonly cost: 'select';
}

const compareTable = <Op extends string>(
  operations: Readonly<Record<Op, CompareOperation<NoInfer<Op>>>>,
): typeof operations => operations;

/** 1 or 0 as an i32. */
export const compareOperations = compareTable({
  lt: {
    sign: '<',
    js: '<',
    meaning: (a, b) => a < b,
    opposite: 'ge',
    always: (a, b) => `${a.hi} < ${b.lo}`,
    picks: 'min',
    wasm: { i32: i32.lt, f32: f32.lt, i32x4: i32x4.lt },
    cost: 'select',
  },
  le: {
    sign: '<=',
    js: '<=',
    meaning: (a, b) => a <= b,
    opposite: 'gt',
    always: (a, b) => `${a.hi} <= ${b.lo}`,
    picks: 'min',
    wasm: { i32: i32.le, f32: f32.le, i32x4: i32x4.le },
    cost: 'select',
  },
  gt: {
    sign: '>',
    js: '>',
    meaning: (a, b) => a > b,
    opposite: 'le',
    always: (a, b) => `${a.lo} > ${b.hi}`,
    picks: 'max',
    wasm: { i32: i32.gt, f32: f32.gt, i32x4: i32x4.gt },
    cost: 'select',
  },
  ge: {
    sign: '>=',
    js: '>=',
    meaning: (a, b) => a >= b,
    opposite: 'lt',
    always: (a, b) => `${a.lo} >= ${b.hi}`,
    picks: 'max',
    wasm: { i32: i32.ge, f32: f32.ge, i32x4: i32x4.ge },
    cost: 'select',
  },
  eq: {
    sign: '==',
    js: '===',
    meaning: (a, b) => a === b,
    opposite: 'ne',
    always: (a, b) => `${a.lo} === ${b.hi} && ${a.hi} === ${b.lo}`,
    wasm: { i32: i32.eq, f32: f32.eq, i32x4: i32x4.eq },
    cost: 'select',
  },
  ne: {
    sign: '!=',
    js: '!==',
    meaning: (a, b) => a !== b,
    opposite: 'eq',
    always: (a, b) => `${a.hi} < ${b.lo} || ${a.lo} > ${b.hi}`,
    wasm: { i32: i32.ne, f32: f32.ne, i32x4: i32x4.ne },
    cost: 'select',
  },
});

export type CompareOp = keyof typeof compareOperations;
