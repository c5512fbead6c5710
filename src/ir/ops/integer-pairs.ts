/** Sums, differences and products of integers, as they are: no grid. */
import { complain, must } from '../../base/errors.ts';
import { largestOf, smallestOf } from '../../base/extremes.ts';
import type { CanonicalOp, InputType, KernelContext } from '../graph/op.ts';
import { call } from '../kernel/builders.ts';
import { isInt32 } from '../kernel/interval.ts';
import { inferPair, pairwise } from './common/elementwise.ts';
import { required } from './common/inputs.ts';
import type { Constants } from './common/pairs.ts';
import { storedKernel } from './common/stored-operands.ts';
import { onBooleans } from './truth.ts';

type How = 'sum' | 'difference' | 'product';

export interface IntegerPairAttrs {
  readonly how: How;
}

interface Meaning {
  readonly title: string;
  readonly primitive: string;
  value(x: number, y: number): number;
  /** Of int32: a product rounded to float64 has lost its lowest bits. */
  wrapped(x: number, y: number): number;
}

const meanings: Readonly<Record<How, Meaning>> = {
  sum: {
    title: 'Sum of two integers',
    primitive: 'wrapped_sum',
    value: (x, y) => x + y,
    wrapped: (x, y) => (x + y) | 0,
  },
  difference: {
    title: 'Difference of two integers',
    primitive: 'wrapped_difference',
    value: (x, y) => x - y,
    wrapped: (x, y) => (x - y) | 0,
  },
  product: {
    title: 'Product of two integers',
    primitive: 'wrapped_product',
    value: (x, y) => x * y,
    wrapped: Math.imul,
  },
};

/** @throws InputError for types whose kernels would have to wrap at other bits, and constants that int32 does not hold */
function requireWide(how: How, inputs: readonly (InputType | undefined)[]): void {
  for (const { dtype, constant } of inputs.map((_, i) => required(inputs, i, 'an operand'))) {
    if (dtype !== 'int32' && dtype !== 'int64')
      throw complain(
        `a ${how} of activations of type ${dtype}`,
        'float32, int32 and int64',
        'cast both operands to float32 or int32 before it',
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
  const { title, primitive } = meanings[how];
  return storedKernel(title, context, constants, ([a, b]) =>
    call(primitive, 'i32', must(a, 'an operand'), must(b, 'another')),
  );
}

/**
 * x + y, x - y or x y of int32, or of int64 that int32 holds: beyond it int32 wraps around, as PyTorch's does, and so do
 * the kernels of int64.
 */
export const integerPair: CanonicalOp<IntegerPairAttrs, Constants> = {
  ...onBooleans,
  kind: 'integerPair',
  infer({ how }, inputs) {
    const types = inferPair(inputs);
    requireWide(how, inputs);
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
