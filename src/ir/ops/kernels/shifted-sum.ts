/** Sums of stored numbers in other steps, whatever the zero points are. */

import { type Epilogue, epilogue, type Requant, requantOf } from '../../integers/requant.ts';
import { add, mul } from '../../kernel/builders.ts';
import type { Expr } from '../../kernel/kernel.ts';
import type { Quant } from '../../kernel/stored.ts';

/** y = R(sum factor + offset) + zeroPoint. */
export interface ShiftedSum {
  /** A power of two. */
  readonly factor: number;
  readonly offset: number;
  readonly zeroPoint: number;
  readonly requant: Requant;
}

/** What a sum with its bias may reach. */
const room = 2 ** 30;

/**
 * A sum of `count` stored numbers x, real = step (sum - count zx), on the output's grid. With zero points far outside of
 * bytes the bias leaves int32: whole steps of it then go into the zero point, and finer parts of a step become room
 * for the rest.
 * @param step of one unit of the sum, at most an output step
 */
export function shiftedSum(step: number, count: number, zeroPoint: number, output: Quant): ShiftedSum {
  const bias = -count * zeroPoint;
  if (Math.abs(bias) + 255 * count <= room)
    return {
      factor: 1,
      offset: bias + 0,
      zeroPoint: output.zeroPoint,
      requant: requantOf('single', [step / output.scale]),
    };
  const perStep = output.scale / step;
  const middle = Math.round((127.5 * count + bias) / perStep);
  const rest = bias - middle * perStep;
  const most = 255 * count + Math.abs(rest);
  const factor = 2 ** Math.max(0, Math.floor(Math.log2(room / most)));
  return {
    factor,
    offset: Math.round(rest * factor),
    zeroPoint: output.zeroPoint + middle,
    requant: requantOf('single', [step / output.scale / factor]),
  };
}

/** The stored output of a sum. */
export function shiftedEnd(
  name: string,
  q: ShiftedSum,
): Omit<Epilogue, 'value'> & { readonly value: (sum: Expr) => Expr } {
  const end = epilogue(name, q.requant, { zeroPoint: q.zeroPoint, lo: 0, hi: 255 });
  return {
    tables: end.tables,
    value: (sum) => end.value(add(mul(sum, q.factor), q.offset), { kind: 'int', value: 0 }),
  };
}
