/** Maps of single channels that stay alone, as a layer that has kernels. */
import { at, must } from '../../../base/errors.ts';
import type { ChannelMap } from '../../graph/affine.ts';
import type { NodeView, Replacement } from '../../graph/op.ts';
import { pickedClamp } from '../../integers/row-clamp.ts';
import { countOf, floats, sizeAlong } from '../../tensor.ts';
import { type ConvAttrs, conv } from '../conv.ts';
import { reshapeTo } from './imported.ts';

const pointwise: Omit<ConvAttrs, 'groups'> = {
  kernel: [1, 1],
  strides: [1, 1],
  pads: [0, 0, 0, 0],
  autoPad: 'NOTSET',
  dilations: [1, 1],
};

/** A depthwise 1x1 convolution, of all other axes as one where they are not two; the channels of several samples are as many more. */
export function depthwise(f: ChannelMap, node: NodeView<unknown>): readonly Replacement[] {
  const { inputs, inputTypes, outputs, outputTypes } = node;
  const [from, to] = [
    must(inputs[inputTypes.findIndex((type) => type?.constant === undefined)], 'an activation'),
    must(outputs[0], 'an output'),
  ];
  const { shape } = must(outputTypes[0], 'a known tensor');
  const samples = shape.length < 2 ? 1 : sizeAlong(shape, 0);
  const rows = Array.from({ length: samples * f.gain.length }, (_, i) => i % f.gain.length);
  const channels = rows.length;
  const isImage = shape.length === 4 && samples === 1;
  const [weight, bias] = [`${node.name}.weight`, `${node.name}.bias`];
  const [image, made] = isImage ? [from, to] : [`${node.name}.image`, `${node.name}.affine`];
  const layer: Replacement = {
    op: conv,
    attrs: {
      ...pointwise,
      groups: channels,
      ...(f.clamp === undefined ? {} : { clamp: pickedClamp(f.clamp, rows) }),
    },
    inputs: [image, weight, bias],
    outputs: [made],
    constants: new Map([
      [
        weight,
        floats(
          [channels, 1, 1, 1],
          Float32Array.from(rows, (c) => at(f.gain, c)),
        ),
      ],
      [
        bias,
        floats(
          [channels],
          Float32Array.from(rows, (c) => at(f.shift, c)),
        ),
      ],
    ]),
  };
  if (isImage) return [layer];
  const flat = [1, channels, 1, countOf(shape) / channels];
  return [reshapeTo(from, image, flat), layer, reshapeTo(made, to, shape)];
}
