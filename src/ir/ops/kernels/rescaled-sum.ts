/**
 * Sums of two 8-bit operands as TensorFlow Lite and CMSIS-NN define them: both operands, with 20 more bits, on one
 * grid whose step is twice the larger of theirs, and from there to the output's.
 */

import { at } from '../../../base/errors.ts';
import { requantOf, type Saturation } from '../../integers/requant.ts';
import { add, call, int, mul, sub } from '../../kernel/builders.ts';
import type { Expr } from '../../kernel/kernel.ts';
import { primitiveOf } from '../../kernel/prims/index.ts';
import type { Quant } from '../../kernel/stored.ts';

/** acc * multiplier * 2^-31 * 2^-shift by the primitive of that name. */
interface Rescaling {
  readonly primitive: string;
  readonly multiplier: number;
  readonly shift: number;
}

export interface RescaledSum extends Saturation {
  /** By operand. */
  readonly operands: readonly { readonly zeroPoint: number; readonly rescaling: Rescaling }[];
  /** Of the sum of both. */
  readonly rescaling: Rescaling;
}

/** Bits below an operand's step. */
const lift = 20;

function rescalingOf(scale: number, rounding: 'single' | 'tfl-double'): Rescaling {
  const { multiplier, shift } = requantOf(rounding, [scale]);
  const [m = 0, s = 0] = [multiplier[0], shift[0]];
  const once = s >= 2 ? 'requantize_high' : 'requantize_single';
  return { primitive: rounding === 'single' ? once : 'requantize_double', multiplier: m, shift: s };
}

export function rescaledSumOf(
  inputs: readonly Quant[],
  output: Quant,
  saturation: Saturation,
  rounding: 'single' | 'tfl-double',
): RescaledSum {
  const step = 2 * Math.max(...inputs.map((q) => q.scale));
  return {
    ...saturation,
    operands: inputs.map(({ scale, zeroPoint }) => ({
      zeroPoint,
      rescaling: rescalingOf(scale / step, rounding),
    })),
    rescaling: rescalingOf(step / (2 ** lift * output.scale), rounding),
  };
}

const rescaled = (x: Expr, { primitive, multiplier, shift }: Rescaling): Expr =>
  call(primitive, 'i32', x, int(multiplier), int(shift));

/** Half of 2^20 is exact, which the operand of the larger scale always has. */
const isHalf = ({ multiplier, shift }: Rescaling): boolean => multiplier === 2 ** 30 && shift === 0;

export const rescaledSumValue =
  (q: RescaledSum) =>
  (inputs: readonly Expr[]): Expr => {
    const operands = q.operands.map(({ zeroPoint, rescaling }, i) => {
      const centred = sub(inputs[i] ?? int(0), zeroPoint);
      if (isHalf(rescaling)) return mul(centred, 2 ** (lift - 1));
      return rescaled(mul(centred, 2 ** lift), rescaling);
    });
    const sum = add(rescaled(add(...operands), q.rescaling), q.zeroPoint);
    return call('clamp', 'i32', sum, int(q.lo), int(q.hi));
  };

/** The sums of every two bytes (a, b), at 256 a + b. */
export function everySum({ operands, rescaling, zeroPoint, lo, hi }: RescaledSum): Uint8Array {
  const by = ({ primitive, multiplier, shift }: Rescaling): ((x: number) => number) => {
    const { js } = primitiveOf(primitive);
    return (x) => js(x, multiplier, shift);
  };
  const [a = [], b = []] = operands.map((operand) => {
    const rescale = by(operand.rescaling);
    return Array.from({ length: 256 }, (_, byte) => rescale((byte - operand.zeroPoint) * 2 ** lift));
  });
  const rescale = by(rescaling);
  const sums = new Uint8Array(65536);
  for (let i = 0; i < sums.length; i++) {
    const sum = rescale(at(a, i >> 8) + at(b, i & 255)) + zeroPoint;
    sums[i] = Math.max(lo, Math.min(hi, sum));
  }
  return sums;
}
