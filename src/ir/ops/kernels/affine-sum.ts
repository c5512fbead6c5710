/**
 * Sums of operands on different scales as one multiplication each, in int32: y = (sum m x + bias) >> shift.
 * The multipliers are looked for, so that every combination of bytes has the wanted sum: rounded to the nearest
 * they miss it a few times in 65,536.
 */

import { at } from '../../../base/errors.ts';
import type { Saturation } from '../../integers/requant.ts';
import { add, call, int, mul, shr } from '../../kernel/builders.ts';
import type { Expr } from '../../kernel/kernel.ts';
import { heldBy, type Quant } from '../../kernel/stored.ts';

/** Clamped to lo..hi. The zero points, the output's too, and the rounding half are in the bias. */
export interface AffineSum {
  readonly multipliers: readonly number[];
  readonly bias: number;
  readonly shift: number;
  readonly lo: number;
  readonly hi: number;
}

/** The finest output step that an affine sum can serve: multipliers keep at least 12 bits below one step. */
export const finestSumStep = (inputs: readonly Quant[]): number =>
  Math.max(...inputs.map((q) => q.scale)) / 256;

/** Whether all partial sums stay in int32, from left to right; multipliers below 0 are of what is subtracted. */
function holds({ multipliers, bias }: AffineSum, inputs: readonly Quant[]): boolean {
  const ends = inputs.map((grid, i) => [
    heldBy(grid).lo * at(multipliers, i),
    heldBy(grid).hi * at(multipliers, i),
  ]);
  // The terms before the last are sums too, of which 0 is among the ends.
  const most = ends.reduce((total, pair) => total + Math.max(0, ...pair), 0);
  const least = ends.reduce((total, pair) => total + Math.min(0, ...pair), 0);
  const within = (from: number, to: number): boolean => from >= -(2 ** 31) && to < 2 ** 31;
  return within(least, most) && within(bias + least, bias + most);
}

/** Multipliers rounded to the nearest, and halves up. */
function rounded(inputs: readonly Quant[], output: Quant, { lo, hi }: Saturation, shift: number): AffineSum {
  const multipliers = inputs.map((q) => Math.round((q.scale / output.scale) * 2 ** shift));
  return { multipliers, bias: biasFor(multipliers, inputs, output, shift), shift, lo, hi };
}

const biasFor = (
  multipliers: readonly number[],
  inputs: readonly Quant[],
  output: Quant,
  shift: number,
): number =>
  inputs.reduce(
    (sum, q, i) => sum - q.zeroPoint * at(multipliers, i),
    output.zeroPoint * 2 ** shift + 2 ** (shift - 1),
  );

/** With the largest shift, so the finest multipliers, that int32 has room for. */
export function nearestAffineSum(inputs: readonly Quant[], output: Quant, saturation: Saturation): AffineSum {
  for (let shift = 24; shift > 1; shift--) {
    const sum = rounded(inputs, output, saturation, shift);
    if (holds(sum, inputs)) return sum;
  }
  return rounded(inputs, output, saturation, 1);
}

/** Whether all partial sums stay in int32 with any of the multipliers of each operand, and any of the biases. */
function holdTogether(sums: readonly AffineSum[]): boolean {
  const [first] = sums;
  const ends = first?.multipliers.map((_, i) => sums.map(({ multipliers }) => at(multipliers, i))) ?? [];
  const most = 255 * ends.reduce((total, list) => total + Math.max(0, ...list), 0);
  const least = 255 * ends.reduce((total, list) => total + Math.min(0, ...list), 0);
  const biases = sums.map(({ bias }) => bias);
  const within = (from: number, to: number): boolean => from >= -(2 ** 31) && to < 2 ** 31;
  return (
    within(least, most) &&
    within(least + Math.min(...biases), most + Math.max(...biases)) &&
    biases.every((b) => within(b, b))
  );
}

