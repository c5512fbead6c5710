import * as float32 from './common/float32.ts';
import { newestOpset } from './common/inputs.ts';
import { logistic, pointwise } from './common/pointwise.ts';

/** 1 / (1 + e^-x). ONNX Sigmoid-1, 6, 13. */
export const sigmoid = pointwise<unknown>({
  kind: 'sigmoid',
  title: 'Sigmoid',
  onnx: { Sigmoid: { since: 1, upTo: newestOpset, parse: () => ({}) } },
  value: (_attrs, x) => 1 / (1 + Math.exp(-x)),
  range: { lo: 0, hi: 1 },
  float32: (_attrs, x, hold) => float32.logistic(x, hold),
  gradient: (_attrs, steps) => logistic(steps, 1, 1, 0),
});
