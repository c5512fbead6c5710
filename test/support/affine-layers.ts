/** Layers with given numbers, for graphs by hand: what `layer` of float-graph.ts takes, spelled shorter. */
import { batchNorm } from '../../src/ir/ops/batch-norm.ts';
import { clip } from '../../src/ir/ops/clip.ts';
import { type ConvAttrs, conv } from '../../src/ir/ops/conv.ts';
import { linear } from '../../src/ir/ops/linear.ts';
import { type LayerSpec, layer } from './float-graph.ts';
import { constant } from './small-network.ts';

export interface NormNumbers {
  readonly scale: readonly number[];
  readonly bias: readonly number[];
  readonly mean: readonly number[];
  readonly variance: readonly number[];
}

/** y = scale (x - mean) / sqrt(variance + epsilon) + bias */
export const norm = ({ scale, bias, mean, variance }: NormNumbers, epsilon = 1e-5): LayerSpec =>
  layer(
    batchNorm,
    { epsilon },
    {
      constants: [scale, bias, mean, variance].map((numbers) => constant([numbers.length], numbers)),
    },
  );

/** Of two axes; `pad` on every side. */
export const convolution = (
  shape: readonly [number, number, number, number],
  weights: readonly number[],
  more: { readonly pad?: number; readonly groups?: number; readonly bias?: readonly number[] } = {},
): LayerSpec => {
  const { pad = 0, groups = 1, bias } = more;
  const attrs: ConvAttrs = {
    kernel: shape.slice(2),
    strides: [1, 1],
    pads: [pad, pad, pad, pad],
    autoPad: 'NOTSET',
    dilations: [1, 1],
    groups,
  };
  const constants = [
    constant(shape, weights),
    ...(bias === undefined ? [] : [constant([bias.length], bias)]),
  ];
  return layer(conv, attrs, { constants });
};

export const dense = (
  shape: readonly [number, number],
  weights: readonly number[],
  bias?: readonly number[],
): LayerSpec =>
  layer(
    linear,
    {},
    {
      constants: [constant(shape, weights), ...(bias === undefined ? [] : [constant([bias.length], bias)])],
    },
  );

export const relu: LayerSpec = layer(clip, { lo: 0, hi: Infinity });
