/** Element by element: sums of 8-bit operands on different scales, clamped; and their float32 sisters. */
import { add, call, constant, int, load, local, loop, mul, shr, store, times } from '../build.ts';
import type { Clamp } from '../clamp.ts';
import type { Expr, Kernel } from '../kernel.ts';
import { clampFloat, saturationOf } from '../mac.ts';
import type { Quant } from '../op.ts';

/**
 * y = (sum multiplier[i] * x[i] + bias) >> shift, clamped to lo..hi: one rounding, halves up. The zero
 * points, the output's too, are in the bias.
 */
export interface AffineSum {
  readonly multipliers: readonly number[];
  readonly bias: number;
  readonly shift: number;
  readonly lo: number;
  readonly hi: number;
}

/** Multipliers are at most 2^20: 2 * 255 * 2^20 and 255 * 2^22 for the bias together stay below 2^31. */
const multiplierBits = 20;
const mostShift = 22;

/** The finest output step that an affine sum can serve: multipliers keep at least 12 bits below one step. */
export const finestSumStep = (inputs: readonly Quant[]): number =>
  Math.max(...inputs.map((q) => q.scale)) / 256;

export function affineSumOf(inputs: readonly Quant[], output: Quant, clamp: Clamp | undefined): AffineSum {
  const ratios = inputs.map((q) => q.scale / output.scale);
  const shift = Math.min(mostShift, multiplierBits - Math.ceil(Math.log2(Math.max(...ratios))));
  const multipliers = ratios.map((r) => Math.round(r * 2 ** shift));
  const zeros = inputs.reduce((sum, q, i) => sum + q.zeroPoint * (multipliers[i] ?? 0), 0);
  const { lo, hi } = saturationOf(output, clamp);
  return { multipliers, bias: output.zeroPoint * 2 ** shift + 2 ** (shift - 1) - zeros, shift, lo, hi };
}

export interface Elementwise {
  readonly name: string;
  readonly doc: readonly string[];
  readonly elem: 'u8' | 'f32';
  readonly inputs: number;
  readonly count: number;
  readonly value: (inputs: readonly Expr[]) => Expr;
}

/** One input is called `in`, several `a`, `b`. */
const inputNames = (n: number): readonly string[] =>
  n === 1 ? ['in'] : times(n, (i) => String.fromCharCode(97 + i));

export function elementwise(e: Elementwise): Kernel {
  const names = inputNames(e.inputs);
  const scalar = e.elem === 'f32' ? 'f32' : 'i32';
  return {
    name: e.name,
    doc: e.doc,
    params: [
      ...names.map((name) => ({ name, role: 'in', elem: e.elem, length: e.count }) as const),
      { name: 'out', role: 'out', elem: e.elem, length: e.count },
    ],
    tables: [],
    body: loop('i', e.count, (i) => [
      ...names.map((name, k) => constant(`x${k}`, load(name, e.elem, i))),
      store('out', e.elem, i, e.value(names.map((_, k) => local(`x${k}`, scalar)))),
    ]),
    macs: 0,
  };
}

export const affineSumValue =
  (q: AffineSum) =>
  (inputs: readonly Expr[]): Expr =>
    call(
      'clamp',
      'i32',
      shr(add(...inputs.map((x, i) => mul(x, q.multipliers[i] ?? 0)), q.bias), q.shift),
      int(q.lo),
      int(q.hi),
    );

export const floatSumValue =
  (clamp: Clamp | undefined) =>
  (inputs: readonly Expr[]): Expr =>
    clampFloat(add(...inputs), clamp);
