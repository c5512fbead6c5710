/** Square roots of sums of squares, in integers. */
import {
  add,
  binary,
  call,
  compare,
  constant,
  int,
  local,
  maximum,
  mul,
  select,
  shr,
} from '../../kernel/builders.ts';
import type { Expr, Stmt } from '../../kernel/kernel.ts';
import type { Quant } from '../../kernel/stored.ts';

/** y = sqrt(sum) multiplier 2^-shift + zeroPoint. */
export interface Root {
  /** 15 bits. */
  readonly multiplier: number;
  readonly shift: number;
  readonly zeroPoint: number;
}

/** Roots in units of `step`, which is at most an output step. */
export function rootOf(step: number, output: Quant): Root {
  const ratio = step / output.scale;
  const shift = Math.min(25, 14 - Math.floor(Math.log2(ratio)));
  return { multiplier: Math.round(ratio * 2 ** shift), shift, zeroPoint: output.zeroPoint };
}

/** The stored root of a sum that is not negative; a product of 30 bits is shifted twice, since root_shift may be 14. */
export function rootValue(
  { multiplier, shift, zeroPoint }: Root,
  sum: Expr,
  put: (y: Expr) => Stmt,
): readonly Stmt[] {
  const by = add(local('moved'), shift - 8);
  const product = shr(mul(local('root'), multiplier), 8);
  const rounded = shr(add(product, binary('shl', int(1), add(by, -1))), by);
  return [
    constant('square', maximum(sum, int(1))),
    constant('moved', call('root_shift', 'i32', local('square'))),
    constant('root', call('root15', 'i32', local('square'))),
    constant('steps', select(compare('gt', sum, int(0)), rounded, int(0))),
    put(call('clamp', 'i32', add(local('steps'), zeroPoint), int(0), int(255))),
  ];
}