/** Of each channel, all with the largest shift that int32 has room for. */
export function nearestAffineSums(
  channels: readonly {
    readonly operands: readonly Quant[];
    readonly output: Quant;
    readonly saturation: Saturation;
  }[],
): readonly AffineSum[] {
  for (let shift = 24; ; shift--) {
    const sums = channels.map((c) => rounded(c.operands, c.output, c.saturation, shift));
    if (shift === 1 || holdTogether(sums)) return sums;
  }
}

/** How far from the nearest multipliers others are tried, in their units. */
const reach = 4;
const offsets = Array.from({ length: 2 * reach + 1 }, (_, i) => i - reach);
/** The nearest first. */
const tried: Readonly<Record<1 | 2, readonly (readonly number[])[]>> = {
  1: offsets.map((i) => [i]),
  2: offsets.flatMap((i) => offsets.map((j) => [i, j])),
};
const distance = (steps: readonly number[]): number => steps.reduce((sum, x) => sum + x * x, 0);

/**
 * The affine sum that equals `wanted` for all bytes, if there is one near the real multipliers.
 * @param wanted clamped; of one operand 256 bytes, of two (a, b) 65,536, at 256 a + b
 */
export function affineSumThatIs(
  wanted: Uint8Array,
  inputs: readonly Quant[],
  output: Quant,
  saturation: Saturation,
): AffineSum | undefined {
  const nearest = nearestAffineSum(inputs, output, saturation);
  const candidates = inputs.length === 1 ? tried[1] : tried[2];
  for (const steps of [...candidates].sort((a, b) => distance(a) - distance(b))) {
    const multipliers = nearest.multipliers.map((m, i) => m + at(steps, i));
    const range = biasesFor(wanted, { ...nearest, multipliers });
    const bias = biasFor(multipliers, inputs, output, nearest.shift);
    const sum = { ...nearest, multipliers, bias: Math.max(range.lo, Math.min(range.hi, bias)) };
    if (range.lo <= range.hi && holds(sum, inputs)) return sum;
  }
  return undefined;
}

/** The biases with which these multipliers give what is wanted: wanted <= (sum + bias) / 2^shift < wanted + 1. */
function biasesFor(
  wanted: Uint8Array,
  { multipliers, shift, lo, hi }: AffineSum,
): { readonly lo: number; readonly hi: number } {
  const [a = 0, b = 0] = wanted.length === 256 ? [0, ...multipliers] : multipliers;
  const one = 2 ** shift;
  let [least, most] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let i = 0; i < wanted.length && least <= most; i++) {
    const sum = a * (i >> 8) + b * (i & 255);
    const y = at(wanted, i);
    // What saturates may lie anywhere beyond.
    if (y > lo && y * one - sum > least) least = y * one - sum;
    if (y < hi && (y + 1) * one - 1 - sum < most) most = (y + 1) * one - 1 - sum;
  }
  return { lo: least, hi: most };
}

/** The numbers of each channel that `affineSumsValue` reads. */
export const affineSumLists = (sums: readonly AffineSum[]): Readonly<Record<string, readonly number[]>> => ({
  first: sums.map(({ multipliers }) => at(multipliers, 0)),
  second: sums.map(({ multipliers }) => at(multipliers, 1)),
  bias: sums.map(({ bias }) => bias),
  lo: sums.map(({ lo }) => lo),
  hi: sums.map(({ hi }) => hi),
});

/** Of both operands and the numbers of their channel. */
export const affineSumsValue =
  (shift: number) =>
  ([
    a = int(0),
    b = int(0),
    first = int(0),
    second = int(0),
    bias = int(0),
    lo = int(0),
    hi = int(0),
  ]: readonly Expr[]): Expr =>
    call('clamp', 'i32', shr(add(mul(a, first), mul(b, second), bias), shift), lo, hi);

export const affineSumValue =
  (q: AffineSum) =>
  (inputs: readonly Expr[]): Expr =>
    call(
      'clamp',
      'i32',
      shr(add(...inputs.map((x, i) => mul(x, at(q.multipliers, i))), q.bias), q.shift),
      int(q.lo),
      int(q.hi),
    );
