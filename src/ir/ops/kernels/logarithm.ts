/** Logarithms of sums of exponentials, in integers. */
import { add, call, constant, int, load, local, maximum, mul, shr, sub } from '../../kernel/builders.ts';
import type { Expr, Stmt, Table } from '../../kernel/kernel.ts';
import type { Quant } from '../../kernel/stored.ts';
import { exponentials, unitOfExponentials } from './softmax.ts';

/** y = ((x slope + log gain + offset) >> shift) + zeroPoint; log is a logarithm to base 2 in units of 2^-12. */
export interface Logarithm {
  readonly inputScale: number;
  readonly slope: number;
  readonly gain: number;
  readonly offset: number;
  readonly shift: number;
  readonly zeroPoint: number;
  /** 65536 log2 of what 1 is among the exponentials. */
  readonly unit: number;
  /** The largest logarithm of a sum. */
  readonly most: number;
}

/**
 * input.scale (x - zero) + sign ln(sum of exponentials) on the output's grid, |x| <= 255: the slope times x stays within
 * 2^29, the logarithm's part within 2^30.
 */
export function logarithm(input: Quant, output: Quant, count: number, sign: 1 | -1, zero: number): Logarithm {
  const most = Math.ceil(4096 * Math.log2(count)) + 1;
  const [slope, gain] = [input.scale / output.scale, Math.LN2 / 4096 / output.scale];
  const shift = Math.floor(Math.min(24, Math.log2(2 ** 29 / 255 / slope), Math.log2(2 ** 30 / most / gain)));
  const constantPart = output.zeroPoint - zero * slope;
  const zeroPoint = Math.round(constantPart);
  return {
    inputScale: input.scale,
    slope: Math.round(slope * 2 ** shift),
    gain: sign * Math.round(gain * 2 ** shift),
    offset: Math.round((constantPart - zeroPoint) * 2 ** shift) + 2 ** (shift - 1),
    shift,
    zeroPoint,
    unit: Math.round(65536 * Math.log2(unitOfExponentials(count))),
    most,
  };
}

export const exponentialTable = (name: string, { inputScale }: Logarithm, count: number): Table => ({
  name: `${name}_exp`,
  elem: 'i32',
  data: exponentials(inputScale, unitOfExponentials(count)),
  says: `e to the power -(entry * input scale), 1.0 being ${unitOfExponentials(count)}.`,
});

/** e^(scale (x - largest)), as the table has it: a difference is in it. */
export const powerIn = (table: Table, x: Expr): Expr =>
  load(table.name, 'i32', call('clamp', 'i32', sub(local('largest'), x), int(0), int(table.data.length - 1)));

/** `log` of a sum that holds its largest term, 1. */
export const logOf = ({ unit, most }: Logarithm, sum: Expr, count: number): Stmt =>
  constant(
    'log',
    call(
      'clamp',
      'i32',
      shr(add(call('log2_q16', 'i32', maximum(sum, int(unitOfExponentials(count)))), 8 - unit), 4),
      int(0),
      int(most),
    ),
  );

/** The stored result for `x`. */
export const logValue = ({ slope, gain, offset, shift, zeroPoint }: Logarithm, x: Expr): Expr =>
  call(
    'clamp',
    'i32',
    add(shr(add(mul(x, slope), mul(local('log'), gain), offset), shift), zeroPoint),
    int(0),
    int(255),
  );
