/** Magnitudes, signs and integers near a number. */
import { add, compare, float, select, sub } from '../kernel/builders.ts';
import * as float32 from './common/float32.ts';
import { plain } from './common/onnx-rules.ts';
import { pointwise } from './common/pointwise.ts';

/** |x|. ONNX Abs-1, 6, 13. */
export const abs = pointwise<unknown>({
  kind: 'abs',
  title: 'Magnitude',
  onnx: plain('Abs', 1),
  value: (_attrs, x) => Math.abs(x),
  float32: (_attrs, x) => float32.magnitude(x),
});

/** -1, 0 or 1. ONNX Sign-9, 13. */
export const sign = pointwise<unknown>({
  kind: 'sign',
  title: 'Sign',
  onnx: plain('Sign', 9),
  value: (_attrs, x) => Math.sign(x),
  range: { lo: -1, hi: 1 },
  float32: (_attrs, x) => float32.where('gt', x, 0, float(1), float32.where('lt', x, 0, float(-1), float(0))),
  gradient: 'none',
});

/** The largest integer that is not above. ONNX Floor-1, 6, 13. */
export const floor = pointwise<unknown>({
  kind: 'floor',
  title: 'Floor',
  onnx: plain('Floor', 1),
  value: (_attrs, x) => Math.floor(x),
  float32(_attrs, x, hold) {
    const n = hold('n', float32.nearest(x));
    return select(compare('gt', n, x), sub(n, float(1)), n);
  },
  gradient: 'none',
});

/** The smallest integer that is not below. ONNX Ceil-1, 6, 13. */
export const ceil = pointwise<unknown>({
  kind: 'ceil',
  title: 'Ceiling',
  onnx: plain('Ceil', 1),
  value: (_attrs, x) => Math.ceil(x),
  float32(_attrs, x, hold) {
    const n = hold('n', float32.nearest(x));
    return select(compare('lt', n, x), add(n, float(1)), n);
  },
  gradient: 'none',
});

function halfToEven(x: number): number {
  const down = Math.floor(x);
  const rest = x - down;
  if (rest !== 0.5) return rest < 0.5 ? down : down + 1;
  return down % 2 === 0 ? down : down + 1;
}

/** The nearest integer, halves to even. ONNX Round-11, 22. */
export const round = pointwise<unknown>({
  kind: 'round',
  title: 'Nearest integer',
  onnx: plain('Round', 11),
  value: (_attrs, x) => halfToEven(x),
  float32: (_attrs, x) => float32.nearest(x),
  gradient: 'none',
});
