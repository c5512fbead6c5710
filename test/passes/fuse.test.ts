/** What joins the operator before it, and what must not. */
import { expect, test } from 'vitest';
import { evaluate } from '../../src/ir/graph/evaluate.ts';
import type { Graph } from '../../src/ir/graph/graph.ts';
import { add } from '../../src/ir/ops/add.ts';
import { avgPool } from '../../src/ir/ops/avg-pool.ts';
import { clip } from '../../src/ir/ops/clip.ts';
import { maxPool } from '../../src/ir/ops/max-pool.ts';
import { reshape } from '../../src/ir/ops/reshape.ts';
import { floats } from '../../src/ir/tensor.ts';
import { fuse } from '../../src/passes/fuse.ts';
import { convolution, dense, relu } from '../support/affine-layers.ts';
import { floatGraph, type LayerSpec, layer } from '../support/float-graph.ts';
import { constant } from '../support/small-network.ts';

const input = Array.from({ length: 50 }, (_, i) => ((i * 7) % 13) - 6);
const outputOf = (graph: Graph<'float'>): number[] => {
  const { shape } = graph.tensors.get('x')!;
  const x = Float32Array.from(
    input.slice(
      0,
      shape.reduce((n, size) => n * size, 1),
    ),
  );
  const [y] = evaluate(graph, new Map([['x', floats(shape, x)]])).values();
  return Array.from(y!.data as ArrayLike<number>);
};

const pool = (kernel: number, stride: number, pad = 0, ceil = 0): LayerSpec =>
  layer(maxPool, {
    kernel: [kernel, kernel],
    strides: [stride, stride],
    pads: [pad, pad, pad, pad],
    autoPad: 'NOTSET',
    dilations: [1, 1],
    ceil: ceil === 1,
  });
/** Its last windows end within the image. */
const above = layer(maxPool, {
  ...{
    kernel: [2, 2],
    strides: [3, 3],
    pads: [1, 0, 0, 0],
    autoPad: 'NOTSET',
    dilations: [1, 1],
    ceil: false,
  },
});
const mean = layer(avgPool, {
  kernel: [2, 2],
  strides: [2, 2],
  pads: [0, 0, 0, 0],
  autoPad: 'NOTSET',
  dilations: [1, 1],
  ceilMode: false,
  countIncludePad: false,
});
const pointwise = convolution([2, 2, 1, 1], [1, -2, 3, 4], { bias: [1, 2] });
const plus = (shape: readonly number[], numbers: readonly number[]): LayerSpec =>
  layer(add, {}, { constants: [constant(shape, numbers)] });
const six = layer(clip, { lo: 0, hi: 6 });
const image = [1, 2, 4, 4];

const cases: readonly (readonly [string, readonly number[], readonly LayerSpec[], readonly string[]])[] = [
  ['a ReLU', image, [pointwise, relu], ['conv']],
  [
    'two clips, of which the narrower ends count',
    image,
    [pointwise, layer(clip, { lo: -3, hi: 5 }), six],
    ['conv'],
  ],
  [
    'clips that have no number in common',
    image,
    [pointwise, layer(clip, { lo: 5, hi: 9 }), layer(clip, { lo: 2, hi: 3 })],
    ['conv'],
  ],
  ['a ReLU and a max-pool, in either order', image, [pointwise, pool(2, 2), relu], ['conv']],
  ['a constant of one number per channel', image, [pointwise, plus([2, 1, 1], [10, 20])], ['conv']],
  [
    'a constant for a linear layer, then a clip',
    [1, 2],
    [dense([2, 2], [1, 2, 3, 4]), plus([2], [5, -50]), six],
    ['linear'],
  ],
  ['not a max-pool whose windows overlap', image, [pointwise, pool(3, 2)], ['conv', 'maxPool']],
  ['not a padded max-pool', image, [pointwise, pool(2, 2, 1)], ['conv', 'maxPool']],
  ['not a max-pool padded above only', [1, 2, 5, 5], [pointwise, above], ['conv', 'maxPool']],
  ['a constant behind a clip', image, [pointwise, relu, plus([2, 1, 1], [10, 20])], ['conv']],
  [
    'a constant behind clips, constants and a max-pool',
    image,
    [pointwise, plus([2, 1, 1], [-5, 9]), six, pool(2, 2), plus([1], [2]), relu, plus([2, 1, 1], [10, 20])],
    ['conv'],
  ],
  [
    'a constant behind a max-pool whose windows overlap',
    image,
    [pointwise, relu, pool(3, 2), plus([2, 1, 1], [10, 20])],
    ['conv', 'maxPool'],
  ],
  ['a constant behind an average', image, [pointwise, mean, plus([2, 1, 1], [10, 20])], ['conv', 'avgPool']],
  [
    'not a constant behind a clipped average, which is a layer',
    image,
    [pointwise, mean, relu, plus([2, 1, 1], [10, 20])],
    ['conv', 'avgPool', 'clip', 'conv'],
  ],
  [
    'a constant in front of a linear layer, behind a view',
    [1, 2, 2, 2],
    [
      pool(2, 1),
      layer(reshape, { shape: [1, 2] }),
      plus([2], [10, 20]),
      dense([2, 2], [1, 2, 3, 4]),
      plus([2], [5, 6]),
    ],
    ['maxPool', 'reshape', 'linear'],
  ],
  [
    'not a constant in front of padding, which is a layer',
    image,
    [plus([2, 1, 1], [10, 20]), convolution([1, 2, 3, 3], new Array<number>(18).fill(1), { pad: 1 })],
    ['conv', 'conv'],
  ],
  [
    'not a constant without a layer beside it, which is one',
    [1, 4],
    [plus([4], [1, 2, 3, 4]), relu],
    ['reshape', 'conv', 'reshape', 'clip'],
  ],
  ['not a constant that differs along a row', image, [pointwise, plus([4], [1, 2, 3, 4])], ['conv', 'add']],
];

test.each(cases)('%s', (_, shape, layers, left) => {
  const graph = floatGraph(shape, layers);
  const fused = fuse.run(graph);
  expect(fused.nodes.map(({ op }) => op.kind)).toEqual(left);
  expect(outputOf(fused)).toEqual(outputOf(graph));
});

test('of clips that have no number in common one number is left', () => {
  const narrow = [layer(clip, { lo: 5, hi: 9 }), layer(clip, { lo: 2, hi: 3 })];
  const [first] = fuse.run(floatGraph(image, [pointwise, ...narrow])).nodes;
  expect(first!.attrs).toMatchObject({ clamp: { lo: 3, hi: 3 } });
});

test('what someone else reads too is not clipped for both', () => {
  const graph = floatGraph(image, [pointwise, relu, layer(add, {}, { reads: ['y0', 'y1'] })]);
  const fused = fuse.run(graph);
  expect(fused.nodes.map(({ op }) => op.kind)).toEqual(['conv', 'formula']);
  expect(outputOf(fused)).toEqual(outputOf(graph));
});
