/**
 * Fusion: a constant addition into the bias before it, an activation into the operator before it, a max-pool
 * into the convolution before it. Clamping is monotone, so clamp(max(x)) = max(clamp(x)) and their order does
 * not matter; no number changes.
 */

import { broadcastTo } from '../ir/geometry/broadcast.ts';
import { is } from '../ir/graph/graph.ts';
import { clampedAgain } from '../ir/integers/row-clamp.ts';
import { add } from '../ir/ops/add.ts';
import { clip } from '../ir/ops/clip.ts';
import { type ConvAttrs, conv } from '../ir/ops/conv.ts';
import { linear } from '../ir/ops/linear.ts';
import { maxPool, type PoolAttrs } from '../ir/ops/max-pool.ts';
import { type Shape, sameShape, type Tensor } from '../ir/tensor.ts';
import { hoisted } from './hoist.ts';
import type { Pass } from './pass.ts';
import { activationInput, constantOf, type Merged, type MergeView, mergeAll } from './rewrite.ts';

function clampInto({ first, second }: MergeView): Merged | undefined {
  if (!is(second, clip)) return undefined;
  if (!is(first, conv) && !is(first, linear) && !is(first, add)) return undefined;
  const clamp = clampedAgain(first.attrs.clamp, second.attrs);
  return { op: first.op, attrs: { ...first.attrs, clamp }, inputs: first.inputs };
}

/** Windows that overlap would compute the convolution more than once; padded ones need a value for -infinity. */
function poolInto({ graph, first, second }: MergeView): Merged | undefined {
  if (!is(first, conv) || !is(second, maxPool) || first.attrs.pool !== undefined) return undefined;
  const pool = second.attrs;
  const image = graph.tensors.get(first.outputs[0] ?? '')?.shape ?? [];
  const out = graph.tensors.get(second.outputs[0] ?? '')?.shape ?? [];
  if (!fitsInside(pool, image, out)) return undefined;
  return { op: conv, attrs: { ...first.attrs, pool } satisfies ConvAttrs, inputs: first.inputs };
}

function fitsInside(pool: PoolAttrs, image: Shape, out: Shape): boolean {
  return (
    image.length === 4 &&
    pool.pads.every((p) => p === 0) &&
    pool.dilations.every((d) => d === 1) &&
    pool.kernel.every((k, i) => k <= (pool.strides[i] ?? 1)) &&
    pool.kernel.every((k, i) => ((out[i + 2] ?? 0) - 1) * (pool.strides[i] ?? 1) + k <= (image[i + 2] ?? 0))
  );
}

/** conv(x) + c and linear(x) + c for a constant c of one number per output channel. */
function addIntoBias(view: MergeView): Merged | undefined {
  const { graph, first, second } = view;
  if (!is(second, add) || !(is(first, conv) || is(first, linear))) return undefined;
  if (first.attrs.clamp !== undefined || (is(first, conv) && first.attrs.pool !== undefined))
    return undefined;
  const index = second.inputs.findIndex((name) => graph.tensors.get(name)?.constant !== undefined);
  const addend = view.constant(second, index);
  const weight = view.constant(first, 1);
  const [made, output] = [first, second].map(
    ({ outputs }) => graph.tensors.get(outputs[0] ?? '')?.shape ?? [],
  );
  const channels = weight?.shape[0] ?? 0;
  if (addend === undefined || made === undefined || output === undefined) return undefined;
  const added = sameShape(made, output) ? perChannel(addend, output, channels) : undefined;
  if (added === undefined) return undefined;
  const old = view.constant(first, 2);
  const bias = added.map((x, c) => (old?.data[c] ?? 0) + x);
  const name = view.fresh(`${first.name}.bias`);
  const attrs = {
    ...first.attrs,
    ...(second.attrs.clamp === undefined ? {} : { clamp: second.attrs.clamp }),
  };
  return {
    op: first.op,
    attrs,
    inputs: [activationInput(graph, first), first.inputs[1] ?? '', name],
    constants: new Map([[name, constantOf([channels], bias)]]),
  };
}

/** One number per channel (axis 1), where broadcasting to `shape` gives each channel one. */
function perChannel(addend: Tensor, shape: Shape, channels: number): Float32Array | undefined {
  const { data } = broadcastTo(addend, shape);
  const plane = data.length / channels;
  const numbers = Float32Array.from({ length: channels }, (_, c) => data[c * plane] as number);
  return data.every((x: number, i: number) => x === numbers[Math.floor(i / plane)]) ? numbers : undefined;
}

export const fuse: Pass<'float', 'float'> = {
  name: 'fuse',
  doc: 'biases, activations and max-pools join the operator before them; outputs stay the same',
  run: (graph) => mergeAll(hoisted(graph), (view) => addIntoBias(view) ?? clampInto(view) ?? poolInto(view)),
};
