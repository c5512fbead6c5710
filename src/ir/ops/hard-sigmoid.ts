import { clampFloat } from '../integers/mac.ts';
import { add, float, mul } from '../kernel/builders.ts';
import { newestOpset } from './common/inputs.ts';
import { pointwise } from './common/pointwise.ts';

export interface HardSigmoidAttrs {
  readonly alpha: number;
  readonly beta: number;
}

/** max(0, min(1, alpha x + beta)). ONNX HardSigmoid-1, 6, 22; PyTorch's has alpha = 1/6. */
export const hardSigmoid = pointwise<HardSigmoidAttrs>({
  kind: 'hardSigmoid',
  title: 'Hard sigmoid',
  onnx: {
    HardSigmoid: {
      since: 1,
      upTo: newestOpset,
      parse: ({ attributes }) => ({
        alpha: attributes.float('alpha', Math.fround(0.2)),
        beta: attributes.float('beta', 0.5),
      }),
    },
  },
  value: ({ alpha, beta }, x) => Math.max(0, Math.min(1, alpha * x + beta)),
  range: { lo: 0, hi: 1 },
  float32: ({ alpha, beta }, x) => clampFloat(add(mul(x, float(alpha)), float(beta)), { lo: 0, hi: 1 }),
  gradient({ alpha, beta }, steps) {
    const x = steps.input(0);
    const line = steps.fixed(
      x.shape,
      (i) => [[x, i, alpha]],
      () => beta,
    );
    return steps.clamp(line, { lo: 0, hi: 1 });
  },
});
