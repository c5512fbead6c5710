/** How a model's file rounds numbers to its grids: ONNX's QuantizeLinear and DequantizeLinear. */
import { type Quant, storageOf } from './stored.ts';

/** The nearest integer, of two the even one. */
export function halfEven(x: number): number {
  const near = Math.round(x);
  return near - x === 0.5 && near % 2 !== 0 ? near - 1 : near;
}

/** What ONNX's QuantizeLinear stores for a float32: a float32 quotient, cut off, and halves to even. NaN is the least. */
export function fileStep(x: number, { scale, zeroPoint, ...rest }: Omit<Quant, 'channels'>): number {
  const steps = Math.fround(x / scale);
  const bounds = storageOf(rest);
  const [lo, hi] = [bounds.lo - zeroPoint, bounds.hi - zeroPoint];
  return halfEven(steps >= lo ? Math.min(steps, hi) : lo) + zeroPoint;
}

/** The float32 that ONNX's DequantizeLinear makes of a stored number. */
export const fileValue = (stored: number, { scale, zeroPoint }: Quant): number =>
  Math.fround((stored - zeroPoint) * scale);
