/**
 * Functions of two bytes on the grids of a model's file, as onnxruntime computes them: QLinearAdd with fused
 * multiply-adds, QLinearMul with its zero point inside the rounding, others in float32 between DequantizeLinear and
 * QuantizeLinear.
 */
import { at } from '../../../base/errors.ts';
import type { Hold } from '../../graph/op.ts';
import type { Saturation } from '../../integers/requant.ts';
import {
  add,
  call,
  div,
  float,
  int,
  maximum,
  minimum,
  mul,
  nearestEven,
  sub,
} from '../../kernel/builders.ts';
import type { Expr } from '../../kernel/kernel.ts';
import type { Quant } from '../../kernel/stored.ts';

/** How far above the file's integer a grid's byte is. */
const lift = ({ file }: Quant): number => (file === 'int8' ? 128 : 0);

const toFloat = (value: Expr): Expr => ({ kind: 'toFloat', value });
const clamped = (steps: Expr, { lo, hi }: Saturation): Expr => call('clamp', 'i32', steps, int(lo), int(hi));

/** y = rint(a ra + (b rb + k)) of the file's integers, with one rounding for each multiplication and addition. */
export interface FileSum {
  readonly ratios: readonly [number, number];
  readonly offset: number;
  /** By operand, and of the output: how far above the file's integers bytes are. */
  readonly lifts: readonly [number, number];
  readonly lift: number;
  /** The operand that is one number for a stretch of others: its product is rounded by itself. */
  readonly scalar?: 0 | 1;
  readonly saturation: Saturation;
}

export function fileSumOf(
  [a, b]: readonly [Quant, Quant],
  output: Quant,
  saturation: Saturation,
  scalar: 0 | 1 | undefined,
): FileSum {
  const f = Math.fround;
  const ratios = [f(a.scale / output.scale), f(b.scale / output.scale)] as const;
  const zeros = [a.zeroPoint - lift(a), b.zeroPoint - lift(b)] as const;
  const both = f(f(ratios[0] * zeros[0]) + f(ratios[1] * zeros[1]));
  const offset = f(output.zeroPoint - lift(output) - both);
  const lifts = [lift(a), lift(b)] as const;
  return {
    ratios,
    offset,
    lifts,
    lift: lift(output),
    saturation,
    ...(scalar === undefined ? {} : { scalar }),
  };
}

/** Whether float64 holds x + y. */
function isExact(x: number, y: number): boolean {
  const sum = x + y;
  const part = sum - x;
  return x - (sum - part) + (y - part) === 0;
}

const cut = ({ lo, hi }: Saturation, steps: number): number => Math.max(lo, Math.min(hi, steps));

function nearest(x: number): number {
  const near = Math.round(x);
  return near - x === 0.5 && near % 2 !== 0 ? near - 1 : near;
}

/** The inner term of an operand that comes first: b rb + k. Undefined where float64 does not hold it. */
function inner(q: FileSum, which: 0 | 1, byte: number): number | undefined {
  const f = Math.fround;
  const product = (byte - at(q.lifts, which)) * at(q.ratios, which);
  if (q.scalar !== undefined) return f(q.offset + f(product));
  return isExact(product, q.offset) ? f(product + q.offset) : undefined;
}

/** The sums of every two bytes (a, b), at 256 a + b; undefined where float64 cannot hold one of the steps. */
export function everyFileSum(q: FileSum): Uint8Array | undefined {
  const first = q.scalar ?? 1;
  const second = first === 1 ? 0 : 1;
  const sums = new Uint8Array(65536);
  for (let i = 0; i < 256; i++) {
    const term = inner(q, first, i);
    if (term === undefined) return undefined;
    for (let j = 0; j < 256; j++) {
      const product = (j - at(q.lifts, second)) * at(q.ratios, second);
      if (!isExact(product, term)) return undefined;
      const y = cut(q.saturation, nearest(Math.fround(product + term)) + q.lift);
      sums[first === 1 ? j * 256 + i : i * 256 + j] = y;
    }
  }
  return sums;
}

export function fileSumValue(q: FileSum, inputs: readonly Expr[]): Expr {
  const first = q.scalar ?? 1;
  const second = first === 1 ? 0 : 1;
  const raw = (which: 0 | 1): Expr => toFloat(sub(at(inputs, which), at(q.lifts, which)));
  const [x, y] = [raw(first), raw(second)];
  const [rx, ry] = [float(at(q.ratios, first)), float(at(q.ratios, second))];
  const offset = float(q.offset);
  const term = q.scalar === undefined ? call('multiply_add', 'f32', x, rx, offset) : add0(mul(x, rx), offset);
  return clamped(add(nearestEven(call('multiply_add', 'f32', y, ry, term)), q.lift), q.saturation);
}

/** Of floats. */
const add0 = (a: Expr, b: Expr): Expr => ({ kind: 'binary', op: 'add', type: 'f32', a, b });

/** rint(float((a - za) (b - zb)) m + zc). */
export interface FileProduct {
  readonly zeroPoints: readonly [number, number];
  readonly scale: number;
  readonly zeroPoint: number;
  readonly lift: number;
}

export function fileProductOf([a, b]: readonly [Quant, Quant], output: Quant): FileProduct {
  const scale = Math.fround(Math.fround(a.scale * b.scale) / output.scale);
  const zeroPoint = output.zeroPoint - lift(output);
  return { zeroPoints: [a.zeroPoint, b.zeroPoint], scale, zeroPoint, lift: lift(output) };
}

export function fileProductValue(q: FileProduct, inputs: readonly Expr[]): Expr {
  const [a, b] = q.zeroPoints.map((zero, i) => sub(at(inputs, i), zero));
  const steps = add0(mul(toFloat(mul(a ?? int(0), b ?? int(0))), float(q.scale)), float(q.zeroPoint));
  return clamped(add(nearestEven(steps), q.lift), { zeroPoint: 0, lo: 0, hi: 255 });
}

/** A float32 function of two dequantized bytes, quantized. */
export interface FileFloats {
  readonly grids: readonly Quant[];
  readonly output: Quant;
}

export function fileFloatsValue(
  { grids, output }: FileFloats,
  f: (x: readonly Expr[], hold: Hold) => Expr,
  inputs: readonly Expr[],
  hold: Hold,
): Expr {
  const real = inputs.map((x, i) => {
    const { scale, zeroPoint } = at(grids, i);
    return hold('real', mul(toFloat(sub(x, zeroPoint)), float(scale)));
  });
  const steps = hold('steps', div(hold('value', f(real, hold)), float(output.scale)));
  const above = hold('above', maximum(steps, float(0 - output.zeroPoint)));
  const bounded = minimum(above, float(255 - output.zeroPoint));
  return add(nearestEven(bounded), output.zeroPoint);
}
