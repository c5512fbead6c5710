import { add, call, compare, constant, div, float, local, minimum, select, sub } from '../kernel/builders.ts';
import { newestOpset } from './common/inputs.ts';
import { logistic, pointwise } from './common/pointwise.ts';

/** 1 / (1 + e^-x). ONNX Sigmoid-1, 6, 13. */
export const sigmoid = pointwise<unknown>({
  kind: 'sigmoid',
  title: 'Sigmoid',
  onnx: { Sigmoid: { since: 1, upTo: newestOpset, parse: () => ({}) } },
  value: (_attrs, x) => 1 / (1 + Math.exp(-x)),
  range: { lo: 0, hi: 1 },
  // With e = e^-|x|, which is at most 1: 1 / (1 + e) for x >= 0, else e / (1 + e).
  float32: (_attrs, x) => {
    const e = local('e', 'f32');
    return {
      before: [constant('e', call('exp_f32', 'f32', minimum(x, sub(float(0), x))))],
      value: div(select(compare('ge', x, float(0)), float(1), e), add(e, float(1))),
    };
  },
  gradient: (_attrs, steps) => logistic(steps, 1, 1, 0),
});
