import type { OpDef } from '../op.ts';
import { checkLegacyBroadcast, inferPair, pairwise } from './common/elementwise.ts';
import { newestOpset } from './common/inputs.ts';
import type { Clamp } from './common/round.ts';

export interface AddAttrs {
  /** Applied to the sums. */
  readonly clamp?: Clamp;
}

/** a + b, clamped, with ONNX broadcasting. ONNX Add-1, 6 (no axis), 7, 13, 14. */
export const add: OpDef<AddAttrs> = {
  kind: 'add',
  onnx: {
    Add: {
      since: 1,
      upTo: newestOpset,
      parse(node) {
        checkLegacyBroadcast(node);
        return {};
      },
    },
  },
  infer: (_attrs, inputs) => inferPair(inputs),
  reference({ clamp }, inputs) {
    const { lo, hi } = clamp ?? { lo: Number.NEGATIVE_INFINITY, hi: Number.POSITIVE_INFINITY };
    return [pairwise(inputs, (a, b) => Math.min(Math.max(a + b, lo), hi))];
  },
};
