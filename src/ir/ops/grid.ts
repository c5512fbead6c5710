import type { CanonicalOp } from '../graph/op.ts';
import { div, float, maximum, minimum, mul } from '../kernel/builders.ts';
import { fileStep, fileValue } from '../kernel/file-grid.ts';
import { type Quant, storageOf } from '../kernel/stored.ts';
import { nearestBelow } from './common/float32.ts';
import { type Lookup, pointwise } from './common/pointwise.ts';

/** x on the grid: ONNX's QuantizeLinear and DequantizeLinear of one scale and zero point in a row. */
const rounding = pointwise<Quant>({
  kind: 'grid',
  title: ({ scale, zeroPoint }) => `Onto steps of ${scale} around ${zeroPoint}`,
  onnx: {},
  value: (grid, x) => fileValue(fileStep(x, grid), grid),
  float32(quant, x) {
    const { scale, zeroPoint } = quant;
    const { lo, hi } = storageOf(quant);
    const steps = minimum(maximum(div(x, float(scale)), float(lo - zeroPoint)), float(hi - zeroPoint));
    return mul(nearestBelow(steps), float(scale));
  },
  gradient: 'none',
});

const { real: _, ...rest } = rounding;

/**
 * A tensor of the model's file as its integers have it: the nearest number on a grid. Behind fusion most are
 * what their makers store, and have no kernel (`settleGrids`).
 */
export const grid: CanonicalOp<Quant, Lookup> = {
  ...rest,
  // Functions in a row must not be taken as one across it.
  outputQuant: ({ attrs }) => attrs,
  // Training goes through as if nothing were rounded.
  gradient: { of: (_attrs, steps) => steps.fixed(steps.output, (i) => [[steps.input(0), i, 1]]) },
  channels: (attrs, inputs) => {
    const channels = rest.channels(attrs, inputs);
    return channels.flow === 'opaque' ? channels : { ...channels, isSilent: () => true };
  },
};
