import { must } from '../../base/errors.ts';
import { maxTap, sweepOf } from '../geometry/slide.ts';
import type { Steps, Value } from '../graph/gradient.ts';
import type { CanonicalOp, KernelContext } from '../graph/op.ts';
import { sameAsInput } from '../integers/quant.ts';
import { float, int } from '../kernel/builders.ts';
import type { Kernel } from '../kernel/kernel.ts';
import { spatialOrder } from '../kernel/memory-order.ts';
import { elemOf, storageOf } from '../kernel/stored.ts';
import { channelCount } from '../tensor.ts';
import { sameChannels } from './common/channel-flows.ts';
import { required } from './common/inputs.ts';
import { padded } from './common/padding.ts';
import {
  explicitMaxPool,
  inferPool,
  type PoolAttrs,
  type PoolChannel,
  poolAxes,
  poolPlane,
  poolTensor,
} from './common/pool.ts';
import { asImages } from './common/reads.ts';
import { docOf } from './kernels/doc.ts';
import { joinMax, pooling } from './kernels/pooling.ts';

export type { PoolAttrs };

const maxOfTaps: PoolChannel = (out, padded, sweep) => {
  for (const tap of sweep.taps) maxTap(out, padded, tap, sweep);
};

/** Below every finite float32: -FLT_MAX. Every window holds at least one input, so it never shows. */
const lowestFloat = -(2 - 2 ** -23) * 2 ** 127;

function kernelOf(attrs: PoolAttrs, context: KernelContext, elem: 'u8' | 'f32'): Kernel {
  const [input, output] = [must(context.inputs[0], 'an input'), must(context.outputs[0], 'an output')];
  return pooling({
    name: context.name,
    doc: docOf(`${attrs.kernel.join('x')} max-pool`, [input], output, elem),
    plane: poolPlane(attrs, context),
    channels: channelCount(input.shape),
    elem: elem === 'f32' ? elem : elemOf(input),
    tables: [],
    first: elem === 'f32' ? float(lowestFloat) : int(storageOf(input.quant ?? {}).lo),
    join: joinMax(elem),
    finish: (value) => value,
  });
}

export function largestOf(steps: Steps, attrs: PoolAttrs, image: Value): Value {
  const axes = poolAxes(attrs, image.shape);
  const sweep = sweepOf(axes);
  const { paddedCount: plane, taps, starts } = sweep;
  const x = padded(steps, image, sweep, () => Number.NEGATIVE_INFINITY);
  const shape = [...image.shape.slice(0, 2), ...axes.map((axis) => axis.out)];
  return steps.largest(x, shape, { plane, taps, starts });
}

/**
 * Largest element of each window. x[N,C,spatial...], 1 to 3 spatial axes; padding never wins.
 */
export const maxPool: CanonicalOp<PoolAttrs> = {
  kind: 'maxPool',
  infer: inferPool,
  reference: (attrs, inputs) => [
    poolTensor(attrs, required(inputs, 0, 'X'), Number.NEGATIVE_INFINITY, maxOfTaps),
  ],
  explicit: explicitMaxPool,
  channels: sameChannels,
  reads: asImages,
  order: (_attrs, _inputs, output) => spatialOrder(output),
  affine: { kind: 'commuting', commutes: ({ gain }) => gain.every((g) => g >= 0) },
  absorb: () => undefined,
  elementwise: false,
  outputQuant: sameAsInput,
  sixteen: 'both',
  anyZeroPoint: 'moves',
  quantize: () => ({}),
  rows: undefined,
  gradient: { of: (attrs, steps) => largestOf(steps, attrs, steps.input(0)) },
  int8: (attrs, _quantized, context) => kernelOf(attrs, context, 'u8'),
  float32: (attrs, context) => kernelOf(attrs, context, 'f32'),
};
