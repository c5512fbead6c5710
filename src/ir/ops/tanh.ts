import {
  add,
  call,
  compare,
  constant,
  div,
  float,
  local,
  minimum,
  mul,
  select,
  sub,
} from '../kernel/builders.ts';
import { newestOpset } from './common/inputs.ts';
import { logistic, pointwise } from './common/pointwise.ts';

/** The hyperbolic tangent. ONNX Tanh-1, 6, 13. */
export const tanh = pointwise<unknown>({
  kind: 'tanh',
  title: 'Hyperbolic tangent',
  onnx: { Tanh: { since: 1, upTo: newestOpset, parse: () => ({}) } },
  value: (_attrs, x) => Math.tanh(x),
  range: { lo: -1, hi: 1 },
  // With e = e^-2|x|: (1 - e) / (1 + e) for x >= 0, and its negative.
  float32: (_attrs, x) => {
    const e = local('e', 'f32');
    return {
      before: [constant('e', call('exp_f32', 'f32', mul(minimum(x, sub(float(0), x)), float(2))))],
      value: div(select(compare('ge', x, float(0)), sub(float(1), e), sub(e, float(1))), add(e, float(1))),
    };
  },
  gradient: (_attrs, steps) => logistic(steps, 2, 2, -1),
});
