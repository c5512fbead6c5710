/** Sums of stored numbers in other steps, whatever the zero points are. */
import { complain } from '../../../base/errors.ts';
import { type Epilogue, epilogue, type Requant, requantOf } from '../../integers/requant.ts';
import { add, mul } from '../../kernel/builders.ts';
import type { Expr } from '../../kernel/kernel.ts';
import { type Quant, reachOf, storageOf } from '../../kernel/stored.ts';

/** y = R(sum factor + offset) + zeroPoint. */
export interface ShiftedSum {
  /** A power of two. */
  readonly factor: number;
  readonly offset: number;
  readonly zeroPoint: number;
  readonly requant: Requant;
  /** Of what is stored; of bytes when absent. */
  readonly bounds?: { readonly lo: number; readonly hi: number };
}

/** What a sum with its bias may reach. */
const room = 2 ** 30;

const isWide = ({ bits }: Pick<Quant, 'bits'>): boolean => bits !== undefined;

/** How many times as large sums can be made and keep room for a bias. */
const factorsAbove = (input: Pick<Quant, 'bits'>, count: number): number =>
  Math.max(0, Math.floor(Math.log2(room / 2 / (reachOf(input) * Math.max(1, count)))));

/** The finest output step of a sum whose unit is `step`. */
export const finestShifted = (step: number, count: number, input: Quant, bits: 16 | undefined): number =>
  isWide(input) || bits !== undefined ? step / 2 ** factorsAbove(input, count) : step;

/** @throws InputError where the sum leaves int32 */
function wideSum(
  step: number,
  count: number,
  bias: number,
  input: Pick<Quant, 'bits'>,
  output: Quant,
): ShiftedSum {
  const most = reachOf(input) * count + Math.abs(bias);
  if (most > 2 * room)
    throw complain(`a sum of ${count} numbers of 16 bits`, 'at most 32768', 'give its input 8 bits');
  const factor = 2 ** Math.max(0, Math.ceil(Math.log2((step / output.scale) * (1 - 1e-9))));
  const { zeroPoint } = output;
  const requant = requantOf('single', [Math.min(1, step / output.scale / factor)]);
  return { factor, offset: bias * factor + 0, zeroPoint, requant, bounds: storageOf(output) };
}

/**
 * A sum of `count` stored numbers x, real = step (sum - count zx), on the output's grid. With zero points far outside of
 * bytes the bias leaves int32: whole steps of it then go into the zero point, and finer parts of a step become room
 * for the rest.
 * @param step of one unit of the sum, at most an output step
 */
export function shiftedSum(
  step: number,
  count: number,
  { zeroPoint, ...input }: Pick<Quant, 'zeroPoint' | 'bits'>,
  output: Quant,
): ShiftedSum {
  const bias = -count * zeroPoint;
  if (isWide(output) || isWide(input)) return wideSum(step, count, bias, input, output);
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
  const end = epilogue(name, q.requant, { zeroPoint: q.zeroPoint, ...(q.bounds ?? storageOf({})) });
  return {
    tables: end.tables,
    value: (sum) => end.value(add(mul(sum, q.factor), q.offset), { kind: 'int', value: 0 }),
  };
}
