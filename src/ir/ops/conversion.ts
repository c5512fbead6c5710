import { at, complain, must } from '../../base/errors.ts';
import type { CanonicalOp, QuantizeContext, Range } from '../graph/op.ts';
import { noFinerThan } from '../integers/quant.ts';
import { requantOf } from '../integers/requant.ts';
import { add, call, compare, float, int } from '../kernel/builders.ts';
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

/** Wider integers are rounded where their range is no byte's. */
const gridOf = ({ from }: ConversionAttrs, range: Range): Quant => grids[from] ?? noFinerThan(1, range);

interface QuantizedConversion {
  /** Taken from what is stored; of wider integers added to their steps. */
  readonly zeroPoint: number;
  /** Of wider integers: how many steps of the output they are, 2^-31 2^-shift each. */
  readonly steps?: { readonly multiplier: number; readonly shift: number };
}

function quantized({
  attrs,
  inputQuants,
  outputQuant,
}: QuantizeContext<ConversionAttrs>): QuantizedConversion {
  if (inputQuants[0] !== undefined) return { zeroPoint: inputQuants[0].zeroPoint };
  if (attrs.to !== 'float32') return { zeroPoint: 0 };
  const { scale, zeroPoint } = outputQuant;
  if (grids[attrs.from] !== undefined) return { zeroPoint: -zeroPoint };
  const { multiplier, shift } = requantOf('single', [1 / scale]);
  return { zeroPoint, steps: { multiplier: at(multiplier, 0), shift: at(shift, 0) } };
}

/** Bounds beyond which all wider integers saturate: steps are 1 at least. */
const far = 2 ** 30;

const wideValue = (
  x: Expr,
  { multiplier, shift }: NonNullable<QuantizedConversion['steps']>,
  zeroPoint: number,
): Expr => {
  const inside = call('clamp', 'i32', x, int(-far), int(far));
  const steps = call('requantize_single', 'i32', inside, int(multiplier), int(shift));
  return call('clamp', 'i32', add(steps, zeroPoint), int(0), int(255));
};

const title = ({ from, to }: ConversionAttrs): string => `${from} as ${to}`;

/** Integers that int32 holds, and how an int64 is stored. */
const whole: readonly DType[] = ['bool', 'uint8', 'int8', 'int16', 'int32', 'int64'];

/**
 * Every number is a boolean; what is one, or an integer, is a number, and an int32 or int64.
 * @throws InputError for other types
 */
function requireExact({ from, to }: ConversionAttrs): void {
  if (to === 'bool' || to === 'float32') return;
  if (from === 'bool' && !isFloat(to)) return;
  if (whole.includes(from) && (to === 'int32' || to === 'int64')) return;
  throw complain(
    `a Cast of activations from ${from} to ${to}`,
    'casts to float32 or bool, of bool, and of integers to int32 or int64',
    isFloat(from) ? 'leave the numbers in float32; Floor, Ceil and Round work there' : undefined,
  );
}

const first = ([x]: readonly Expr[]): Expr => must(x, 'an operand');

/**
 * The same numbers in another type: integers and booleans as float32 or wider integers, anything as a boolean. An int64
 * keeps its lowest 32 bits.
 */
export const conversion: CanonicalOp<ConversionAttrs, QuantizedConversion> = {
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
  outputQuant: ({ attrs, range }) => gridOf(attrs, range),
  fixedGrid: () => true,
  quantize: quantized,
  int8: (attrs, { zeroPoint, steps }, context) =>
    storedKernel(title(attrs), context, [undefined], (x) => {
      if (steps !== undefined) return wideValue(first(x), steps, zeroPoint);
      return attrs.to === 'bool' ? compare('ne', first(x), zeroPoint) : add(first(x), -zeroPoint);
    }),
  float32: (attrs, context) =>
    storedKernel(title(attrs), context, [undefined], (x) => {
      if (attrs.to === 'float32') return { kind: 'toFloat', value: first(x) };
      const zero = attrs.from === 'float32' ? float(0) : 0;
      return attrs.to === 'bool' ? compare('ne', first(x), zero) : first(x);
    }),
};
