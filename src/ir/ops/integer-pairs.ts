/** Sums, differences, products, quotients and remainders of integers, as they are: no grid. */
import { complain, must } from '../../base/errors.ts';
import { largestOf, smallestOf } from '../../base/extremes.ts';
import type { CanonicalOp, Hold, InputType, KernelContext } from '../graph/op.ts';
import { call, compare, div, mod, select } from '../kernel/builders.ts';
import { isInt32 } from '../kernel/interval.ts';
import type { Expr } from '../kernel/kernel.ts';
import { inferPair, pairwise } from './common/elementwise.ts';
import { required } from './common/inputs.ts';
import type { Constants } from './common/pairs.ts';
import { storedKernel } from './common/stored-operands.ts';
import { onBooleans } from './truth.ts';

type How = 'sum' | 'difference' | 'product' | 'quotient' | 'remainder' | 'modulus';

export interface IntegerPairAttrs {
  readonly how: How;
}

interface Meaning {
  readonly title: string;
  /** Of int32. */
  kernel(x: Expr, y: Expr, hold: Hold): Expr;
  value(x: number, y: number): number;
  /** Of int32: a product rounded to float64 has lost its lowest bits. */
  wrapped(x: number, y: number): number;
}

const exact = (value: Meaning['value']): Pick<Meaning, 'value' | 'wrapped'> => ({ value, wrapped: value });

const meanings: Readonly<Record<How, Meaning>> = {
  sum: {
    title: 'Sum of two integers',
    kernel: (x, y) => call('wrapped_sum', 'i32', x, y),
    value: (x, y) => x + y,
    wrapped: (x, y) => (x + y) | 0,
  },
  difference: {
    title: 'Difference of two integers',
    kernel: (x, y) => call('wrapped_difference', 'i32', x, y),
    value: (x, y) => x - y,
    wrapped: (x, y) => (x - y) | 0,
  },
  product: {
    title: 'Product of two integers',
    kernel: (x, y) => call('wrapped_product', 'i32', x, y),
    value: (x, y) => x * y,
    wrapped: Math.imul,
  },
  quotient: {
    title: 'Quotient of an integer and a constant, toward zero',
    kernel: div,
    ...exact((x, y) => Math.trunc(x / y) + 0),
  },
  remainder: {
    title: 'Remainder of an integer and a constant, with the sign of the integer',
    kernel: mod,
    ...exact((x, y) => (x % y) + 0),
  },
  modulus: {
    title: 'Remainder of an integer and a constant, from 0 on',
    kernel(x, y, hold) {
      const rest = hold('rest', mod(x, y));
      return select(compare('lt', rest, 0), call('wrapped_sum', 'i32', rest, y), rest);
    },
    ...exact((x, y) => x - y * Math.floor(x / y)),
  },
};

/** What divides. */
const divides: ReadonlySet<How> = new Set(['quotient', 'remainder', 'modulus']);

/** @throws InputError for divisors that are no constants above 0: by 0 C divides as it likes, and int32 does not hold -2^31 / -1 */
function requireDivisor(how: How, inputs: readonly (InputType | undefined)[]): void {
  if (!divides.has(how)) return;
  const divisor = required(inputs, 1, 'B').constant;
  if (divisor?.data.every((y: number) => y > 0)) return;
  throw complain(
    `a ${how} of integers by ${divisor === undefined ? 'another activation' : 'a constant of 0 or below'}`,
    'constants above 0',
    'make both float32 before it: x.to(torch.float32)',
  );
}

/** @throws InputError for types whose kernels would have to wrap at other bits, and constants that int32 does not hold */
function requireWide(how: How, inputs: readonly (InputType | undefined)[]): void {
  for (const { dtype, constant } of inputs.map((_, i) => required(inputs, i, 'an operand'))) {
    if (dtype !== 'int32' && dtype !== 'int64')
      throw complain(
        `a ${how} of activations of type ${dtype}`,
        divides.has(how) ? 'int32 and int64, by constants above 0' : 'float32, int32 and int64',
        dtype === 'float32'
          ? 'write x - y * torch.floor(x / y)'
          : 'cast both operands to float32 or int32 before it',
      );
    if (constant === undefined) continue;
    const range = { lo: smallestOf(constant.data), hi: largestOf(constant.data) };
    if (!isInt32(range))
      throw complain(
        `a constant of ${range.lo} to ${range.hi} in a ${how} of integers`,
        'integers of activations in 32 bits, whatever their type',
        'use numbers within int32',
      );
  }
}

function kernelOf({ how }: IntegerPairAttrs, context: KernelContext, constants: Constants) {
  const { title, kernel } = meanings[how];
  return storedKernel(title, context, constants, ([a, b], hold) =>
    kernel(must(a, 'an operand'), must(b, 'another'), hold),
  );
}

/**
 * x + y, x - y or x y of int32, or of int64 that int32 holds: beyond it int32 wraps around, as PyTorch's does, and so do
 * the kernels of int64. x / y, rounded toward zero, and its remainders, by constants above 0.
 */
export const integerPair: CanonicalOp<IntegerPairAttrs, Constants> = {
  ...onBooleans,
  kind: 'integerPair',
  infer({ how }, inputs) {
    const types = inferPair(inputs);
    requireWide(how, inputs);
    requireDivisor(how, inputs);
    return types;
  },
  reference({ how }, inputs) {
    const { value, wrapped } = meanings[how];
    return [pairwise(inputs, required(inputs, 0, 'A').dtype === 'int32' ? wrapped : value)];
  },
  quantize: ({ inputTypes }) => inputTypes.map((type) => type?.constant),
  int8: (attrs, constants, context) => kernelOf(attrs, context, constants),
  float32: kernelOf,
};
