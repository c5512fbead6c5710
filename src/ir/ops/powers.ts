/** Exponentials, logarithms, roots, powers and the error function. */
import { div, float } from '../kernel/builders.ts';
import { erf as erfOf } from './common/erf.ts';
import * as float32 from './common/float32.ts';
import { plain } from './common/onnx-rules.ts';
import { pointwise } from './common/pointwise.ts';

/** e^x. ONNX Exp-1, 6, 13. */
export const exp = pointwise<unknown>({
  kind: 'exp',
  title: 'Exponential',
  onnx: plain('Exp', 1),
  value: (_attrs, x) => Math.exp(x),
  range: { lo: 0, hi: Number.POSITIVE_INFINITY },
  float32: (_attrs, x, hold) => float32.exp(x, hold),
});

/** The natural logarithm of numbers above 0. ONNX Log-1, 6, 13. */
export const log = pointwise<unknown>({
  kind: 'log',
  title: 'Logarithm',
  onnx: plain('Log', 1),
  value: (_attrs, x) => Math.log(x),
  float32: (_attrs, x, hold) => float32.log(x, hold),
});

/** The square root. ONNX Sqrt-1, 6, 13. */
export const sqrt = pointwise<unknown>({
  kind: 'sqrt',
  title: 'Square root',
  onnx: plain('Sqrt', 1),
  value: (_attrs, x) => Math.sqrt(x),
  range: { lo: 0, hi: Number.POSITIVE_INFINITY },
  float32: (_attrs, x) => float32.sqrt(x),
});

/** 1 / x. ONNX Reciprocal-1, 6, 13. */
export const reciprocal = pointwise<unknown>({
  kind: 'reciprocal',
  title: 'Reciprocal',
  onnx: plain('Reciprocal', 1),
  value: (_attrs, x) => 1 / x,
  float32: (_attrs, x) => div(float(1), x),
});

/** The error function. ONNX Erf-9, 13. */
export const erf = pointwise<unknown>({
  kind: 'erf',
  title: 'Error function',
  onnx: plain('Erf', 9),
  value: (_attrs, x) => erfOf(x),
  range: { lo: -1, hi: 1 },
  float32: (_attrs, x, hold) => float32.erf(x, hold),
});
