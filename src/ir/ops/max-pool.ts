import type { OpDef } from '../op.ts';
import { newestOpset, required } from './common/inputs.ts';
import {
  explicitMaxPool,
  inferPool,
  type PoolAttrs,
  type PoolChannel,
  parsePool,
  poolTensor,
} from './common/pool.ts';
import { maxTap } from './common/sweep.ts';

export type { PoolAttrs };

const maxOfTaps: PoolChannel = (out, padded, sweep) => {
  for (const tap of sweep.taps) maxTap(out, padded, tap, sweep);
};

/**
 * Largest element of each window. x[N,C,spatial...], 1 to 3 spatial axes; padding never wins.
 * ONNX MaxPool-1, 8, 10, 11, 12, 22 without the Indices output.
 */
export const maxPool: OpDef<PoolAttrs> = {
  kind: 'maxPool',
  onnx: { MaxPool: { since: 1, upTo: newestOpset, parse: parsePool } },
  infer: inferPool,
  reference: (attrs, inputs) => [
    poolTensor(attrs, required(inputs, 0, 'X'), Number.NEGATIVE_INFINITY, maxOfTaps),
  ],
  explicit: explicitMaxPool,
};
