import * as float32 from './common/float32.ts';
import { newestOpset } from './common/inputs.ts';
import { logistic, pointwise } from './common/pointwise.ts';

/** The hyperbolic tangent. ONNX Tanh-1, 6, 13. */
export const tanh = pointwise<unknown>({
  kind: 'tanh',
  title: 'Hyperbolic tangent',
  onnx: { Tanh: { since: 1, upTo: newestOpset, parse: () => ({}) } },
  value: (_attrs, x) => Math.tanh(x),
  range: { lo: -1, hi: 1 },
  float32: (_attrs, x, hold) => float32.tanh(x, hold),
  gradient: (_attrs, steps) => logistic(steps, 2, 2, -1),
});
