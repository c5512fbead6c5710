/** What must keep all its channels, though something reads them that could do with fewer. */
import { expect, test } from 'vitest';
import { add } from '../../../src/ir/ops/add.ts';
import { conv } from '../../../src/ir/ops/conv.ts';
import { linear } from '../../../src/ir/ops/linear.ts';
import { reshape } from '../../../src/ir/ops/reshape.ts';
import { softmax } from '../../../src/ir/ops/softmax.ts';
import type { Shape } from '../../../src/ir/tensor.ts';
import { channelSpaces } from '../../../src/passes/channels/spaces.ts';
import { floatGraph, type LayerSpec, layer } from '../../support/float-graph.ts';
import { constant } from '../../support/small-network.ts';

const dense = (inputs: number, outputs: number, reads?: string): LayerSpec =>
  layer(
    linear,
    {},
    {
      constants: [
        constant(
          [outputs, inputs],
          Array.from({ length: outputs * inputs }, (_, i) => i),
        ),
      ],
      ...(reads === undefined ? {} : { reads: [reads] }),
    },
  );

const freeIn = (layers: readonly LayerSpec[], input: Shape = [1, 2]): readonly number[] =>
  channelSpaces(floatGraph(input, layers)).free.map(({ channels }) => channels);

test('a chain of layers: all but its ends', () => {
  expect(freeIn([dense(2, 4), dense(4, 3), dense(3, 2)])).toEqual([4, 3]);
});

test('what is also read as a whole', () => {
  const both = layer(add, {}, { reads: ['y1', 'y2'] });
  expect(freeIn([dense(2, 4), layer(softmax, { axis: 1 }), dense(4, 4, 'y0'), both, dense(4, 2)])).toEqual(
    [],
  );
});

test('what has a number for each', () => {
  const shifted = layer(add, {}, { constants: [constant([1, 4], [1, 2, 3, 4])] });
  expect(freeIn([dense(2, 4), shifted, dense(4, 2)])).toEqual([]);
});

test('operands of which a channel is one feature here and two there', () => {
  const window = { kernel: [1], strides: [1], pads: [0, 0], autoPad: 'NOTSET', dilations: [1], groups: 1 };
  const image = layer(conv, window, { constants: [constant([4, 2, 1], [1, 2, 3, 4, 5, 6, 7, 8])] });
  const both = layer(add, {}, { reads: ['y1', 'y2'] });
  const layers = [image, layer(reshape, { shape: [1, 8] }), dense(8, 8), both, dense(8, 2)];
  expect(freeIn(layers, [1, 2, 2])).toEqual([]);
});
