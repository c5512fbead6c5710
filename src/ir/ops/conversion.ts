import { complain, must } from '../../base/errors.ts';
import type { CanonicalOp } from '../graph/op.ts';
import { add, compare, float } from '../kernel/builders.ts';
import type { Expr } from '../kernel/kernel.ts';
import type { Quant } from '../kernel/stored.ts';
import { type DType, numbersFor } from '../tensor.ts';
import { isFloat, required } from './common/inputs.ts';
import { storedKernel } from './common/stored-operands.ts';
import { onBooleans } from './truth.ts';

export interface ConversionAttrs {
  readonly from: DType;
  readonly to: DType;
}

/** Bytes are their own grid: each stands for itself. */
const grids: Partial<Readonly<Record<DType, Quant>>> = {
  uint8: { scale: 1, zeroPoint: 0 },
  bool: { scale: 1, zeroPoint: 0 },
  int8: { scale: 1, zeroPoint: 128 },
};

function gridOf({ from }: ConversionAttrs): Quant {
  const grid = grids[from];
  if (grid !== undefined) return grid;
  throw complain(
    `${from} made float32 in 8 bits`,
    'uint8, int8 and bool',
    'take float32 as the input, or compile with --arith float32',
  );
}

const title = ({ from, to }: ConversionAttrs): string => `${from} as ${to}`;

/** Every number is a boolean; what is one, or an integer, is a number. @throws InputError for other types */
function requireExact({ from, to }: ConversionAttrs): void {
  if (to === 'bool' || to === 'float32') return;
  if (from === 'bool' && !isFloat(to)) return;
  throw complain(`a Cast of activations from ${from} to ${to}`, 'casts to float32 or bool, and of bool');
}

const first = ([x]: readonly Expr[]): Expr => must(x, 'an operand');

/** The same numbers in another type: integers and booleans as float32, booleans as integers, anything as a boolean. */
export const conversion: CanonicalOp<ConversionAttrs, { readonly zeroPoint: number }> = {
  ...onBooleans,
  kind: 'conversion',
  infer(attrs, inputs) {
    requireExact(attrs);
    return [{ dtype: attrs.to, shape: required(inputs, 0, 'input').shape }];
  },
  reference({ to }, inputs) {
    const { shape, data } = required(inputs, 0, 'input');
    const numbers = numbersFor(to, data.length);
    for (const [i, x] of data.entries()) numbers[i] = to === 'bool' ? Number(x !== 0) : x;
    return [{ dtype: to, shape, data: numbers }];
  },
  outputQuant: ({ attrs }) => gridOf(attrs),
  fixedGrid: () => true,
  quantize: ({ attrs, inputQuants }) => ({
    zeroPoint: inputQuants[0]?.zeroPoint ?? (attrs.to === 'float32' ? -gridOf(attrs).zeroPoint : 0),
  }),
  int8: (attrs, { zeroPoint }, context) =>
    storedKernel(title(attrs), context, [undefined], (x) =>
      attrs.to === 'bool' ? compare('ne', first(x), zeroPoint) : add(first(x), -zeroPoint),
    ),
  float32: (attrs, context) =>
    storedKernel(title(attrs), context, [undefined], (x) => {
      if (attrs.to === 'float32') return { kind: 'toFloat', value: first(x) };
      const zero = attrs.from === 'float32' ? float(0) : 0;
      return attrs.to === 'bool' ? compare('ne', first(x), zero) : first(x);
    }),
};
